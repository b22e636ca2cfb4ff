import { clamp, range, short, sized, svg, tidy } from "../../widgets/static/core.js";
import { panel, sliding } from "../../widgets/static/panel.js";

// Table 2 of the paper as revised in 2020: billions of multiply-accumulates, and top-1 accuracy in percent.
export const FAMILY = [
  ["B0", 0.39, 77.1],
  ["B1", 0.7, 79.1],
  ["B2", 1.0, 80.1],
  ["B3", 1.8, 81.6],
  ["B4", 4.2, 82.9],
  ["B5", 9.9, 83.6],
  ["B6", 19, 84.0],
  ["B7", 37, 84.3],
];
// Table 7, where B0 has 77.3 %: one knob alone.
export const ALONE = [
  ["depth", 1.8, 79.0],
  ["width", 1.8, 78.9],
  ["resolution", 1.9, 79.1],
];
// Expansion, kernel, stride, channels and layers of stages 2 to 8.
const STAGES = [
  [1, 3, 1, 16, 1],
  [6, 3, 2, 24, 2],
  [6, 5, 2, 40, 2],
  [6, 3, 2, 80, 3],
  [6, 5, 1, 112, 3],
  [6, 5, 2, 192, 4],
  [6, 3, 1, 320, 1],
];
const B0 = 385814752;

// --- arithmetic -----------------------------------------------------------------------------------------------------

// Multiples of 8, and never more than 10 % below the wanted number.
export const channels = (wanted) => {
  const rounded = Math.max(8, Math.floor((wanted + 4) / 8) * 8);
  return rounded < 0.9 * wanted ? rounded + 8 : rounded;
};

// Layers and channels of each stage, parameters and multiply-accumulates. A batch norm has two parameters a channel and,
// as everywhere in the book, no multiply-accumulates.
export const bill = ({ depth, width, resolution }) => {
  let [params, macs] = [0, 0];
  const layer = (weights, side, norm) => {
    params += weights + 2 * norm;
    macs += weights * side * side;
  };
  let side = Math.ceil(resolution / 2);
  let before = channels(32 * width);
  layer(27 * before, side, before);
  const stages = STAGES.map(([expansion, kernel, stride, base, layers]) => {
    const out = channels(base * width);
    const many = Math.ceil(layers * depth);
    for (const n of range(many)) {
      const wide = before * expansion;
      if (expansion > 1) layer(before * wide, side, wide);
      if (!n) side = Math.ceil(side / stride);
      layer(kernel * kernel * wide, side, wide);
      const hidden = Math.max(1, Math.floor(before / 4));
      layer(2 * wide * hidden, 1, 0);
      params += hidden + wide;
      layer(wide * out, side, out);
      before = out;
    }
    return [many, out, side];
  });
  const last = channels(1280 * width);
  layer(before * last, side, last);
  params += 1000 * last + 1000;
  return { stages, params, macs: macs + 1000 * last };
};

// What the slider φ makes of the other three: what the equation says, rounded to what they offer.
export const compound = (phi) => ({
  depth: clamp(Math.round(10 * 1.2 ** phi) / 10, 1, 4),
  width: clamp(Math.round(10 * 1.1 ** phi) / 10, 1, 2.2),
  resolution: clamp(4 * Math.round(56 * 1.15 ** phi), 224, 640),
});

const times = (value) => (value < 10 ? value.toFixed(2) : String(Math.round(value)));

export const explain = (state) => {
  const { stages, params, macs } = bill(state);
  const { depth, width, resolution } = state;
  const rule = depth * width ** 2 * (resolution / 224) ** 2;
  const blocks = stages.reduce((sum, [many]) => sum + many, 0);
  return (
    `${blocks} blocks, ${short(params)} parameters, ${short(macs)} multiply-accumulates: ${times(macs / B0)} times B0’s. ` +
    `By the rule d w² r² it would be ${times(rule)} times.`
  );
};

const same = (a, b) => Math.abs(a - b) < 1e-9;

export const advise = ({ phi, depth, width, resolution }) => {
  const own = compound(phi);
  if (phi && same(own.depth, depth) && same(own.width, width) && same(own.resolution, resolution))
    return `φ = ${tidy(phi, 1)}: 1.2, 1.1 and 1.15 to this power, rounded. 2 to this power would be ${times(2 ** phi)}, 1.92 to it is ${times(1.92027 ** phi)}.`;
  return "Layers are rounded up, channels to multiples of 8: so a stage of one layer has two as soon as d is above 1.";
};

// --- picture --------------------------------------------------------------------------------------------------------

const BOXES = 116;
const CHART = 200;

const boxes = ({ stages }, wide) => {
  const gap = 6;
  const all = stages.reduce((sum, [many]) => sum + many + 1, 0);
  const unit = (wide - 6 * gap) / Math.max(all, 30);
  let x = 0;
  return stages.map(([many, out]) => {
    const long = (many + 1) * unit;
    const tall = 4 + 2.6 * Math.sqrt(out);
    const left = x;
    x += long + gap;
    return [
      svg("rect", { x: left, y: 56 - tall / 2, width: long, height: tall, class: "tk-box" }),
      range(many - 1).map((i) => {
        const cut = left + ((i + 1) * long) / many;
        return svg("line", { x1: cut, x2: cut, y1: 56 - tall / 2, y2: 56 + tall / 2, class: "tk-cut" });
      }),
    ];
  });
};

const chart = (macs, wide) => {
  const [left, right, top, bottom] = [34, wide - 14, BOXES + 22, BOXES + CHART - 30];
  const x = (billions) => left + ((right - left) * Math.log(billions / 0.3)) / Math.log(100 / 0.3);
  const y = (accuracy) => bottom - ((bottom - top) * (accuracy - 76)) / 9;
  const at = clamp(x(macs / 1e9), left, right);
  const label = (px, py, words, attrs) => svg("text", { x: px, y: py, ...attrs }, words);
  return [
    [76, 78, 80, 82, 84].map((accuracy) => [
      svg("line", { x1: left, x2: right, y1: y(accuracy), y2: y(accuracy), class: "cx-mesh" }),
      label(left - 6, y(accuracy) + 4, accuracy, { "text-anchor": "end" }),
    ]),
    [0.3, 1, 10, 100].map((billions) =>
      label(x(billions), bottom + 17, `${billions} G`, { "text-anchor": billions === 100 ? "end" : "middle" }),
    ),
    label(0, top - 8, "top-1 accuracy in %, against multiply-accumulates", { class: "cx-axis" }),
    svg("path", {
      class: "tk-line",
      d: FAMILY.map(([, billions, own], i) => `${i ? "L" : "M"}${x(billions).toFixed(1)} ${y(own).toFixed(1)}`).join(
        "",
      ),
    }),
    FAMILY.map(([name, billions, own]) => [
      svg("circle", { cx: x(billions), cy: y(own), r: 3.5, class: "tk-family" }),
      label(x(billions), y(own) - 8, name, { "text-anchor": "middle" }),
    ]),
    ALONE.map(([, billions, own]) => svg("circle", { cx: x(billions), cy: y(own), r: 3.5, class: "tk-alone" })),
    label(x(2.3), y(79) + 4, "one knob alone", { class: "tk-said" }),
    svg("line", { x1: at, x2: at, y1: top, y2: bottom, class: "tk-here", "data-macs": macs }),
  ];
};

const view = (state, width) => {
  const own = bill(state);
  const said = `Seven stages, and the accuracies of B0 to B7 against their cost; a line at ${short(own.macs)}.`;
  return {
    text: explain(state),
    hint: advise(state),
    picture: sized(width, BOXES + CHART, { role: "img", "aria-label": said }, [
      boxes(own, width),
      chart(own.macs, width),
    ]),
  };
};

export const explore = panel(view, {
  kinds: { sliding },
  settle: (state, moved) => (moved === "phi" ? compound(state.phi) : {}),
  layout: (own) => [own.presets(), own.sliders, own.picture, own.text, own.hint],
});
