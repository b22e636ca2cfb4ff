import { bytes, clamp, el, range, svg } from "../../widgets/static/core.js";
import { choosing, listing, panel, picking } from "../../widgets/static/panel.js";

const SIZE = 120; // units of a drawn picture, on a side
const ALL = "all";

// --- arithmetic -----------------------------------------------------------------------------------------------------

// What the asking token takes from each token: the class token first, then patch by patch; it adds up to 1
export const taken = ({ photo, layer, head, asks, row, column }, { side, heads, photos }) => {
  const tokens = 1 + side * side;
  const token = asks === "class" ? 0 : 1 + row * side + column;
  const own = head === ALL ? range(heads) : [head];
  const sums = range(tokens).map((other) =>
    own.reduce((sum, h) => {
      const root = photos[photo].roots[((layer * heads + h) * tokens + token) * tokens + other] / 255;
      return sum + root * root;
    }, 0),
  );
  const all = sums.reduce((sum, one) => sum + one, 0);
  return sums.map((one) => one / all);
};

const place = (patch, side) => [Math.floor(patch / side), patch % side];
const apart = (patch, row, column, side) => {
  const [r, c] = place(patch, side);
  return Math.hypot(r - row, c - column);
};

// How far a patch looks, in patches: with the weights given, or evenly
export const distance = (weights, row, column, side) => {
  const patches = range(side * side);
  const all = patches.reduce((sum, patch) => sum + weights[1 + patch], 0);
  return patches.reduce((sum, patch) => sum + weights[1 + patch] * apart(patch, row, column, side), 0) / all;
};

const percent = (share) => `${(100 * share).toFixed(share < 0.0995 ? 1 : 0)} %`;

export const explain = (state, data) => {
  const { side } = data;
  const weights = taken(state, data);
  const patches = weights.slice(1);
  const most = patches.indexOf(Math.max(...patches));
  const [r, c] = place(most, side).map((v) => v + 1);
  const best = `row ${r}, column ${c}: ${percent(patches[most])}`;
  if (state.asks === "class")
    return `The class token takes ${percent(weights[0])} from itself, and most from the patch in ${best}. An even look would give each ${percent(1 / weights.length)}.`;
  const near = patches.filter((_, patch) => {
    const far = apart(patch, state.row, state.column, side);
    return far > 0 && far < 1.5;
  });
  const touching = near.reduce((sum, one) => sum + one, 0);
  return `The patch in row ${state.row + 1}, column ${state.column + 1} takes ${percent(patches[state.row * side + state.column])} from itself, ${percent(touching)} from those that touch it and ${percent(weights[0])} from the class token. Most from ${best}.`;
};

export const answered = (state, data) => {
  const own = data.photos[state.photo];
  const said = `The network takes the picture for “${own.says}”, ${percent(own.share)}.`;
  if (state.asks === "class") return said;
  const [far, even] = [taken(state, data), range(1 + data.side ** 2).map(() => 1)].map((weights) =>
    distance(weights, state.row, state.column, data.side).toFixed(1),
  );
  return `${said} On average the patch looks ${far} patches far; an even look from there would be ${even}.`;
};

// The patch under a point of the picture
export const under = (at, long, side) => clamp(Math.floor((at / long) * side), 0, side - 1);

// --- picture --------------------------------------------------------------------------------------------------------

const photograph = (own, kids) =>
  svg(
    "svg",
    { viewBox: `0 0 ${SIZE} ${SIZE}`, "aria-hidden": "true" },
    svg("image", { href: own.image, width: SIZE, height: SIZE, preserveAspectRatio: "none" }),
    kids,
  );

// A picture with a patch framed, and the same picture in the light of that patch's attention.
export const view = (state, _width, data) => {
  const { side } = data;
  const own = data.photos[state.photo];
  const weights = taken(state, data).slice(1);
  const most = Math.max(...weights);
  const cell = SIZE / side;
  const square = (patch, more) => {
    const [r, c] = place(patch, side);
    return svg("rect", { x: c * cell, y: r * cell, width: cell, height: cell, ...more });
  };
  const framed = state.asks === "patch" && square(state.row * side + state.column, { class: "pa-frame" });
  const lines = range(side - 1).map((i) =>
    svg("path", { d: `M0 ${(i + 1) * cell}H${SIZE}M${(i + 1) * cell} 0V${SIZE}`, class: "pa-grid" }),
  );
  return {
    text: explain(state, data),
    hint: answered(state, data),
    parts: {
      spot: photograph(own, [lines, framed]),
      looked: photograph(own, [
        weights.map((weight, patch) =>
          square(patch, { class: "pa-veil", "fill-opacity": (0.9 * (1 - weight / most)).toFixed(2) }),
        ),
        framed && square(state.row * side + state.column, { class: "pa-frame" }),
      ]),
    },
    place: (px, py, wide, tall) => ({ column: under(px, wide, side), row: under(py, tall, side) }),
  };
};

const limits = (_state, { side }) => ({ row: { low: 0, high: side - 1 }, column: { low: 0, high: side - 1 } });

// The weights as numbers
export const decode = (data) => ({ ...data, photos: data.photos.map((own) => ({ ...own, roots: bytes(own.roots) })) });

const layout = (own) => [
  own.bar("photo", "layer", "head", "asks"),
  el(
    "div",
    { class: "pa-pair" },
    el("div", {}, el("div", { class: "cx-hint" }, "press a patch"), own.control("spot")),
    el("div", {}, el("div", { class: "cx-hint" }, "bright: it looks here"), own.part("looked", { class: "pa-board" })),
  ),
  own.text,
  own.hint,
];

export const explore = panel(view, { kinds: { choosing, listing, picking }, layout, limits, decode });
