import { clamp, el, range, sized, svg, tidy } from "../../widgets/static/core.js";
import { choosing, panel, picking, sliding } from "../../widgets/static/panel.js";

const WIDE = 32; // pixels
const SHARP = 10; // of the softmax
const WAYS = { argmax: "highest cell", quarter: "a quarter on", taylor: "parabola", soft: "softmax mean" };

// --- arithmetic -----------------------------------------------------------------------------------------------------

// Normal numbers that are the same each time (mulberry32, then Box and Muller)
const normals = (seed) => {
  let state = seed * 7919;
  const uniform = () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  return () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
};

// Rows of cells; x and y in pixels
export const heat = ({ stride, sigma, noise }, x, y, seed) => {
  const n = WIDE / stride;
  const more = normals(seed);
  const bell = (i, at) => Math.exp(-((i + 0.5 - at / stride) ** 2) / (2 * sigma * sigma));
  return range(n).map((j) => range(n).map((i) => bell(i, x) * bell(j, y) + (noise ? (noise / 100) * more() : 0)));
};

// What each method reads, in pixels
export const read = (map, stride) => {
  const n = map.length;
  const cells = map.flat();
  const best = cells.indexOf(Math.max(...cells));
  const [i, j] = [best % n, Math.floor(best / n)];
  const at = (x, y) => map[clamp(y, 0, n - 1)][clamp(x, 0, n - 1)];
  const log = (x, y) => Math.log(Math.max(at(x, y), 1e-6));
  const [inX, inY] = [i, j].map((own) => own > 0 && own < n - 1);
  const slope = (of) => [inX ? (of(i + 1, j) - of(i - 1, j)) / 2 : 0, inY ? (of(i, j + 1) - of(i, j - 1)) / 2 : 0];
  const [gx, gy] = slope(log);
  const xx = log(i + 1, j) - 2 * log(i, j) + log(i - 1, j);
  const yy = log(i, j + 1) - 2 * log(i, j) + log(i, j - 1);
  const xy = inX && inY ? (log(i + 1, j + 1) - log(i - 1, j + 1) - log(i + 1, j - 1) + log(i - 1, j - 1)) / 4 : 0;
  const det = xx * yy - xy * xy;
  const top = xx < 0 && yy < 0 && det > 1e-12;
  const step = (value, inside) => (top && inside ? clamp(value, -0.5, 0.5) : 0);
  const most = cells[best];
  const weights = cells.map((own) => Math.exp(SHARP * (own - most)));
  const all = weights.reduce((sum, own) => sum + own);
  const mean = (of) => weights.reduce((sum, own, k) => sum + (own * of(k)) / all, 0);
  const places = {
    argmax: [i + 0.5, j + 0.5],
    quarter: slope(at).map((own, k) => [i, j][k] + 0.5 + 0.25 * Math.sign(own)),
    taylor: [i + 0.5 + step((gy * xy - gx * yy) / det, inX), j + 0.5 + step((gx * xy - gy * xx) / det, inY)],
    soft: [mean((k) => (k % n) + 0.5), mean((k) => Math.floor(k / n) + 0.5)],
  };
  return Object.fromEntries(Object.entries(places).map(([way, own]) => [way, own.map((v) => v * stride)]));
};

const far = ([a, b], x, y) => Math.hypot(a - x, b - y);
const errors = (state, x, y, seed) => {
  const found = read(heat(state, x, y, seed), state.stride);
  return Object.fromEntries(Object.keys(WAYS).map((way) => [way, far(found[way], x, y)]));
};

// The mean error of each method over 6 × 6 places in the point's cell
export const means = (state) => {
  const { stride, draw } = state;
  const corner = [state.x, state.y].map((own) => Math.min(Math.floor(own / 10 / stride), WIDE / stride - 1) * stride);
  const each = range(36).map((k) =>
    errors(
      state,
      corner[0] + ((k % 6) + 0.5) * (stride / 6),
      corner[1] + (Math.floor(k / 6) + 0.5) * (stride / 6),
      100 * draw + k,
    ),
  );
  return Object.fromEntries(
    Object.keys(WAYS).map((way) => [way, each.reduce((sum, own) => sum + own[way], 0) / each.length]),
  );
};

export const explain = (state) => {
  const mean = means(state);
  const best = Object.keys(WAYS).reduce((a, b) => (mean[b] < mean[a] ? b : a));
  const { stride, sigma, noise } = state;
  const start = `Cells of ${stride} pixels. The middle of the highest cell is ${tidy(mean.argmax)} pixels off on average over this cell, the parabola ${tidy(mean.taylor)}. `;
  if (!noise && sigma >= 0.7)
    return `${start}The logarithm of a Gaussian is a parabola, so that nothing is lost, whatever the size of a cell.`;
  if (sigma < 0.7)
    return `${start}So sharp a Gaussian leaves the neighbors hardly anything to say, and the least noise drowns it.`;
  return `${start}Best is here: ${WAYS[best]}. Noise moves the parabola's top, and more so where the Gaussian is wide and its top flat.`;
};

// --- pictures -------------------------------------------------------------------------------------------------------

const view = (state, width) => {
  const { stride } = state;
  const [x, y] = [state.x / 10, state.y / 10];
  const map = heat(state, x, y, state.draw);
  const found = read(map, stride);
  const now = errors(state, x, y, state.draw);
  const mean = means(state);
  const side = Math.min(width, 320);
  const u = side / WIDE;
  const cell = stride * u;
  const p = (own) => (own * u).toFixed(1);
  const mark = {
    argmax: ([a, b]) => svg("rect", { x: a * u - 6, y: b * u - 6, width: 12, height: 12 }),
    quarter: ([a, b]) => svg("path", { d: `M${p(a)},${b * u - 8}l8,8l-8,8l-8,-8z` }),
    taylor: ([a, b]) => svg("circle", { cx: a * u, cy: b * u, r: 6 }),
    soft: ([a, b]) => svg("path", { d: `M${p(a)},${b * u - 8}l8,14h-16z` }),
  };
  return {
    text: explain(state),
    hint: `The point is at ${x.toFixed(1)}, ${y.toFixed(1)}: ${Object.entries(WAYS)
      .map(([way, name]) => `${name} ${now[way].toFixed(2)}`)
      .join(", ")} pixels off.`,
    picture: sized(side, side, {}, [
      map.flatMap((row, j) =>
        row.map((own, i) =>
          svg("rect", {
            x: p(i * stride),
            y: p(j * stride),
            width: (cell - 1).toFixed(1),
            height: (cell - 1).toFixed(1),
            class: "hr-cell",
            style: `fill-opacity:${clamp(0.06 + 0.85 * own, 0.03, 0.95).toFixed(2)}`,
          }),
        ),
      ),
      Object.keys(WAYS).map((way) => svg("g", { class: `hr-mark hr-${way}` }, mark[way](found[way]))),
      svg("path", { class: "hr-true", d: `M${p(x)},${y * u - 11}v22M${x * u - 11},${p(y)}h22` }),
    ]),
    parts: {
      table: el(
        "table",
        { class: "hr-table" },
        el("thead", {}, el("tr", {}, ...["read by", "here", "mean"].map((name) => el("th", { scope: "col" }, name)))),
        el(
          "tbody",
          {},
          ...Object.entries(WAYS).map(([way, name]) =>
            el(
              "tr",
              {},
              el(
                "th",
                { scope: "row" },
                svg(
                  "svg",
                  { width: 18, height: 18, viewBox: "-9 -9 18 18", "aria-hidden": "true", class: "hr-key" },
                  svg("g", { class: `hr-mark hr-${way}` }, mark[way]([0, 0])),
                ),
                name,
              ),
              el("td", {}, now[way].toFixed(2)),
              el("td", {}, mean[way].toFixed(2)),
            ),
          ),
        ),
      ),
    },
    place: (px, py, wide) => ({ x: Math.round((px / wide) * WIDE * 10), y: Math.round((py / wide) * WIDE * 10) }),
  };
};

const limits = () => ({ x: { low: 0, high: 10 * WIDE }, y: { low: 0, high: 10 * WIDE } });

export const explore = panel(view, {
  kinds: { choosing, picking, sliding },
  limits,
  layout: (own) => [
    own.presets(),
    own.choices,
    own.sliders,
    own.text,
    el("div", { class: "cx-row hr-row" }, own.picture, el("div", { class: "cx-side" }, own.part("table"), own.hint)),
  ],
});
