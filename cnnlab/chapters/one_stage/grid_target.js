import { clamp, el, range, sized, svg } from "../../widgets/static/core.js";
import { choosing, panel, picking, sliding } from "../../widgets/static/panel.js";

const NAMES = ["A", "B"];
const COORDINATES = 5;
const NOTHING = 0.5;

// --- arithmetic -----------------------------------------------------------------------------------------------------

// The two objects as center and size in pixels, within the picture
export const objects = (state, side) =>
  NAMES.map((name) => {
    const own = name.toLowerCase();
    const [w, h] = [state[`w${own}`], state[`h${own}`]];
    return {
      name,
      w,
      h,
      x: clamp(state[`x${own}`], w / 2, side - w / 2),
      y: clamp(state[`y${own}`], h / 2, side - h / 2),
    };
  });

// The cell of a center, and where in it the center lies, 0 to 1
export const cellOf = ({ x, y }, cells, side) => {
  const at = (v) => Math.min(cells - 1, Math.floor((v * cells) / side));
  const [column, row] = [at(x), at(y)];
  return { row, column, cx: (x * cells) / side - column, cy: (y * cells) / side - row };
};

const corners = ({ x, y, w, h }) => [x - w / 2, y - h / 2, x + w / 2, y + h / 2];
export const iou = (one, other) => {
  const [a, b] = [corners(one), corners(other)];
  const wide = Math.max(0, Math.min(a[2], b[2]) - Math.max(a[0], b[0]));
  const high = Math.max(0, Math.min(a[3], b[3]) - Math.max(a[1], b[1]));
  return (wide * high) / (one.w * one.h + other.w * other.h - wide * high);
};

// What each cell answers, row by row: the box that it says, its confidence and its classes
export const answers = (cells, { side, said, confidence, certainty, elsewhere }) => {
  const every = range(cells * cells).map((i) => ({
    x: (((i % cells) + 0.5) * side) / cells,
    y: ((Math.floor(i / cells) + 0.5) * side) / cells,
    w: side / cells,
    h: side / cells,
    confidence: elsewhere,
    classes: [0.5, 0.5],
  }));
  NAMES.forEach((name, k) => {
    const [x, y, w, h] = said[name];
    const { row, column } = cellOf({ x, y }, cells, side);
    const classes = [1 - certainty, 1 - certainty];
    classes[k] = certainty;
    every[row * cells + column] = { x, y, w, h, confidence, classes, name };
  });
  return every;
};

// Which object each cell must find, who found no room, and the five terms of the loss
export const measure = (state, data) => {
  const { cells } = state;
  const { side } = data;
  const every = answers(cells, data);
  const taken = new Map();
  const lost = [];
  const shown = objects(state, side).map((one, k) => ({ ...one, k, ...cellOf(one, cells, side) }));
  for (const one of shown) {
    const cell = one.row * cells + one.column;
    if (taken.has(cell)) lost.push(one.name);
    else taken.set(cell, one);
  }
  const terms = { centers: 0, sizes: 0, confident: 0, unconfident: 0, classes: 0 };
  every.forEach((own, cell) => {
    const one = taken.get(cell);
    if (!one) {
      terms.unconfident += NOTHING * own.confidence ** 2;
      return;
    }
    const root = (v) => Math.sqrt(v / side);
    terms.centers += COORDINATES * (((own.x - one.x) * cells) / side) ** 2;
    terms.centers += COORDINATES * (((own.y - one.y) * cells) / side) ** 2;
    terms.sizes += COORDINATES * ((root(own.w) - root(one.w)) ** 2 + (root(own.h) - root(one.h)) ** 2);
    terms.confident += (own.confidence - iou(own, one)) ** 2;
    own.classes.forEach((p, k) => {
      terms.classes += (p - (k === one.k ? 1 : 0)) ** 2;
    });
  });
  return { shown, lost, terms, total: Object.values(terms).reduce((a, b) => a + b), every };
};

const two = (v) => v.toFixed(2);

export const explain = (state, data, { shown, lost, total }) => {
  const one = shown.find(({ name }) => name === state.which);
  const where = `${one.name}'s center lies in row ${one.row + 1}, column ${one.column + 1}`;
  const target = `x ${two(one.cx)}, y ${two(one.cy)}, √w ${two(Math.sqrt(one.w / data.side))}, √h ${two(Math.sqrt(one.h / data.side))}`;
  return lost.includes(one.name)
    ? `${where}, and that cell is A's already. There is room for one: nobody is taught to find ${one.name}. The loss is ${two(total)}.`
    : `${where}. This cell must say ${target}, and the class of ${one.name}. The loss is ${two(total)}.`;
};

export const largest = ({ terms, total }) => {
  const words = {
    centers: "where the centers are",
    sizes: "how large the boxes are",
    confident: "the confidence of the cells that have an object",
    unconfident: "the confidence of those that have none",
    classes: "the classes",
  };
  const [name, value] = Object.entries(terms).sort((a, b) => b[1] - a[1])[0];
  return `Most of it, ${Math.round((100 * value) / total)} %, is for ${words[name]}.`;
};

// --- picture --------------------------------------------------------------------------------------------------------

const BARS = 118;

const drawn = (state, found, data, width) => {
  const { cells } = state;
  const { side } = data;
  const u = Math.min(width, 340) / side;
  const wide = side * u;
  const step = wide / cells;
  const box = ({ x, y, w, h }, attrs) =>
    svg("rect", { x: (x - w / 2) * u, y: (y - h / 2) * u, width: w * u, height: h * u, fill: "none", ...attrs });
  const shape = ({ name, x, y, w, h }) =>
    name === "A"
      ? svg("ellipse", { cx: x * u, cy: y * u, rx: (w / 2) * u, ry: (h / 2) * u, class: "gt-A" })
      : svg("rect", { x: (x - w / 2) * u, y: (y - h / 2) * u, width: w * u, height: h * u, class: "gt-B" });
  const most = Math.max(1, ...Object.values(found.terms));
  return sized(wide, wide + BARS, {}, [
    svg("rect", { width: wide, height: wide, class: "gt-paper" }),
    found.shown
      .filter(({ name }) => !found.lost.includes(name))
      .map(({ row, column, name }) =>
        svg("rect", { x: column * step, y: row * step, width: step, height: step, class: `gt-cell gt-cell-${name}` }),
      ),
    found.shown.map(shape),
    range(cells + 1).map((i) => svg("path", { d: `M${i * step} 0V${wide}M0 ${i * step}H${wide}`, class: "gt-line" })),
    found.every.filter(({ name }) => name).map((own) => box(own, { class: `gt-said gt-said-${own.name}` })),
    found.shown.map((one) => [
      box(one, { class: one.name === state.which ? "gt-box gt-on" : "gt-box" }),
      svg("circle", { cx: one.x * u, cy: one.y * u, r: 3, class: "gt-center" }),
      svg("text", { x: one.x * u + 6, y: one.y * u + 4, class: "gt-name" }, one.name),
    ]),
    Object.entries(found.terms).map(([name, value], i) => {
      const y = wide + 14 + i * 21;
      const room = wide - 136;
      return [
        svg("text", { x: 0, y: y + 11 }, name),
        svg("rect", { x: 88, y, width: Math.max(1, (value / most) * room), height: 14, class: "gt-bar" }),
        svg("text", { x: wide, y: y + 11, "text-anchor": "end" }, two(value)),
      ];
    }),
  ]);
};

// A picture under a grid, its two objects, where a network says that they are, and the terms of its loss.
export const view = (state, width, data) => {
  const found = measure(state, data);
  const own = state.which.toLowerCase();
  return {
    text: explain(state, data, found),
    hint: largest(found),
    picture: width ? drawn(state, found, data, width) : [],
    place: (px, py, wide) => {
      const u = wide / data.side;
      return py > wide ? null : { [`x${own}`]: Math.round(px / u), [`y${own}`]: Math.round(py / u) };
    },
  };
};

const limits = ({ which, wa, ha, wb, hb }, { side }) => ({
  wa: { low: 6, high: 40, hidden: which !== "A" },
  ha: { low: 6, high: 40, hidden: which !== "A" },
  wb: { low: 6, high: 40, hidden: which !== "B" },
  hb: { low: 6, high: 40, hidden: which !== "B" },
  xa: { low: Math.ceil(wa / 2), high: side - Math.ceil(wa / 2) },
  ya: { low: Math.ceil(ha / 2), high: side - Math.ceil(ha / 2) },
  xb: { low: Math.ceil(wb / 2), high: side - Math.ceil(wb / 2) },
  yb: { low: Math.ceil(hb / 2), high: side - Math.ceil(hb / 2) },
});

const move = (state, dx, dy) => {
  const own = state.which.toLowerCase();
  return { [`x${own}`]: state[`x${own}`] + dx, [`y${own}`]: state[`y${own}`] + dy };
};

const layout = (own) => [
  own.presets(el("span", { class: "cx-hint" }, "Try")),
  own.choices,
  own.sliders,
  el("div", { class: "gt-row" }, own.picture, el("div", {}, own.text, own.hint)),
];

export const explore = panel(view, { kinds: { choosing, picking, sliding }, limits, move, layout });
