import { el, range, signed, sized, svg } from "../../widgets/static/core.js";
import { panel, sliding } from "../../widgets/static/panel.js";

const DEGREES = 30;
const DRAWS = 24;
const GRID = range(81).map((i) => -1 + i / 40);

// --- arithmetic -----------------------------------------------------------------------------------------------------

export const truth = (x) => Math.sin(3.6 * x) + 0.4 * x;

// Numbers in (0, 1), the same for the same seed
const dice = (seed) => {
  let state = Math.imul(seed + 1, 0x9e3779b1) | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return (((t ^ (t >>> 14)) >>> 0) + 0.5) / 4294967296;
  };
};

// One draw: a place in each of as many equal parts, and what was measured there
export const sample = ({ points, noise }, seed) => {
  const roll = dice(seed);
  const xs = range(points).map((i) => -1 + (2 * (i + roll())) / points);
  const normal = () => Math.sqrt(-2 * Math.log(roll())) * Math.cos(2 * Math.PI * roll());
  return { xs, ys: xs.map((x) => truth(x) + noise * normal()) };
};

// Legendre's polynomials at x, of length one on (-1, 1) where all places count alike
export const basis = (x) => {
  const p = [1, x];
  for (let k = 1; k < DEGREES; k++) p.push(((2 * k + 1) * x * p[k] - k * p[k - 1]) / (k + 1));
  return p.map((value, k) => value * Math.sqrt(2 * k + 1));
};
const ON_GRID = GRID.map(basis);
// Errors are averaged over every other place: they hardly change, and a slider answers in half the time.
const COARSE = GRID.filter((_, i) => i % 2 === 0);
const ON_COARSE = COARSE.map(basis);

// The coefficients of the best polynomial of every degree: those of a degree share one decomposition with all below it
export const fits = ({ xs, ys }, penalty) => {
  const rows = xs.map(basis);
  const size = DEGREES + 1;
  const lambda = 10 ** penalty;
  const L = range(size).map(() => new Float64Array(size));
  const z = new Float64Array(size);
  for (let i = 0; i < size; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = i === j ? lambda : 0;
      for (const row of rows) sum += (row[i] * row[j]) / rows.length;
      for (let k = 0; k < j; k++) sum -= L[i][k] * L[j][k];
      L[i][j] = i === j ? Math.sqrt(Math.max(sum, lambda)) : sum / L[j][j];
    }
    let sum = 0;
    for (let r = 0; r < rows.length; r++) sum += (rows[r][i] * ys[r]) / rows.length;
    for (let k = 0; k < i; k++) sum -= L[i][k] * z[k];
    z[i] = sum / L[i][i];
  }
  return range(size).map((degree) => {
    const w = new Array(degree + 1).fill(0);
    for (let i = degree; i >= 0; i--) {
      let sum = z[i];
      for (let k = i + 1; k <= degree; k++) sum -= L[k][i] * w[k];
      w[i] = sum / L[i][i];
    }
    return w;
  });
};
export const value = (w, row) => {
  let sum = 0;
  for (let k = 0; k < w.length; k++) sum += w[k] * row[k];
  return sum;
};
const mean = (values) => values.reduce((a, b) => a + b, 0) / values.length;

// Over all draws, for each degree: training error, test error, and what the latter consists of
export const errors = (state) => {
  const drawn = range(DRAWS).map((seed) => {
    const one = sample(state, seed);
    return { ...one, rows: one.xs.map(basis), all: fits(one, state.penalty) };
  });
  return range(DEGREES + 1).map((degree) => {
    const train = mean(
      drawn.map(({ rows, ys, all }) => mean(ys.map((y, i) => (value(all[degree], rows[i]) - y) ** 2))),
    );
    const said = drawn.map(({ all }) => ON_COARSE.map((row) => value(all[degree], row)));
    const middle = COARSE.map((_, i) => mean(said.map((own) => own[i])));
    const bias = mean(COARSE.map((x, i) => (middle[i] - truth(x)) ** 2));
    const variance = mean(said.map((own) => mean(own.map((v, i) => (v - middle[i]) ** 2))));
    return { train, test: bias + variance + state.noise ** 2, bias, variance };
  });
};
// Those of the settings asked for last: the degree and the draw that is shown change none of them.
const held = {};
const errorsOf = (state) => {
  const key = [state.points, state.noise, state.penalty].join();
  if (held.key !== key) Object.assign(held, { key, all: errors(state) });
  return held.all;
};
export const best = (all) => all.reduce((least, own, i) => (own.test < all[least].test ? i : least), 0);

const told = (value) => (value >= 100 ? "over 100" : signed(value.toFixed(value < 0.1 ? 3 : 2)));
export const explain = ({ degree, points, noise, penalty }, all) => {
  const own = all[degree];
  const so = penalty === -9 ? "no penalty" : `λ = ${10 ** penalty}`;
  return `Degree ${degree}, ${points} points, ${so}: training error ${told(own.train)}, test error ${told(own.test)}. Of that bias is ${told(own.bias)}, variance ${told(own.variance)}, and noise, which no fit removes, ${told(noise ** 2)}.`;
};
export const verdict = ({ degree, points, penalty }, all) => {
  const least = best(all);
  const found = `The test error is least at degree ${least}: ${told(all[least].test)}.`;
  if (penalty === -9 && Math.abs(degree + 1 - points) <= 1) {
    return `${found} Here there are about as many coefficients as points: one polynomial goes through all, wherever it has to go in between.`;
  }
  if (penalty === -9 && degree + 1 > points) {
    return `${found} Many polynomials go through all points; this is the one of the smallest coefficients.`;
  }
  return found;
};

// --- pictures -------------------------------------------------------------------------------------------------------

const [LOW, HIGH] = [-3, 2]; // powers of ten of the errors
const line = (xs, ys, attrs) =>
  svg("path", { ...attrs, d: xs.map((x, i) => `${i ? "L" : "M"}${x.toFixed(1)} ${ys[i].toFixed(1)}`).join("") });
const text = (x, y, said, attrs) => svg("text", { x, y, ...attrs }, said);

const fitted = (state, width, height) => {
  const x = (v) => 8 + ((v + 1) / 2) * (width - 16);
  const y = (v) => height / 2 - (Math.max(-2.6, Math.min(2.6, v)) / 2.6) * (height / 2 - 4);
  const curve = (seed) => ON_GRID.map((row) => y(value(fits(sample(state, seed), state.penalty)[state.degree], row)));
  const at = GRID.map(x);
  const others = range(9).filter((seed) => seed !== state.seed % 9);
  const { xs, ys } = sample(state, state.seed);
  return sized(width, height, { class: "bv-plot", "aria-hidden": "true" }, [
    others.map((seed) => line(at, curve(seed), { class: "bv-other" })),
    line(
      at,
      GRID.map((v) => y(truth(v))),
      { class: "bv-truth" },
    ),
    line(at, curve(state.seed), { class: "bv-fit" }),
    xs.map((v, i) => svg("circle", { cx: x(v), cy: y(ys[i]), r: 3.4, class: "bv-point" })),
  ]);
};

const curves = (state, all, width, height) => {
  const [left, bottom] = [34, 30];
  const x = (degree) => left + 6 + (degree / DEGREES) * (width - left - 14);
  const y = (error) => {
    const power = Math.max(LOW, Math.min(HIGH, Math.log10(Math.max(error, 1e-12))));
    return 8 + ((HIGH - power) / (HIGH - LOW)) * (height - bottom - 12);
  };
  const at = all.map((_, degree) => x(degree));
  const ticks = range(HIGH - LOW + 1).map((i) => LOW + i);
  return sized(width, height, { class: "bv-plot", "aria-hidden": "true" }, [
    ticks.map((power) => [
      svg("line", { class: "bv-grid", x1: left, x2: width - 6, y1: y(10 ** power), y2: y(10 ** power) }),
      text(left - 4, y(10 ** power) + 4, power < 0 ? 10 ** power : String(10 ** power), { "text-anchor": "end" }),
    ]),
    [0, 10, 20, 30].map((degree) => text(x(degree), height - 14, degree, { "text-anchor": "middle" })),
    text(x(15), height - 1, "degree", { "text-anchor": "middle" }),
    svg("line", { class: "bv-here", x1: x(state.degree), x2: x(state.degree), y1: 8, y2: height - bottom }),
    state.noise > 0 &&
      svg("line", { class: "bv-noise", x1: left, x2: width - 6, y1: y(state.noise ** 2), y2: y(state.noise ** 2) }),
    line(
      at,
      all.map(({ train }) => y(train)),
      { class: "bv-train" },
    ),
    line(
      at,
      all.map(({ test }) => y(test)),
      { class: "bv-fit" },
    ),
    svg("circle", { cx: x(state.degree), cy: y(all[state.degree].test), r: 4, class: "bv-now" }),
  ]);
};

// A curve, its noisy points and a polynomial; and the errors of all degrees.
export const view = (state, width) => {
  const all = errorsOf(state);
  const narrow = width < 560;
  const wide = Math.max(200, narrow ? width : Math.floor((width - 16) / 2));
  return {
    text: explain(state, all),
    hint: verdict(state, all),
    parts: {
      fit: width ? fitted(state, wide, narrow ? 200 : 240) : [],
      errors: width ? curves(state, all, wide, narrow ? 200 : 240) : [],
    },
  };
};

const key = () =>
  el(
    "p",
    { class: "cx-hint bv-key" },
    [
      ["bv-truth", "the curve"],
      ["bv-fit", "fit, test error"],
      ["bv-other", "fits to other draws"],
      ["bv-train", "training error"],
      ["bv-noise", "noise"],
    ].map(([mark, said]) =>
      el(
        "span",
        {},
        svg(
          "svg",
          { width: 22, height: 8, viewBox: "0 0 22 8", class: "bv-plot", "aria-hidden": "true" },
          svg("path", { class: mark, d: "M0 4H22" }),
        ),
        ` ${said}`,
      ),
    ),
  );

const layout = (own) => [
  own.presets(),
  own.sliders,
  own.bar(own.part("fit", { class: "bv-part" }), own.part("errors", { class: "bv-part" })),
  key(),
  own.text,
  own.hint,
];

export const explore = panel(view, { kinds: { sliding }, layout });
