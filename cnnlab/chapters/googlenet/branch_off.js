import { el, listed, range } from "../../widgets/static/core.js";
import { strongest } from "../../widgets/static/engine/brain.js";
import { concat, conv, dense, global_average, max_pool, relu } from "../../widgets/static/engine/layers.js";
import { passedOn, readNetwork } from "../../widgets/static/engine/network.js";
import {
  asInput,
  asked,
  askedLayout,
  bestOf,
  picturesOf,
  row,
  switches,
  tallying,
} from "../../widgets/static/inside.js";
import { choosing, listing, painting, panel, toggling } from "../../widgets/static/panel.js";
import { board } from "../../widgets/static/photo.js";

const KINDS = { concat, conv, dense, global_average, max_pool };
const BRANCHES = ["1 × 1", "3 × 3", "5 × 5", "pooling"];
const MAPS = 6;

const offBranches = (state) => range(4).filter((k) => state[`off${k}`]);
const modulesOff = (state, data) => (state.where === "all" ? range(data.modules.length) : [state.module]);
export const question = (state) => {
  const off = offBranches(state).join();
  return off && `${off} of ${state.where === "all" ? "all" : state.module}`;
};

// Zeros for the branches that are off, as many maps as they have
export const instead = (state, data) => {
  const own = {};
  for (const m of modulesOff(state, data)) {
    const { branches, from } = data.modules[m];
    for (const k of offBranches(state)) {
      const at = branches[k];
      own[at] = (values) => {
        const shape = [data.network.layers[at].kernel[0], ...values[from].shape.slice(1)];
        return { shape, data: new Float32Array(shape[0] * shape[1] * shape[2]) };
      };
    }
  }
  return own;
};
export const through = (state, data, picture) =>
  passedOn(data.network, asInput(picture.pixels, data), KINDS, { relu }, instead(state, data));
const answers = (state, data, picture) => ({ GoogLeNet: through(state, data, picture).at(-1).data });

export const explain = (state, scores, { classes, modules, pictures }) => {
  const off = offBranches(state).map((k) => BRANCHES[k]);
  const where = state.where === "all" ? "all nine modules" : `module ${modules[state.module].label}`;
  const without = off.length ? `Without ${listed(off)} in ${where}` : "With all branches";
  const label = classes[pictures[state.picture].label];
  return `${without}: this picture, labeled ${label}, is taken for ${classes[bestOf(scores)]}.`;
};

export const view = (state, _width, data) => {
  const { pictures, modules } = data;
  const values = through(state, data, pictures[state.picture]);
  const scores = values.at(-1).data;
  const look = (k) => row(strongest(values[modules[state.module].branches[k]], MAPS), MAPS);
  return {
    text: explain(state, scores, data),
    ...asked(state, data, question, { GoogLeNet: scores }),
    images: { contact: data.contact, ...Object.fromEntries(range(4).map((k) => [`maps${k}`, look(k)])) },
  };
};

const decode = (data) => ({ ...data, ...picturesOf(data.pictures, data.classes), network: readNetwork(data.network) });
const layout = (own) => [
  own.presets(),
  own.bar("module"),
  switches(own, [...range(4).map((k) => `off${k}`), "where"]),
  askedLayout(own),
  el(
    "div",
    { class: "in-maps bo-maps" },
    BRANCHES.map((name, k) => board(own, `maps${k}`, `${name}: its strongest maps in the module`, [])),
  ),
];

export const explore = panel(view, {
  kinds: { choosing, listing, toggling },
  also: [painting, tallying(question, answers)],
  layout,
  decode,
});
