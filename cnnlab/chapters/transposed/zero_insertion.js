import { clamp, el, listed, many, range, sized, svg, tidy } from "../../widgets/static/core.js";
import { choosing, panel, picking, sliding, stepping, toggling } from "../../widgets/static/panel.js";

const tidy4 = (value) => tidy(value, 4);
const orList = (all) => (all.length < 2 ? all.join("") : `${all.slice(0, -1).join(", ")} or ${all[all.length - 1]}`);
const distinct = (values) => [...new Set(values.map(tidy4))].sort((a, b) => a - b);

// What these sliders allow: no input pixel cut away, some output left, an output padding below the stride.
export const limits = ({ size: n, kernel: k, stride: s, output_padding: o, stamps, ...state }) => {
  const extra = Math.min(o, s - 1);
  const most = Math.min(k - 1, Math.floor((s * (n - 1) + k + extra - 1) / 2), 4);
  const side = stamps ? n : s * (n - 1) - 2 * Math.min(state.padding, most) + k + extra;
  const sides = { low: 0, high: side - 1 };
  return { output_padding: { high: s - 1 }, padding: { high: most }, x: sides, y: sides };
};

// Sizes, the values X and weights W, and for each output its value, how many stamps fall on it, and the terms of its
// sum as [pixel, weight, row, column]. overlaps and flat: the counts and sums that a flat input has away from the border.
export const measure = (state, numbers) => {
  const { size: n, kernel: k, stride: s, padding: pad, output_padding: o } = state;
  const out = s * (n - 1) - 2 * pad + k + o;
  const border = k - 1 - pad;
  const wide = s * (n - 1) + 1 + 2 * border + o;
  const X = (i, j) => (state.pixels === "ones" ? 1 : numbers.pixels[i][j]);
  const hat = (u) => Math.max(0, 1 - Math.abs(u - (k - 1) / 2) / s);
  const W = (u, v) =>
    state.weights === "ones" ? 1 : state.weights === "triangle" ? hat(u) * hat(v) : numbers.weights[u][v];
  // Which taps of which pixels reach output r, along one axis.
  const taps = range(out).map((r) =>
    range(k)
      .map((u) => [(r + pad - u) / s, u])
      .filter(([i]) => Number.isInteger(i) && i >= 0 && i < n),
  );
  const terms = (r, c) => taps[r].flatMap(([i, u]) => taps[c].map(([j, v]) => [X(i, j), W(u, v), i, j]));
  const value = range(out).map((r) => range(out).map((c) => terms(r, c).reduce((sum, [x, w]) => sum + x * w, 0)));
  const count = range(out).map((r) => range(out).map((c) => taps[r].length * taps[c].length));
  // Away from the border, outputs differ only by where they stand between the stamps.
  const phase = (u) => range(k).filter((t) => t % s === u);
  const pairs = range(s * s).map((f) => [phase(f % s), phase(Math.floor(f / s))]);
  const overlaps = distinct(pairs.map(([a, b]) => a.length * b.length));
  const flat = distinct(pairs.map(([a, b]) => a.reduce((sum, u) => sum + b.reduce((part, v) => part + W(u, v), 0), 0)));
  return { n, k, s, pad, o, out, border, wide, X, W, terms, value, count, overlaps, flat };
};

const formula = ({ n, k, s, pad, o, out }, colors) => {
  const b = (name, text) => el("b", { style: `color:var(--cnnlab-${colors[name]})` }, text);
  const sum = (as, ns, ps, ks, os, dot) => [
    [b("s", as), "(", b("n", ns), " − 1) − 2", dot, b("p", ps)],
    [" + ", b("k", ks), " + ", b("o", os)],
  ];
  return [
    el("span", {}, "out = ", sum("s", "n", "p", "k", "o", "")),
    el("span", {}, "= ", sum(s, n, pad, k, o, "·")),
    el("span", {}, "= ", el("b", { class: "cx-out" }, out)),
  ];
};

export const explain = ({ n, k, s, out, border, o, overlaps, flat }) => {
  const zeros = [
    s > 1 && `${many(s - 1, "zero")} between neighboring pixels`,
    border && `${border} on each side`,
    o && `${o} more at the right and bottom`,
  ].filter(Boolean);
  return (
    `${n} × ${n} pixels become ${out} × ${out}. ` +
    (zeros.length ? `Zeros to insert: ${listed(zeros)}. ` : "No zeros to insert. ") +
    (overlaps.length === 1
      ? `Inside, ${many(+overlaps[0], "stamp")} ${overlaps[0] === "1" ? "falls" : "fall"} on every output pixel: ${s} divides ${k}, so the overlap is even. `
      : `Inside, ${orList(overlaps)} stamps fall on an output pixel: ${overlaps[0] === "0" ? `the kernel is smaller than the stride and leaves gaps. ` : `${s} does not divide ${k}, so the overlap is a checkerboard. `}`) +
    (flat.length === 1
      ? `With these weights a flat input of ones comes out flat, ${flat[0]} everywhere inside.`
      : `With these weights a flat input of ones comes out as ${listed(flat)}, by turns.`)
  );
};

export const tell = ({ s, k, pad, out, X, terms, value }, { stamps, x, y }) => {
  if (stamps) {
    const span = (i, word) => {
      const [a, b] = [Math.max(0, i * s - pad) + 1, Math.min(out, i * s - pad + k)];
      return a > b ? null : a === b ? `${word} ${a}` : `${word}s ${a} to ${b}`;
    };
    const [rows, columns] = [span(y, "row"), span(x, "column")];
    return (
      `Input row ${y + 1}, column ${x + 1} holds ${X(y, x)}: it adds ${X(y, x)} times the kernel to ` +
      (rows && columns ? `${rows}, ${columns} of the output.` : "nothing that the padding leaves.")
    );
  }
  const all = terms(y, x);
  const sum = all.slice(0, 9).map(([x, w]) => `${x}·${tidy4(w)}`);
  return (
    `Output row ${y + 1}, column ${x + 1}: ${all.length} of the ${k * k} taps ${all.length === 1 ? "meets a pixel" : "meet pixels"}, ` +
    `the rest zeros. ${all.length ? `${sum.join(" + ")} = ${tidy4(value[y][x])}` : "The sum is 0."}`
  );
};

// Side by side when there is room, one above the other on a phone; the kernel stands between.
const layout = ({ n, wide, out, k }, stamps, width) => {
  const first = stamps ? n : wide;
  const beside = width >= 520;
  const gap = beside ? 26 : 34;
  // One height whatever the sizes, so that nothing below moves.
  const height = beside ? 354 : 640;
  const most = beside
    ? Math.min((width - 2 * gap) / (first + out + k * 0.8), (height - 34) / Math.max(first, out))
    : Math.min(
        Math.min(width, 320) / Math.max(first, out),
        (height - 30 - 2 * gap - 13 * k) / (first + out),
        (height - 30 - 2 * gap) / (first + out + 0.8 * k),
      );
  const cell = Math.floor(10 * Math.min(32, most)) / 10;
  const tap = Math.max(13, Math.min(24, Math.floor(cell * 0.8)));
  const sides = [first * cell, k * tap, out * cell];
  const middle = (height - 34) / 2 + 24;
  const left = Math.max(0, (width - sides[0] - sides[1] - sides[2] - 2 * gap) / 2);
  const before = (i) => sides.slice(0, i).reduce((a, b) => a + b, i * gap);
  const boxes = sides.map((side, i) =>
    beside ? [left + before(i), middle - side / 2] : [(width - side) / 2, 24 + before(i)],
  );
  return { cell, tap, boxes, height, sides };
};

const cellAt = ([left, top], x, y, cell, name, text, more) => [
  svg("rect", {
    x: left + x * cell + 1,
    y: top + y * cell + 1,
    width: cell - 2,
    height: cell - 2,
    rx: 3,
    class: name,
    ...more,
  }),
  cell > 13 &&
    svg(
      "text",
      {
        x: left + (x + 0.5) * cell,
        y: top + (y + 0.5) * cell + 4,
        class: "cx-count",
        style: `font-size:${clamp(cell * (text.length > 2 ? 0.37 : 0.5), 6, 13)}px`,
      },
      text,
    ),
];
const square = (side, draw) => range(side * side).map((i) => draw(i % side, Math.floor(i / side)));

const still = (
  { n, k, s, out, border, wide, X, W, value, count },
  { cell, tap, boxes, sides },
  stamps,
  counts,
  width,
) => {
  const title = (i, words) => {
    const [left, top] = boxes[i];
    return svg("text", { x: clamp(left + sides[i] / 2, 70, width - 70), y: top - 8, "text-anchor": "middle" }, words);
  };
  const inserted = (x, y) => {
    const [i, j] = [(y - border) / s, (x - border) / s];
    const real = Number.isInteger(i) && Number.isInteger(j) && Math.min(i, j) >= 0 && Math.max(i, j) < n;
    const between = Math.min(x, y) >= border && Math.max(x, y) <= border + s * (n - 1);
    const name = real ? "cx-real" : between ? "cx-between" : "cx-around";
    return cellAt(boxes[0], x, y, cell, name, real ? String(X(i, j)) : "0");
  };
  const turn = (u) => (stamps ? u : k - 1 - u);
  const what = counts ? count : value;
  const top = Math.max(1e-9, ...what.flat());
  return [
    stamps ? square(n, (x, y) => cellAt(boxes[0], x, y, cell, "cx-real", String(X(y, x)))) : square(wide, inserted),
    title(0, stamps ? `input ${n} × ${n}` : `with zeros ${wide} × ${wide}`),
    square(k, (v, u) => cellAt(boxes[1], v, u, tap, "cx-tap", tidy(W(turn(u), turn(v))))),
    title(1, stamps || k < 2 ? "kernel" : "kernel, turned"),
    square(out, (x, y) =>
      cellAt(boxes[2], x, y, cell, "cx-result", tidy(what[y][x]), {
        style: `fill-opacity:${0.06 + (0.6 * what[y][x]) / top}`,
        "data-v": tidy4(value[y][x]),
        "data-n": count[y][x],
      }),
    ),
    title(2, counts ? `stamps on each of ${out} × ${out}` : `output ${out} × ${out}`),
  ];
};

const moving = ({ k, s, pad, out, border, terms }, { cell, boxes }, { stamps, x, y }) => {
  const frame = ([left, top], x, y, across, down, name) =>
    across > 0 &&
    down > 0 &&
    svg("rect", {
      x: left + x * cell,
      y: top + y * cell,
      width: across * cell,
      height: down * cell,
      rx: 4,
      class: name,
    });
  const cut = (i) => [clamp(i * s - pad, 0, out), clamp(i * s - pad + k, 0, out)];
  const [[x0, x1], [y0, y1]] = [cut(x), cut(y)];
  return stamps
    ? [frame(boxes[0], x, y, 1, 1, "cx-now"), frame(boxes[2], x0, y0, x1 - x0, y1 - y0, "cx-window")]
    : [
        terms(y, x).map(([, , i, j]) => frame(boxes[0], border + j * s, border + i * s, 1, 1, "cx-hit")),
        frame(boxes[0], x, y, k, k, "cx-window"),
        frame(boxes[2], x, y, 1, 1, "cx-now"),
      ];
};

// A transposed convolution in two ways: zeros between the pixels and a convolution, or one stamp for each pixel.
const view = (state, width, numbers, colors) => {
  const { stamps, counts } = state;
  const geo = measure(state, numbers);
  const at = layout(geo, stamps, width);
  const [own, side] = stamps ? [0, geo.n] : [2, geo.out];
  return {
    parts: { formula: formula(geo, colors) },
    text: explain(geo),
    hint: tell(geo, state),
    picture: sized(width, at.height, {}, still(geo, at, stamps, counts, width), moving(geo, at, state)),
    place: (px, py) => {
      const [x, y] = [px - at.boxes[own][0], py - at.boxes[own][1]].map((from) => Math.floor(from / at.cell));
      return Math.min(x, y) >= 0 && Math.max(x, y) < side ? { x, y } : null;
    },
  };
};

export const explore = panel(view, {
  kinds: { choosing, picking, sliding, stepping, toggling },
  limits,
  settle: (_state, moved) => (moved === "preset" || moved === "stamps") && { x: 0, y: 0 },
  steps: (state) => {
    const side = limits(state).x.high + 1;
    const to = (number) => ({ x: number % side, y: Math.floor(number / side) });
    return { count: side ** 2, at: state.y * side + state.x, to };
  },
  layout: (own) => [
    own.bar("stamps"),
    own.sliders,
    own.part("formula", { class: "cx-formula" }),
    own.text,
    own.picture,
    own.hint,
    own.bar(own.steps, "counts"),
    own.bar("weights", "pixels"),
    own.presets(el("span", { class: "cx-hint" }, "Try")),
  ],
});
