import { count, el, range, signed, sized, svg } from "../../widgets/static/core.js";
import { counting, panel, picking, sliding, toggling } from "../../widgets/static/panel.js";

const ratesOf = (state) => range(state.layers).map((i) => state[`rate${i + 1}`]);

// ways[s + o]: in how many ways one tap of each layer adds up to the distance o
export const measure = (rates) => {
  let ways = [1];
  for (const d of rates) {
    const wider = range(ways.length + 2 * d).map(() => 0);
    ways.forEach((w, i) =>
      [0, d, 2 * d].forEach((t) => {
        wider[i + t] += w;
      }),
    );
    ways = wider;
  }
  const s = (ways.length - 1) / 2;
  const to = (o) => ways[s + o] || 0;
  const offsets = range(2 * s + 1).map((i) => i - s);
  const line = offsets.filter(to).length;
  const both = offsets.filter((o) => to(o) && to(o - 1)).length;
  return {
    ways,
    s,
    to,
    offsets,
    field: 2 * s + 1,
    read: line * line,
    shared: both * line,
    all: (2 * s + 1) ** 2,
    most: Math.max(...ways) ** 2,
    least: Math.min(...ways.filter(Boolean)) ** 2,
  };
};
// Every choice of one tap per layer that adds up to o
const sums = (o, layers) => {
  if (!layers.length) return o ? [] : [[]];
  const [d, ...rest] = layers;
  return [-d, 0, d].flatMap((t) => sums(o - t, rest).map((own) => [t, ...own]));
};
const gcd = (a, b) => (b ? gcd(b, a % b) : a);

export const explain = (rates) => {
  const { field, read, all, most, least } = measure(rates);
  const g = rates.reduce(gcd);
  if (read === all)
    return (
      `One output reads every pixel of its ${field} × ${field} field, ` +
      (most === 1
        ? "each along exactly one path: nothing is missed and nothing is read twice."
        : `along ${least === most ? most : `${least} to ${count(most)}`} paths. There is no hole.`)
    );
  let seen = 1;
  const jump = [...rates].sort((a, b) => a - b).find((d) => d > seen || ((seen += 2 * d), false));
  return (
    `One output reads ${count(read)} of the ${count(all)} pixels of its ${field} × ${field} field: ${Math.round((100 * read) / all)} %. ` +
    (g > 1
      ? `Every rate is a multiple of ${g}, so the outputs form ${g * g} grids, and no grid ever reads a pixel of another.`
      : seen === 1
        ? "No rate is 1, so at the least the pixels next to the field's edge are out of reach."
        : `Rate ${jump} steps farther than the ${seen} pixels that the smaller rates span, and leaves holes.`)
  );
};

// What the pixel x to the right and y down has to do with the output.
export const tell = (rates, x, y) => {
  const { to, s } = measure(rates);
  const add = (o, way) => {
    const found = sums(o, rates);
    if (!found.length) return `no choice of taps adds up to ${signed(o)} ${way}`;
    const shown = found
      .slice(0, 3)
      .map((taps) => taps.map((t, i) => (i ? (t < 0 ? ` − ${-t}` : ` + ${t}`) : signed(t))).join(""))
      .join(", or ");
    return `${way} ${signed(o)} is ${shown}${found.length > 3 ? `, and ${found.length - 3} more` : ""}`;
  };
  const side = (n, more, less) => n && `${Math.abs(n)} ${n > 0 ? more : less}`;
  const where = [side(x, "right", "left"), side(y, "down", "up")].filter(Boolean).join(" and ") || "at the center";
  const paths = to(x) * to(y);
  return `Pixel ${where}: ${
    Math.max(Math.abs(x), Math.abs(y)) > s
      ? "outside the field."
      : paths
        ? `${count(paths)} path${paths === 1 ? "" : "s"} (${to(x)} × ${to(y)}). One tap of each layer: ${add(x, "across")}; ${add(y, "down")}.`
        : `a hole. Whichever tap each layer takes, ${[!to(x) && add(x, "across"), !to(y) && add(y, "down")].filter(Boolean).join(", and ")}.`
  }`;
};

// The pixels of a side of the picture: the field and a margin.
const sideOf = (rates) => [17, 29, 43, 57, 75].find((side) => side >= 2 * rates.reduce((a, b) => a + b) + 3);

const grid = (state, rates, width) => {
  const { s, to, offsets, most } = measure(rates);
  const wide = sideOf(rates);
  const side = Math.min(width, 374);
  const u = side / wide;
  const half = (wide - 1) / 2;
  const gap = u > 9 ? 1 : 0.5;
  const square = (x, y, inset = 0) => {
    const w = (u - 2 * gap - 2 * inset).toFixed(2);
    return `M${((x + half) * u + gap + inset).toFixed(2)} ${((y + half) * u + gap + inset).toFixed(2)}h${w}v${w}h-${w}z`;
  };
  // One path element for all the pixels with the same number of ways to them.
  const groups = new Map();
  const numbers = [];
  for (const y of offsets)
    for (const x of offsets) {
      const w = to(x) * to(y);
      if (!groups.has(w)) groups.set(w, []);
      groups.get(w).push(square(x, y));
      if (u > 19)
        numbers.push(svg("text", { x: (x + half + 0.5) * u, y: (y + half + 0.5) * u + 3.5, class: "dg-count" }, w));
    }
  const box = (x, y, size, name, more = { rx: 2 }) =>
    svg("rect", { x: (x + half) * u, y: (y + half) * u, width: size * u, height: size * u, class: name, ...more });
  return sized(side, side, {}, [
    [...groups].map(([w, own]) =>
      svg("path", {
        d: own.join(""),
        "data-ways": w,
        "data-cells": own.length,
        class: w ? "dg-read" : "dg-hole",
        style: w && `fill-opacity:${(0.2 + 0.5 * Math.sqrt(w / most)).toFixed(3)}`,
      }),
    ),
    box(-s, -s, 2 * s + 1, "dg-field"),
    numbers,
    state.beside &&
      svg("path", {
        class: "dg-other",
        style: `stroke-width:${u > 9 ? 2 : 1}`,
        d: offsets
          .flatMap((y) => offsets.filter((x) => to(x) * to(y)).map((x) => square(x + 1, y, u > 9 ? 1 : 0.5)))
          .join(""),
      }),
    box(0, 0, 1, "dg-here"),
    box(state.x, state.y, 1, "dg-mark", {}),
  ]);
};

// A stack of dilated 3 × 3 layers from above: the pixels that one output reads, along how many paths, and the holes.
const view = (state, width) => {
  const rates = ratesOf(state);
  const { field, read, all, shared } = measure(rates);
  const n = rates.length;
  const wide = sideOf(rates);
  const beside = ` The next output to the right reads ${count(read)} pixels too; the two share ${shared ? count(shared) : "none"}.`;
  return {
    text: explain(rates) + (state.beside ? beside : ""),
    hint: tell(rates, state.x, state.y),
    facts: [
      ["Field", `${field} × ${field}`],
      ["Pixels read", `${count(read)} of ${count(all)}`],
      ["Paths", count(9 ** n)],
      ["Shared with the neighbor", count(shared)],
      ["Weights, whatever the rates", `${n} · 9 = ${9 * n}`],
    ],
    picture: grid(state, rates, width),
    place: (px, py, side) => {
      const [x, y] = [px, py].map((at) => Math.floor((at * wide) / side) - (wide - 1) / 2);
      return { x, y };
    },
  };
};

// A layer that is not there waits with rate 1; the chosen pixel is one of the picture's.
const limits = (state) => {
  const half = (sideOf(ratesOf(state)) - 1) / 2;
  const sides = { low: -half, high: half };
  const rates = range(4).map((i) => [`rate${i + 1}`, i < state.layers ? {} : { high: 1, hidden: true }]);
  return { ...Object.fromEntries(rates), x: sides, y: sides };
};

export const explore = panel(view, {
  kinds: { counting, picking, sliding, toggling },
  limits,
  layout: (own) => [
    own.presets(),
    el("div", { class: "dg-rates" }, own.sliders),
    own.choices,
    own.text,
    el("div", { class: "cx-row dg-row" }, own.picture, el("div", { class: "cx-side" }, own.facts, own.hint)),
  ],
});
