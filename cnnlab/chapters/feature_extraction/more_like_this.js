import { el, listed, range, svg } from "../../widgets/static/core.js";
import { choosing, listing, panel, presses, pressing } from "../../widgets/static/panel.js";

// --- arithmetic -----------------------------------------------------------------------------------------------------

export const chosen = ({ photo, piece }, data) => data.of[photo][piece];

// How many of the nearest come from the same photograph
export const alike = (number, near, from) => near[number].filter((other) => from[other] === from[number]).length;

// The same over all pieces, as a share
export const share = (near, from) => {
  const all = range(from.length).map((number) => alike(number, near, from) / near[number].length);
  return all.reduce((sum, one) => sum + one, 0) / all.length;
};

// Which photograph a piece is of, and the how manieth of its pieces it is
export const place = (number, data) => {
  const photo = data.from[number];
  return { photo, piece: data.of[photo].indexOf(number) };
};

export const explain = (state, data) => {
  const number = chosen(state, data);
  const each = Object.entries(data.near).map(
    ([name, near]) => `${alike(number, near, data.from)} of ${near[number].length} by ${name}`,
  );
  return `Of the nearest to piece ${state.piece + 1} of “${state.photo}”, these come from the same photograph: ${listed(each)}.`;
};

export const overall = (data) => {
  const each = Object.entries(data.near).map(
    ([name, near]) => `${Math.round(100 * share(near, data.from))} % by ${name}`,
  );
  return `Over all ${data.from.length} pieces: ${listed(each)}. Press a neighbor to go on from it.`;
};

// --- picture --------------------------------------------------------------------------------------------------------

const tile = (number, { sheet, columns, from }) => {
  const rows = Math.ceil(from.length / columns);
  return svg(
    "svg",
    { viewBox: `${number % columns} ${Math.floor(number / columns)} 1 1`, "aria-hidden": "true" },
    svg("image", { href: sheet, width: columns, height: rows, preserveAspectRatio: "none" }),
  );
};

// The chosen piece, and a row of its nearest for each measure.
export const view = (state, _width, data) => {
  const number = chosen(state, data);
  const neighbor = (other, rank, row) =>
    el(
      "button",
      {
        type: "button",
        class: data.from[other] === data.from[number] ? "ml-same" : "",
        "aria-label": `${data.from[other]}, nearest ${rank + 1} by ${row}: go on from it`,
        ...pressing(place(other, data), `${row} ${rank}`),
      },
      tile(other, data),
      el("span", {}, data.from[other]),
    );
  return {
    text: explain(state, data),
    hint: overall(data),
    parts: {
      query: tile(number, data),
      ...Object.fromEntries(
        Object.entries(data.near).map(([name, near], i) => [
          `row${i}`,
          near[number].map((other, rank) => neighbor(other, rank, name)),
        ]),
      ),
    },
  };
};

const layout = (own) => [
  own.bar("photo", "piece"),
  el(
    "div",
    { class: "ml-all" },
    el("div", { class: "ml-query" }, el("div", { class: "cx-hint" }, "chosen"), own.part("query")),
    Object.keys(own.data.near).map((name, i) =>
      el("div", {}, el("div", { class: "cx-hint" }, `nearest by ${name}`), own.part(`row${i}`, { class: "ml-row" })),
    ),
  ),
  own.text,
  own.hint,
];

export const explore = panel(view, { kinds: { choosing, listing }, presses, layout });
