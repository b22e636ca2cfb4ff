import { count, el, many, range, short, sized, svg } from "../../widgets/static/core.js";
import { choosing, panel, picking, sliding } from "../../widgets/static/panel.js";

const SIZE = 4; // cells, height and width, of a window and of a grid
const REACH = 3; // of a 7 × 7 kernel, each way
const CHANNELS = 64;

// --- arithmetic -----------------------------------------------------------------------------------------------------

const mixer = (kind, layer) => (kind === "turns" ? (layer % 2 ? "windows" : "grid") : kind);

// Whether a layer carries anything from a row to a row; for columns it is the same, and a cell needs both.
const joined = (kind, side, from, to) => {
  if (kind === "full") return true;
  if (kind === "convolution") return Math.abs(from - to) <= REACH;
  const own = (at) => (kind === "windows" ? Math.floor(at / SIZE) : at % (side / SIZE));
  return own(from) === own(to);
};

// first[row][column]: the layer in which the chosen cell is first heard there; 0 at itself, null where it never is.
export const first = ({ kind, layers, side, x, y }) => {
  const heard = range(side).map(() => range(side).map(() => null));
  heard[y][x] = 0;
  let [rows, columns] = [[y], [x]];
  for (let layer = 1; layer <= layers; layer++) {
    const own = mixer(kind, layer);
    const next = (all) => range(side).filter((to) => all.some((from) => joined(own, side, from, to)));
    [rows, columns] = [next(rows), next(columns)];
    for (const row of rows) for (const column of columns) heard[row][column] ??= layer;
  }
  return heard;
};

// Multiply-accumulates of a layer: its dense layers and what carries from cell to cell.
export const bill = (kind, side) => {
  const cells = side * side;
  const dense = 4 * cells * CHANNELS * CHANNELS;
  const partners = kind === "full" ? cells : SIZE * SIZE;
  const mixing = kind === "convolution" ? cells * 49 * 2 * CHANNELS : 2 * cells * partners * CHANNELS;
  return { dense, mixing, all: dense + mixing };
};

export const explain = (state) => {
  const { kind, layers, side } = state;
  const heard = first(state).flat();
  const reached = heard.filter((own) => own !== null).length;
  const cells = side * side;
  const done = Math.max(...heard);
  const said =
    reached === cells
      ? `All ${count(cells)} cells hear it${done < layers ? `, from layer ${done} on` : ` in layer ${done}`}.`
      : `${count(reached)} of ${count(cells)} cells hear it.`;
  const steps = side / SIZE;
  const why = {
    convolution:
      reached === cells
        ? ""
        : ` Each layer adds ${REACH} cells on each side, so from a corner it takes ${Math.ceil((side - 1) / REACH)} layers.`,
    windows: " More layers of the same windows change nothing: the map is cut into separate pictures.",
    grid: ` Nor do more of the same grid: it takes every ${steps}${steps === 2 ? "nd" : steps === 3 ? "rd" : "th"} cell, and its neighbors belong to others.`,
    turns:
      reached === cells
        ? ""
        : steps > SIZE && layers > 1
          ? ` A window is ${SIZE} cells wide and the grid’s steps are ${steps}: some rows and columns of the grid begin in no cell of the window.`
          : " The second kind of layer carries it out of the window.",
    full: "",
  }[kind];
  const { all, mixing } = bill(kind, side);
  return `${said}${why} ${many(layers, "layer")} of 64 channels: ${short(layers * all)} multiply-accumulates, ${short(layers * mixing)} of them between cells.`;
};

// --- picture --------------------------------------------------------------------------------------------------------

const view = (state, width) => {
  const { kind, layers, side, x, y } = state;
  const heard = first(state);
  const wide = Math.min(width, 352);
  const u = wide / side;
  const gap = u > 14 ? 1 : 0.5;
  const square = (row, column) => {
    const long = (u - 2 * gap).toFixed(2);
    return `M${(column * u + gap).toFixed(2)} ${(row * u + gap).toFixed(2)}h${long}v${long}h-${long}z`;
  };
  const cells = range(side).flatMap((row) => range(side).map((column) => [heard[row][column], square(row, column)]));
  const levels = [null, ...range(layers + 1)].map((level) => {
    const own = cells.filter(([layer]) => layer === level);
    const name = level === null ? "ar-deaf" : level ? "ar-heard" : "ar-self";
    const strong = level ? `fill-opacity:${(0.95 - (0.75 * (level - 1)) / 5).toFixed(2)}` : undefined;
    return (
      own.length > 0 &&
      svg("path", {
        d: own.map(([, d]) => d).join(""),
        class: name,
        style: strong,
        "data-layer": level,
        "data-cells": own.length,
      })
    );
  });
  const lines = range(side / SIZE - 1).map((i) => {
    const at = (i + 1) * SIZE * u;
    return [
      svg("line", { x1: at, y1: 0, x2: at, y2: wide, class: "ar-cut" }),
      svg("line", { x1: 0, y1: at, x2: wide, y2: at, class: "ar-cut" }),
    ];
  });
  const own = bill(kind, side);
  const full = bill("full", side);
  return {
    text: explain(state),
    facts: [
      ["The cell that speaks", `row ${y + 1}, column ${x + 1}`],
      ["Dense layers, each layer", short(own.dense)],
      ["Between cells, each layer", short(own.mixing)],
      ["The same by full attention", short(full.mixing)],
    ],
    picture: sized(wide, wide, {}, [
      levels,
      (kind === "windows" || kind === "turns") && lines,
      svg("rect", { x: x * u, y: y * u, width: u, height: u, class: "ar-mark" }),
    ]),
    place: (px, py, long) => ({ x: Math.floor((px * side) / long), y: Math.floor((py * side) / long) }),
  };
};

const limits = ({ side }) => ({ x: { low: 0, high: side - 1 }, y: { low: 0, high: side - 1 } });

export const explore = panel(view, {
  kinds: { choosing, picking, sliding },
  limits,
  layout: (own) => [
    own.presets(),
    own.sliders,
    own.choices,
    own.text,
    el("div", { class: "cx-row ar-row" }, own.picture, el("div", { class: "cx-side" }, own.facts)),
  ],
});
