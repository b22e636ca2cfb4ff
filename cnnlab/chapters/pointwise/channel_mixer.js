import { clamp, el, listed, range, tidy } from "../../widgets/static/core.js";
import { listing, painting, panel, picking, sliding, toggling, typing } from "../../widgets/static/panel.js";
import { board, image, marks } from "../../widgets/static/photo.js";

const NAMES = ["red", "green", "blue"];

// --- arithmetic -----------------------------------------------------------------------------------------------------

// One letter for each value of 64 levels: what is added to the guess that its left, upper and corner neighbors give.
// Red and blue are told beside what is told of green.
export const unpacked = (text, width) => {
  const told = (i) => text.charCodeAt(i) - 63;
  const row = 3 * width;
  const levels = [];
  for (let i = 0; i < text.length; i++) {
    const above = levels[i - row];
    const left = i % row < 3 ? (above ?? 0) : levels[i - 3];
    const up = above ?? left;
    const guess = clamp(left + up - (levels[i - row - 3] ?? left), Math.min(left, up), Math.max(left, up));
    levels.push((guess + told(i) + (i % 3 === 1 ? 0 : told(i - (i % 3) + 1))) % 64);
  }
  return Uint8ClampedArray.from(levels, (level) => (level << 2) | (level >> 4));
};
// For each output its weights for red, green and blue, then its bias
export const rowsOf = ({ weights, biases }) => range(3).map((o) => [...weights.slice(3 * o, 3 * o + 3), biases[o]]);

// Each output at each pixel, before any ReLU
export const mixed = (state, photo) =>
  rowsOf(state).map(([r, g, b, bias]) =>
    Float64Array.from(
      { length: photo.length / 3 },
      (_, i) => r * photo[3 * i] + g * photo[3 * i + 1] + b * photo[3 * i + 2] + bias,
    ),
  );

// The rank of the nine weights, by elimination
export const rank = (state) => {
  const m = rowsOf(state).map((row) => row.slice(0, 3));
  let found = 0;
  for (let c = 0; c < 3; c++) {
    const best = range(3)
      .slice(found)
      .sort((a, b) => Math.abs(m[b][c]) - Math.abs(m[a][c]))[0];
    if (best === undefined || Math.abs(m[best][c]) < 1e-9) continue;
    [m[found], m[best]] = [m[best], m[found]];
    for (let r = found + 1; r < 3; r++) {
      const f = m[r][c] / m[found][c];
      for (let k = c; k < 3; k++) m[r][k] -= f * m[found][k];
    }
    found++;
  }
  return found;
};

export const explain = (state, outputs) => {
  const { relu, show } = state;
  const below = outputs.reduce((all, own) => all + own.reduce((n, v) => n + (v < 0), 0), 0);
  const share = Math.round((100 * below) / (3 * outputs[0].length));
  const lost = [
    "Rank 0: every weight is 0, and nothing of the photo is left.",
    "Rank 1: the three outputs are one and the same mixture of red, green and blue, up to scale and bias; two thirds of the color are lost.",
    "Rank 2: of the three outputs one follows from the other two, and colors that differ only along one direction become equal.",
    `Rank 3: no color is lost; another 1 × 1 convolution could undo the mixing${relu && share ? ", were it not for the ReLU." : "."}`,
  ][rank(state)];
  const cut = relu ? " and set to 0" : show === "clipped" && share ? " and show as black" : "";
  return `${lost} ${share} % of the outputs are below 0${cut}.`;
};

// What the chosen pixel is and becomes: its three values and the three outputs
export const pixelOf = ({ x, y, relu }, { width, photo }, outputs) => {
  const i = y * width + x;
  return [[...photo.slice(3 * i, 3 * i + 3)], outputs.map((own) => (relu ? Math.max(0, own[i]) : own[i]))];
};
export const reading = ({ x, y }, [pixel, values]) =>
  `The pixel chosen in the photo, row ${y + 1}, column ${x + 1}: red ${pixel[0]}, green ${pixel[1]}, blue ${pixel[2]} become ` +
  `${listed(values.map((v) => tidy(v)))}. Every other pixel goes through the same twelve numbers.`;

// --- pictures -------------------------------------------------------------------------------------------------------

// The sum behind an output at a pixel
const sum = ([...row], o, relu, pixel) => {
  const bias = row.pop();
  const total = row.reduce((all, w, c) => all + w * pixel[c], bias);
  return el(
    "div",
    {},
    el("b", {}, `output ${o + 1}`),
    el(
      "span",
      {},
      pixel.map((v, c) => [
        c ? (row[c] < 0 ? " − " : " + ") : row[c] < 0 ? "−" : "",
        tidy(Math.abs(row[c])),
        " × ",
        el("span", { class: `cm-${NAMES[c]}` }, v),
      ]),
      bias ? [bias < 0 ? " − " : " + ", tidy(Math.abs(bias))] : [],
      " = ",
      el("b", {}, tidy(total)),
      relu && total < 0 && " → 0",
    ),
  );
};
const SHADE = { clipped: (v) => v, signed: (v) => 128 + v / 2 };

// A color photo, a 1 x 1 convolution from three channels to three, its outputs at once, and the sums at one pixel.
export const view = (state, _width, data) => {
  const { width: w, height: h } = data;
  const outputs = mixed(state, data.photo);
  const value = (o, i) => SHADE[state.show](state.relu && outputs[o][i] < 0 ? 0 : outputs[o][i]);
  const pixel = pixelOf(state, data, outputs);
  const mark = () => marks(w, h, state.x, state.y, 3);
  const framed = (names, count, chosen) =>
    range(count).map((i) => ({ class: `cm-${names[i % 3]}${i === chosen ? " cm-chosen" : ""}` }));
  const maps = range(3);
  return {
    text: explain(state, outputs),
    hint: reading(state, pixel),
    parts: {
      pixel: mark(),
      "color-mark": mark(),
      ...Object.fromEntries(maps.map((o) => [`map${o}-mark`, mark()])),
      sums: rowsOf(state).map((row, o) => sum(row, o, state.relu, pixel[0])),
    },
    images: {
      photo: data.image,
      color: image(w, h, (i) => [value(0, i), value(1, i), value(2, i)]),
      ...Object.fromEntries(maps.map((o) => [`map${o}`, image(w, h, (i) => value(o, i))])),
    },
    cells: {
      weights: framed(NAMES, 9, state.of === "weights" ? state.weight_at : -1),
      biases: framed(["bias"], 3, state.of === "biases" ? state.bias_at : -1),
    },
    place: (px, py, wide, tall) => ({ x: Math.floor((px / wide) * w), y: Math.floor((py / tall) * h) }),
  };
};

// One number is in the frame, and the slider shows it. A mix sets all of them; to change one makes it your own.
export const settle = (state, moved, { mixes }) => {
  const put = (values, at, to) => values.map((own, i) => (i === at ? to : own));
  const change = {
    mix: () => mixes[state.mix] || {},
    weight: () => ({ weights: put(state.weights, state.weight_at, state.weight), mix: "" }),
    bias: () => ({ biases: put(state.biases, state.bias_at, state.bias), mix: "" }),
    weights: () => ({ mix: "" }),
    biases: () => ({ mix: "" }),
    relu: () => ({ mix: "" }),
    weight_at: () => ({ of: "weights" }),
    bias_at: () => ({ of: "biases" }),
  }[moved]?.();
  const { weights, biases, weight_at, bias_at } = { ...state, ...change };
  return { ...change, weight: weights[weight_at], bias: biases[bias_at] };
};
const limits = ({ of }, { width, height }) => ({
  x: { low: 0, high: width - 1 },
  y: { low: 0, high: height - 1 },
  weight: { hidden: of === "biases" },
  bias: { hidden: of === "weights" },
});
const decode = (data) => {
  const photo = unpacked(data.pixels, data.width);
  return { ...data, photo, image: image(data.width, data.height, (i) => photo.subarray(3 * i, 3 * i + 3)) };
};

const layout = (own) => [
  own.bar("mix", "relu", "show"),
  el(
    "div",
    { class: "cm-bench" },
    board(own, "photo", "photo", own.control("pixel")),
    el(
      "div",
      { class: "cm-matrix" },
      ["", ...NAMES, "bias"].map((name) => el("span", { class: `cm-${name || "corner"}` }, name)),
      el(
        "div",
        { class: "cm-outputs" },
        range(3).map((o) => el("span", {}, `output ${o + 1}`)),
      ),
      own.control("weights"),
      own.control("biases"),
      el("div", { class: "cm-drag" }, own.control("weight"), own.control("bias")),
    ),
    board(own, "color", "outputs as color"),
  ),
  el(
    "div",
    { class: "cm-maps" },
    range(3).map((o) => board(own, `map${o}`, `output ${o + 1}`)),
  ),
  own.part("sums", { class: "cm-sums" }),
  own.hint,
  own.text,
];

export const explore = panel(view, {
  kinds: { listing, picking, sliding, toggling, typing },
  also: [painting],
  layout,
  limits,
  settle,
  decode,
});
