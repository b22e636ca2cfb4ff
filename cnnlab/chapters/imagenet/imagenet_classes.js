import { clamp, el, range, sized, svg } from "../../widgets/static/core.js";
import { panel, picking, presses, pressing } from "../../widgets/static/panel.js";

// The names, and of each class its way: from its own synset up to the root. Both numbers come as differences.
export const decode = ({ names, above, classes }) => {
  const way = (synset) => (synset < 0 ? [] : [synset, ...way(synset - above[synset])]);
  let own = 0;
  return {
    names,
    ways: classes.map((step) => {
      own += step;
      return way(own);
    }),
  };
};

// The classes that a synset holds, and what it divides into with how many each part holds, the largest first.
export const below = ({ ways }, node) => range(ways.length).filter((at) => ways[at].includes(node));
export const parts = ({ ways }, node) => {
  const counts = new Map();
  for (const way of ways) {
    const step = way[way.indexOf(node) - 1];
    if (step !== undefined) counts.set(step, (counts.get(step) || 0) + 1);
  }
  return [...counts].sort((a, b) => b[1] - a[1]);
};

// A chosen synset holds the class that is read.
export const settle = ({ node, at }, moved, data) => {
  const held = below(data, node);
  return moved === "place" || held.includes(at) ? {} : { at: held[0] };
};

// The grid at a width: how many squares stand side by side, and how wide one is.
export const grid = (width) => {
  const columns = width < 500 ? 25 : 50;
  return { columns, side: Math.min(14, width / columns) };
};

export const explain = (data, node) => {
  const held = below(data, node).length;
  const rest = parts(data, node).length ? "It divides into:" : "It is a class itself.";
  return `${data.names[node]}: ${held === 1 ? "1 class" : `${held} classes`} of 1000, lit below. ${rest}`;
};
export const read = ({ names, ways }, at) => `Class ${at}: ${names[ways[at][0]]}. Its way up:`;

// The classes as squares, and the tree of names above them: a step up or down lights the classes that it holds.
const view = ({ node, at }, width, data) => {
  const { names, ways } = data;
  const { columns, side } = grid(width);
  const lit = new Set(below(data, node));
  const [x, y] = [(i) => (i % columns) * side, (i) => Math.floor(i / columns) * side];
  const square = (i) => `M${x(i) + 0.5} ${y(i) + 0.5}h${side - 1}v${side - 1}h${1 - side}z`;
  const squares = (on) => ({
    d: range(ways.length)
      .map((i) => (lit.has(i) === on ? square(i) : ""))
      .join(""),
  });
  const step = (synset, more = "") =>
    el(
      "button",
      { type: "button", "aria-current": String(synset === node), ...pressing({ node: synset }) },
      names[synset] + more,
    );
  return {
    text: explain(data, node),
    hint: read(data, at),
    parts: {
      down: parts(data, node).map(([part, count]) => step(part, count > 1 ? ` ${count}` : "")),
      up: ways[at].map((synset) => step(synset)),
    },
    picture: sized(Math.floor(side * columns), Math.ceil((side * ways.length) / columns), { class: "ic-grid" }, [
      svg("path", { class: "ic-on", ...squares(true) }),
      svg("path", { class: "ic-off", ...squares(false) }),
      svg("rect", { class: "ic-mark", x: x(at), y: y(at), width: side, height: side }),
    ]),
    place: (px, py) => ({ at: Math.floor(py / side) * columns + clamp(Math.floor(px / side), 0, columns - 1) }),
  };
};

const list = (own, name, label) => own.part(name, { class: "cx-bar ic-steps", role: "group", "aria-label": label });

export const explore = panel(view, {
  kinds: { picking },
  presses,
  decode,
  settle,
  limits: (_state, { ways }) => ({ at: { low: 0, high: ways.length - 1 } }),
  move: ({ at }, dx, dy, _shift, _name, _data, width) => ({ at: at + dx + dy * grid(width).columns }),
  layout: (own) => [
    own.presets(),
    own.text,
    list(own, "down", "What it divides into"),
    own.hint,
    list(own, "up", "The way up from the chosen class"),
    own.picture,
  ],
});
