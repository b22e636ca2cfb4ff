import { el } from "../../widgets/static/core.js";
import { strongest } from "../../widgets/static/engine/brain.js";
import { conv, dense, global_average, relu6 } from "../../widgets/static/engine/layers.js";
import { passedOn, readNetwork } from "../../widgets/static/engine/network.js";
import { even } from "../../widgets/static/engine/resize.js";
import { asInput, asked, askedLayout, bestOf, picturesOf, row, tallying } from "../../widgets/static/inside.js";
import { choosing, listing, painting, panel, sliding } from "../../widgets/static/panel.js";
import { board, sheet } from "../../widgets/static/photo.js";

const KINDS = { conv, dense, global_average };
const MAPS = 8;
const SHOWN = 16; // kernels
const FULL = 16; // bits, at which nothing is rounded further

export const question = ({ bits, per }) => (bits === FULL ? "as recorded" : `${bits} ${per}`);

// Whole numbers of so many bits times a scale: of the whole layer, or of each output channel (cnnlab.compress.quantize).
export const roundedTo = (weight, rows, bits, per) => {
  if (bits === FULL) return weight;
  const high = 2 ** (bits - 1) - 1;
  const each = weight.length / rows;
  const out = new Float32Array(weight.length);
  const largest = (from, to) => {
    let peak = 0;
    for (let i = from; i < to; i++) peak = Math.max(peak, Math.abs(weight[i]));
    return peak;
  };
  const whole = largest(0, weight.length);
  for (let k = 0; k < rows; k++) {
    const scale = Math.fround((per === "tensor" ? whole : largest(k * each, (k + 1) * each)) / high) || 1;
    // As torch has it, in 32 bits: half steps occur.
    const steps = Math.fround(1 / scale);
    for (let i = k * each; i < (k + 1) * each; i++) out[i] = even(Math.fround(weight[i] * steps)) * scale;
  }
  return out;
};
export const roundedNetwork = ({ bits, per }, network) => ({
  ...network,
  layers: network.layers.map((layer) =>
    layer.weight ? { ...layer, weight: roundedTo(layer.weight, layer.kernel[0], bits, per) } : layer,
  ),
});
export const through = (state, data, picture) =>
  passedOn(roundedNetwork(state, data.network), asInput(picture.pixels, data), KINDS, { relu6 });
const answers = (state, data, picture) => ({ MobileNet: through(state, data, picture).at(-1).data });

// How many of a layer's kernels have become zero altogether
export const dead = (weight, rows) => {
  const each = weight.length / rows;
  let count = 0;
  for (let k = 0; k < rows; k++) if (weight.subarray(k * each, (k + 1) * each).every((v) => v === 0)) count++;
  return count;
};

export const explain = (state, scores, gone, { classes, pictures, layers }) => {
  const { bits, per } = state;
  const scales = per === "tensor" ? "one scale for a layer" : "a scale for each channel";
  const how = bits === FULL ? "As recorded" : `Weights of ${bits} bits, ${scales}`;
  const zero = gone ? ` ${gone} of the layer’s ${layers[state.layer].maps} kernels are zero now.` : "";
  const label = classes[pictures[state.picture].label];
  return `${how}: this picture, labeled ${label}, is taken for ${classes[bestOf(scores)]}.${zero}`;
};

export const view = (state, width, data) => {
  const { pictures, network } = data;
  const { at, maps: count } = data.layers[state.layer];
  const values = through(state, data, pictures[state.picture]);
  const scores = values.at(-1).data;
  const weight = roundedTo(network.layers[at].weight, count, state.bits, state.per);
  // In one gray scale for all kernels of the layer, so that quiet ones look quiet.
  const peak = Math.max(...network.layers[at].weight.map(Math.abs));
  const across = width < 480 ? 8 : SHOWN;
  return {
    text: explain(state, scores, dead(weight, count), data),
    ...asked(state, data, question, { MobileNet: scores }),
    images: {
      contact: data.contact,
      kernels: sheet(weight, SHOWN, 3, 3, across, (v) => 127.5 * (1 + v / peak)),
      maps: row(strongest(values[at], MAPS), MAPS),
    },
  };
};

const decode = (data) => ({ ...data, ...picturesOf(data.pictures, data.classes), network: readNetwork(data.network) });
const layout = (own) => [
  own.presets(),
  own.sliders,
  own.bar("per"),
  askedLayout(own),
  own.bar("layer"),
  el(
    "div",
    { class: "lb-look" },
    board(own, "kernels", "sixteen of its kernels: gray is zero", []),
    board(own, "maps", "its strongest maps", []),
  ),
];

export const explore = panel(view, {
  kinds: { choosing, listing, sliding },
  also: [painting, tallying(question, answers)],
  layout,
  decode,
});
