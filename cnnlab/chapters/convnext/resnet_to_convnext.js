import { listed, range, sized, svg, tidy } from "../../widgets/static/core.js";
import { choosing, panel, sliding, stepping } from "../../widgets/static/panel.js";

// --- arithmetic -----------------------------------------------------------------------------------------------------

// The three convolutions of a block that gets these channels: [channels in, channels out, side of the kernel].
export const shapes = ({ inverted, spatial_first: first, kernel: k }, channels, narrow) => {
  const wide = 4 * narrow;
  if (first)
    return [
      [channels, channels, k],
      [channels, wide, 1],
      [wide, narrow, 1],
    ];
  return inverted
    ? [
        [channels, wide, 1],
        [wide, wide, k],
        [wide, narrow, 1],
      ]
    : [
        [channels, narrow, 1],
        [narrow, narrow, k],
        [narrow, wide, 1],
      ];
};

// Parameters, and multiply-accumulates of a picture of 224 pixels. Norms have two parameters a channel; a convolution
// has a bias where no batch norm follows it.
export const bill = (design) => {
  const { blocks, width, patches, depthwise, one_norm: oneNorm, layered, separate } = design;
  let params = 0;
  let macs = 0;
  const layer = (weights, side, out, normed) => {
    params += weights + (normed ? 2 * out : 0) + (!normed || layered ? out : 0);
    macs += weights * side * side;
  };
  layer(3 * (patches ? 16 : 49) * width, patches ? 56 : 112, width, separate || !oneNorm);
  let channels = width;
  blocks.forEach((count, stage) => {
    const narrow = width << stage;
    const side = 56 >> stage;
    if (stage && separate) {
      params += 2 * channels;
      layer(4 * channels * narrow, side, narrow, false);
      channels = narrow;
    }
    for (const n of range(count)) {
      const halves = stage && !n && !separate;
      const three = shapes(design, channels, narrow);
      let now = halves ? 2 * side : side;
      for (const [before, after, k] of three) {
        if (k > 1) now = side;
        layer((before * after * k * k) / (k > 1 && depthwise ? before : 1), now, after, k > 1 || !oneNorm);
      }
      const out = three[2][1];
      if (halves || channels !== out) layer(channels * out, side, out, !oneNorm);
      if (separate) params += out;
      channels = out;
    }
  });
  if (separate) params += 2 * channels;
  return { params: params + 1000 * channels + 1000, macs: macs + 1000 * channels };
};

const signs = (value) => (value < 0 ? `${tidy(-value)} less` : `${tidy(value)} more`);

export const explain = ({ step }, data) => {
  const own = data[step];
  const { params, macs } = bill(own);
  const before = step && data[step - 1];
  const said = before ? `Change ${step}, ${own.name}: ${own.says}.` : `The start, ResNet-50: ${own.says}.`;
  const paper = before
    ? `On ImageNet ${tidy(own.paper)} %, ${signs(own.paper - before.paper)} than before.`
    : `On ImageNet ${tidy(own.paper)} %.`;
  const small = own.small.length
    ? `Our small networks: ${listed(own.small.map((value) => tidy(value, 1)))} %.`
    : "No small networks are recorded of it.";
  return `${said} ${tidy(params / 1e6)} M parameters, ${tidy(macs / 1e9)} G multiply-accumulates. ${paper} ${small}`;
};

// --- picture --------------------------------------------------------------------------------------------------------

const TOP = 240;
const ROW = 19;

// A block of the second stage, from top to bottom: what it reads, three convolutions, the sum.
const block = (own, width) => {
  const narrow = 2 * own.width;
  const channels = own.inverted ? narrow : 4 * narrow;
  const three = shapes(own, channels, narrow);
  const norm = own.layered ? "layer norm" : "batch norm";
  const act = own.gelu ? "GELU" : "ReLU";
  const middle = Math.min(150, width * 0.36);
  const long = (count) => 20 + (count / 768) * (middle * 1.5 - 20);
  const right = middle + (middle * 1.5) / 2 + 12;
  const stem = own.patches ? "4×4 patches" : "7×7 and a max pool";
  return [
    svg("text", { x: 0, y: 14, class: "rc-note" }, `stem: ${stem}; blocks: ${own.blocks.join(", ")}`),
    svg("line", { x1: middle, y1: 26, x2: middle, y2: 216, class: "rc-wire" }),
    svg("path", {
      d: `M${middle} 34 H${Math.max(4, middle - middle * 0.85)} V206 H${middle - 8}`,
      class: "rc-wire rc-short",
    }),
    three.map(([, after, k], i) => {
      const y = 46 + i * 50;
      const spatial = k > 1;
      const parts = [
        (spatial || !own.one_norm) && norm,
        (own.one_activation ? i === 1 : i < 2) && act,
        i === 2 && own.separate && "layer scale",
      ].filter(Boolean);
      const size = long(after);
      return [
        svg("rect", {
          x: middle - size / 2,
          y,
          width: size,
          height: 26,
          rx: 3,
          class: spatial ? (own.depthwise ? "rc-deep" : "rc-full") : "rc-point",
        }),
        svg("text", { x: right, y: y + 12 }, `${spatial && own.depthwise ? "depthwise " : ""}${k}×${k}, ${after}`),
        svg("text", { x: right, y: y + 27, class: "rc-note" }, parts.length ? parts.join(", ") : "nothing behind it"),
      ];
    }),
    svg("circle", { cx: middle, cy: 206, r: 8, class: "rc-sum" }),
    svg("text", { x: middle, y: 211, "text-anchor": "middle" }, "+"),
    svg("text", { x: right, y: 211, class: "rc-note" }, own.one_activation ? "no activation" : act),
  ];
};

// What a row of the chart shows: where its marks are, and what stands behind them.
export const marks = (own, shown) => {
  if (shown === "small") return own.small;
  return [shown === "macs" ? bill(own).macs / 1e9 : own.paper];
};

const chart = (data, { step, shown }, width) => {
  const rows = data.map((own) => marks(own, shown));
  const every = rows.flat();
  if (!every.length) return svg("text", { x: 0, y: TOP + 24 }, "Not recorded yet.");
  const spare = 0.06 * (Math.max(...every) - Math.min(...every)) || 1;
  const [low, high] = shown === "macs" ? [0, 6] : [Math.min(...every) - spare, Math.max(...every) + spare];
  const from = 112;
  const place = (value) => from + ((width - from - 52) * (value - low)) / (high - low);
  return data.map((own, i) => {
    const y = TOP + 14 + i * ROW;
    const values = rows[i];
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    return [
      i === step && svg("rect", { x: 0, y: y - 13, width, height: ROW, class: "rc-now" }),
      svg("text", { x: 4, y, class: i === step ? "rc-own" : "" }, own.name),
      svg("line", { x1: from, y1: y - 4, x2: width - 50, y2: y - 4, class: "rc-rule" }),
      values.map((value) =>
        svg("circle", {
          cx: place(value),
          cy: y - 4,
          r: 4,
          class: i > step ? "rc-later" : i < 2 ? "rc-recipe" : "rc-dot",
        }),
      ),
      values.length > 0 && svg("text", { x: width, y, "text-anchor": "end" }, mean.toFixed(shown === "small" ? 1 : 2)),
    ];
  });
};

const UNITS = { paper: "top-1 accuracy, %", small: "accuracy, mean of the seeds, %", macs: "multiply-accumulates, G" };

const view = (state, width, data) => {
  const own = data[state.step];
  const said = `A block after ${own.name}, and a row for each of ${data.length} steps: ${UNITS[state.shown]}.`;
  return {
    text: explain(state, data),
    picture: sized(width, TOP + 8 + data.length * ROW, { role: "img", "aria-label": said }, [
      block(own, width),
      svg("text", { x: width, y: TOP - 4, "text-anchor": "end", class: "rc-note" }, UNITS[state.shown]),
      chart(data, state, width),
    ]),
  };
};

const steps = ({ step }, data) => ({ count: data.length, at: step, to: (number) => ({ step: number }) });

export const explore = panel(view, {
  kinds: { choosing, sliding, stepping },
  steps,
  layout: (own) => [own.presets(), own.sliders, own.steps, own.choices, own.picture, own.text],
});
