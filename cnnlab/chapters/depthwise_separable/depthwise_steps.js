import { count, el, many, range, signed, sized, svg } from "../../widgets/static/core.js";
import { panel, picking, sliding, stepping } from "../../widgets/static/panel.js";

const factor = (v) => (v < 0 ? `(${signed(v)})` : v);
// The same small whole numbers on every page; tests make them again in Python.
const mix = (s, a, b, c, m) => ((s + 73 * a + 179 * b + 283 * c + 31 * a * b + 17 * b * c + 41 * a * c) % 101) % m;
const pixel = (c, i, j) => mix(3, c, i, j, 5);
const tap = (c, u, v) => mix(11, c, u, v, 3) - 1;
const weight = (f, c) => mix(66, f, c, f * f + 5 * c, 3) - 1;
const sum = (list) => list.reduce((a, b) => a + b, 0);

// Sizes, both results and both bills. mid[c][q] and out[f][q] are the numbers at place q; Cd and Kd of them are drawn.
export const measure = ({ channels: C, filters: K, kernel: k, size: n }) => {
  const m = n - k + 1;
  const P = m * m;
  const pairs = (c, q) =>
    range(k * k).map((a) => {
      const [u, v] = [Math.floor(a / k), a % k];
      return [pixel(c, Math.floor(q / m) + u, (q % m) + v), tap(c, u, v)];
    });
  const Kd = Math.min(K, 5);
  const mid = range(C).map((c) => range(P).map((q) => sum(pairs(c, q).map(([x, w]) => x * w))));
  const out = range(Kd).map((f) => range(P).map((q) => sum(range(C).map((c) => weight(f, c) * mid[c][q]))));
  const bill = { deep: C * k * k, point: C * K, whole: C * K * k * k };
  return { C, K, k, n, m, P, pairs, mid, out, Cd: Math.min(C, 4), Kd, ...bill };
};

// After t steps, of which the first P slide the filters and the others mix: how far each map is, and where we are.
export const progress = ({ P, m, deep, point, whole }, t) => {
  const q = (t - 1) % P;
  const done = { middle: Math.min(t, P), output: Math.max(0, t - P), whole: Math.min(t, P) };
  return {
    first: t <= P,
    q,
    i: Math.floor(q / m),
    j: q % m,
    done,
    totals: [P * (deep + point), P * whole],
    now: [done.middle * deep + done.output * point, done.whole * whole],
  };
};

export const explain = ({ C, K, n, m, P, deep, point, whole }) => {
  const ratio = (deep + point) / whole;
  return (
    `${n} × ${n} × ${C} becomes ${m} × ${m} × ${K}. The two steps take ${count(P * deep)} + ${count(P * point)} = ${count(P * (deep + point))} multiplications, the standard convolution ${count(P * whole)}: ` +
    (ratio < 1 ? `${(100 * ratio).toFixed(1)} % of it.` : "here two steps cost more than one.")
  );
};

// The sums of this step, a line for each map that is drawn.
export const tell = (geo, t) => {
  const { C, K, k, P, Cd, Kd, mid, out, pairs, deep, point, whole } = geo;
  const { first, q, i, j, now } = progress(geo, t);
  const lines = first
    ? range(Cd).map((c) => {
        const products = pairs(c, q).map(([x, w]) => `${x}·${factor(w)}`);
        return `Channel ${c + 1}: ${k < 4 ? products.join(" + ") : `${k * k} products`} = ${signed(mid[c][q])}`;
      })
    : range(Kd).map((f) => {
        const products = range(C).map((c) => `${factor(weight(f, c))}·${factor(mid[c][q])}`);
        return `Output ${f + 1}: ${products.join(" + ")} = ${signed(out[f][q])}`;
      });
  const more = first ? C - Cd : K - Kd;
  if (more) lines.push(`and ${many(more, first ? "more channel" : "more output")}, counted but not drawn`);
  const at = `row ${i + 1}, column ${j + 1}`;
  const said = first
    ? `Step 1, depthwise, at ${at}: ${C} × ${k * k} = ${count(deep)} multiplications. The standard convolution does ${count(whole)} here, and has its ${many(K, "output")}.`
    : `Step 2, pointwise, at ${at}: ${K} × ${C} = ${count(point)} multiplications, and the outputs are those of the standard convolution.`;
  const end = t === 2 * P ? ` All done: ${count(now[0])} multiplications against ${count(now[1])}.` : "";
  return [said + end, ...lines];
};

const GAP = 15;
const HEAD = 18;
const LEAST = 30;
// One height whatever the sizes, so that nothing below moves; the largest cells that fit it and the width.
const TALL = 334;
const unit = ({ n, k, m, Cd, Kd }, width) => {
  const span = (units, u) => units.reduce((all, w) => all + Math.max(LEAST, w * u), (units.length - 1) * GAP);
  const fits = (u) =>
    Math.max(Cd * (n * u + 10), Kd * (m * u + 10)) <= TALL &&
    span([n, k, m, Cd, m], u) + (width >= 560 ? span([n, (Cd * k) / 2, m], u) + 26 : 0) <= width;
  return (
    range(180)
      .map((i) => 20 - i / 10)
      .find(fits) || 2
  );
};

// Both pictures as columns of maps; a map is { x, y, side, u, name, kind?, shade?, text? }.
const layout = (geo, width) => {
  const { C, n, k, m, Cd, Kd } = geo;
  const u = unit(geo, width);
  const tone = (v) => (0.1 + 0.14 * Math.abs(v)).toFixed(2);
  const tapTone = (v) => (0.12 + 0.28 * Math.abs(v)).toFixed(2);
  const row = (i, of, side) => HEAD + (TALL / of) * (i + 0.5) - side / 2;
  const channels = (side, more) => (x) =>
    range(Cd).map((c) => ({ x, y: row(c, Cd, side * u), side, u, name: `ds-c${c}`, ...more(c) }));
  const input = (c) => ({ shade: (i, j) => tone(pixel(c, i, j)), text: (i, j) => pixel(c, i, j), kind: "input" });
  const taps = (c) => ({ shade: (i, j) => tapTone(tap(c, i, j)), text: (i, j) => tap(c, i, j) });
  const middle = (c) => ({ text: (i, j) => geo.mid[c][i * m + j], kind: "middle" });
  const outputs = (kind) => (x) =>
    range(Kd).map((f) => {
      const text = (i, j) => geo.out[f][i * m + j];
      return { x, y: row(f, Kd, m * u), side: m, u, name: "ds-o", text, kind };
    });
  const kernels = (side, u, more) => (x) =>
    range(Kd * Cd).map((i) => {
      const [f, c] = [Math.floor(i / Cd), i % Cd];
      return { x: x + c * side * u, y: row(f, Kd, side * u), side, u, name: `ds-c${c}`, ...more(f, c) };
    });
  const weights = (f, c) => ({ shade: () => tapTone(weight(f, c)), text: () => weight(f, c) });
  const bank = (f, c) => ({ shade: (i, j) => tapTone(weight(f, c) * tap(c, i, j)) });
  const columns = (...all) => {
    let x = 0;
    const heads = [];
    const maps = all.flatMap(([name, w, fill]) => {
      const wide = Math.max(LEAST, w * u);
      const own = fill(x + (wide - w * u) / 2);
      heads.push([x + wide / 2, name]);
      x += wide + GAP;
      return own;
    });
    return { heads, maps, wide: x - GAP };
  };
  return {
    picture: columns(
      ["input", n, channels(n, input)],
      [`${k} × ${k}`, k, channels(k, taps)],
      ["maps", m, channels(m, middle)],
      ["1 × 1", Cd, kernels(1, u, weights)],
      ["output", m, outputs("output")],
    ),
    standard: columns(
      ["input", n, channels(n, input)],
      [`${k} × ${k} × ${C}`, (Cd * k) / 2, kernels(k, u / 2, bank)],
      ["output", m, outputs("whole")],
    ),
  };
};

// One map of side × side cells. shade(i, j) is an opacity, text(i, j) a number to write into the cell.
const map = ({ x, y, side, u, name, shade, text, kind }, { k }, { done, first, i, j }) => {
  const cells = range(side * side).map((q) => [Math.floor(q / side), q % side]);
  const paths = {};
  if (shade)
    for (const [i, j] of cells) {
      const o = shade(i, j);
      paths[o] = `${paths[o] || ""}M${x + j * u} ${y + i * u}h${u}v${u}h${-u}z`;
    }
  // The cells that are filled: whole rows, and the part of a row.
  const filled = done[kind] ?? (shade ? side * side : 0);
  const [rows, rest] = [Math.floor(filled / side), filled % side];
  const block =
    (rows ? `M${x} ${y}h${side * u}v${rows * u}h${-side * u}z` : "") +
    (rest ? `M${x} ${y + rows * u}h${rest * u}v${u}h${-rest * u}z` : "");
  const lines = range(side - 1)
    .map((i) => `M${x + (i + 1) * u} ${y}v${side * u}M${x} ${y + (i + 1) * u}h${side * u}`)
    .join("");
  const spot = (kind === "input" ? k : 1) * u;
  return [
    Object.entries(paths).map(([o, d]) => svg("path", { d, class: name, "fill-opacity": o })),
    kind in done && svg("path", { d: block, class: `${name} ds-done` }),
    svg("path", { d: lines, class: "ds-line" }),
    svg("rect", { x, y, width: side * u, height: side * u, class: `ds-frame ${name}` }),
    text &&
      u > (kind && kind !== "input" ? 14 : 11) &&
      cells
        .slice(0, filled)
        .map(([i, j]) =>
          svg("text", { x: x + (j + 0.5) * u, y: y + (i + 0.5) * u + 3.3, class: "ds-number" }, signed(text(i, j))),
        ),
    kind &&
      svg("rect", {
        x: x + j * u,
        y: y + i * u,
        width: spot,
        height: spot,
        class: "ds-spot",
        rx: 2,
        "data-spot": kind,
        hidden: { input: !first, output: first }[kind],
      }),
  ];
};

// A filter for each channel slides, then 1 × 1 weights mix; beside it the standard convolution with the same numbers.
const view = ({ t, ...sizes }, width) => {
  const geo = measure(sizes);
  const { K, k, P, deep, point, whole } = geo;
  const now = progress(geo, t);
  const laid = layout(geo, width);
  const draw = ({ heads, maps, wide }, attrs) =>
    sized(wide, HEAD + TALL, attrs, [
      heads.map(([x, name]) => svg("text", { x, y: 10, class: "ds-head" }, name)),
      maps.map((own) => map(own, geo, now)),
    ]);
  const bar = (name, i) =>
    el(
      "div",
      { class: "ds-bar" },
      el("span", {}, name),
      el("b", {}, `${count(now.now[i])} of ${count(now.totals[i])}`),
      el(
        "div",
        { class: "ds-track", "aria-hidden": "true" },
        el("i", { class: i ? "ds-whole" : "ds-two", style: `width:${(100 * now.now[i]) / Math.max(...now.totals)}%` }),
      ),
    );
  return {
    text: explain(geo),
    hint: tell(geo, t).map((line) => el("span", {}, line)),
    facts: [
      ["Ratio 1/K + 1/k²", `1/${K} + 1/${k * k} = ${((deep + point) / whole).toFixed(3)}`],
      ["Weights, two steps", `${count(deep)} + ${count(point)} = ${count(deep + point)}`],
      ["Weights, standard", count(whole)],
    ],
    picture: draw(laid.picture),
    parts: {
      bars: ["Depthwise, then pointwise", "Standard, at once"].map(bar),
      standard: draw(laid.standard, { role: "img", "aria-label": "The standard convolution at the same place" }),
    },
    place: (px, py, _wide, _tall, name) => {
      const inside = ({ x, y, side, u }) => Math.min(px - x, py - y) >= 0 && Math.max(px - x, py - y) < side * u;
      const own = laid[name]?.maps.find((one) => one.kind in now.done && inside(one));
      return (
        own && {
          t:
            (own.kind === "output" ? P : 0) +
            1 +
            Math.floor((py - own.y) / own.u) * own.side +
            Math.floor((px - own.x) / own.u),
        }
      );
    },
  };
};

const placesOf = ({ size, kernel }) => (size - kernel + 1) ** 2;

export const explore = panel(view, {
  kinds: { picking, sliding, stepping },
  // Neither kernel nor input outgrows the other: the one that was not moved follows. Other sizes start again.
  settle: ({ kernel, size }, moved) =>
    ["channels", "filters", "kernel", "size", "preset"].includes(moved) && {
      t: 1,
      kernel: moved === "size" ? Math.min(kernel, size) : kernel,
      size: moved === "kernel" ? Math.max(kernel, size) : size,
    },
  limits: (state) => ({ t: { low: 1, high: 2 * placesOf(state) } }),
  move: ({ t, size, kernel }, dx, dy) => ({ t: t + dx + dy * (size - kernel + 1) }),
  steps: (state) => {
    const P = placesOf(state);
    return { count: 2 * P, at: state.t - 1, to: (number) => ({ t: number + 1 }), end: (state.t < P ? P : 2 * P) - 1 };
  },
  layout: (own) => [
    own.presets(),
    own.sliders,
    own.text,
    own.part("bars"),
    own.steps,
    el("div", { class: "ds-panels" }, own.picture, own.part("standard", {}, "div", false)),
    own.hint,
    own.facts,
  ],
});
