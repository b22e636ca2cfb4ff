import { bytes, el, range, tidy } from "../../widgets/static/core.js";
import { listing, painting, panel, picking, typing } from "../../widgets/static/panel.js";
import { board, image, marks } from "../../widgets/static/photo.js";

const SHADE = { clipped: (v) => v, signed: (v) => 128 + v / 2, magnitude: Math.abs };

// --- arithmetic -----------------------------------------------------------------------------------------------------

// The nine pixels behind result (x, y)
export const patch = ({ width, photo }, x, y) =>
  range(9).map((t) => photo[(y + Math.floor(t / 3)) * width + x + (t % 3)]);
// By 0 nothing is divided; the words say so.
const over = ({ divisor: [by] }) => by || 1;

// Every pixel of the result, row by row
export const filtered = (state, { width, height, photo }) => {
  const values = new Float64Array((width - 2) * (height - 2));
  for (let i = 0; i < values.length; i++) {
    const corner = Math.floor(i / (width - 2)) * width + (i % (width - 2));
    let [sum, largest] = [0, -Infinity];
    for (let t = 0; t < 9; t++) {
      const product = state.weights[t] * photo[corner + ((t / 3) | 0) * width + (t % 3)];
      sum += product;
      if (product > largest) largest = product;
    }
    values[i] = (state.largest ? largest : sum) / over(state);
  }
  return values;
};

export const explain = (state, values) => {
  const total = state.weights.reduce((a, b) => a + b, 0) / over(state);
  let [low, high, dark] = [Infinity, -Infinity, 0];
  for (const v of values) [low, high, dark] = [Math.min(low, v), Math.max(high, v), dark + (v < 0)];
  const areas =
    Math.abs(total - 1) < 1e-9
      ? "even areas keep their brightness"
      : `even areas become ${Math.abs(total) < 1e-9 ? 0 : `${tidy(total)} times as bright`}`;
  const black = state.show === "clipped" ? " and shows as black" : "";
  return (
    (state.largest
      ? "Each result is the largest of nine products, not their sum: bright spots grow, and nothing is averaged. "
      : state.divisor[0]
        ? `The weights add up to ${tidy(total)}, so ${areas}. `
        : "Nothing can be divided by 0, so these are the sums themselves. ") +
    `The result runs from ${tidy(low)} to ${tidy(high)}` +
    (dark ? `; ${Math.round((100 * dark) / values.length)} % of it is negative${black}.` : ".")
  );
};
export const reading = ({ x, y, largest, divisor: [by] }, sum) => {
  if (largest) return `Result row ${y + 1}, column ${x + 1}: the largest of the nine products is ${tidy(sum)}.`;
  const divided = by ? `; divided by ${tidy(by)} that is ${tidy(sum / by)}.` : "; nothing can be divided by 0.";
  return `Result row ${y + 1}, column ${x + 1}: the nine products add up to ${tidy(sum)}${by === 1 ? "." : divided}`;
};

// --- pictures -------------------------------------------------------------------------------------------------------

const table = (label, cells) =>
  el(
    "div",
    { class: "cx-nine", role: "img", "aria-label": `${label}: ${cells.map(([text]) => text).join(", ")}` },
    cells.map(([text, style]) => el("span", { style }, text)),
  );
const tinted = (values) => {
  const peak = Math.max(1e-9, ...values.map(Math.abs));
  return values.map((v) => [
    tidy(v),
    `background:color-mix(in srgb, var(--cnnlab-${v < 0 ? "orange" : "blue"}) ${Math.round((45 * Math.abs(v)) / peak)}%, var(--cnnlab-paper))`,
  ]);
};
const nine = (state, pixels, products, sum) => [
  table(
    "pixels",
    pixels.map((v) => [String(v), `background:rgb(${v},${v},${v});color:${v > 120 ? "#000" : "#fff"}`]),
  ),
  "×",
  table("weights", tinted(state.weights)),
  "=",
  table("products", tinted(products)),
  el(
    "span",
    { class: "cx-total", "aria-hidden": "true" },
    state.largest ? "largest " : "sum ",
    el("b", {}, tidy(sum)),
    over(state) !== 1 && [` ÷ ${tidy(over(state))} = `, el("b", {}, tidy(sum / over(state)))],
  ),
];

// A photo, a 3 x 3 kernel to edit, the filtered photo at once, and the nine products behind any pixel of it.
export const view = (state, _width, data) => {
  const { width: w, height: h } = data;
  const values = filtered(state, data);
  const shade = SHADE[state.show];
  const pixels = patch(data, state.x, state.y);
  const products = pixels.map((v, t) => v * state.weights[t]);
  const sum = state.largest ? Math.max(...products) : products.reduce((a, b) => a + b, 0);
  // The result has a border of one pixel: its pixel (x, y) stands under the middle of the nine that it reads.
  const at = [w, h, state.x + 1, state.y + 1];
  return {
    text: explain(state, values),
    hint: reading(state, sum),
    parts: { "photo-mark": marks(...at, 3), pixel: marks(...at, 1, 5), sums: nine(state, pixels, products, sum) },
    images: { photo: data.image, result: image(w - 2, h - 2, (i) => shade(values[i])) },
    place: (px, py, wide, tall) => ({ x: Math.floor((px / wide) * w) - 1, y: Math.floor((py / tall) * h) - 1 }),
  };
};

// A kernel from the list sets its numbers; to change one makes it your own.
export const settle = (state, moved, { kernels }) => {
  if (moved === "kernel") return kernels[state.kernel] || {};
  return moved === "weights" || moved === "divisor" ? { kernel: "" } : {};
};
const limits = (_state, { width, height }) => ({ x: { low: 0, high: width - 3 }, y: { low: 0, high: height - 3 } });
const decode = (data) => {
  const photo = bytes(data.pixels);
  return { ...data, photo, image: image(data.width, data.height, (i) => photo[i]) };
};

const layout = (own) => {
  const { width: w, height: h } = own.data;
  return [
    own.bar("kernel", "show"),
    el(
      "div",
      { class: "cx-bench" },
      board(own, "photo", `photo, ${w} × ${h}`),
      el(
        "div",
        { class: "cx-kernel" },
        el("div", { class: "cx-hint" }, "kernel"),
        own.control("weights"),
        el("div", { class: "cx-select" }, "divided by", own.control("divisor")),
      ),
      board(own, "result", `result, ${w - 2} × ${h - 2}`, own.control("pixel"), { style: `padding:${100 / w}%` }),
    ),
    own.text,
    own.part("sums", { class: "cx-sums" }),
    own.hint,
  ];
};

export const explore = panel(view, {
  kinds: { listing, picking, typing },
  also: [painting],
  layout,
  limits,
  settle,
  decode,
});
