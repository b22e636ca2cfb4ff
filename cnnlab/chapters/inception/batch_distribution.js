import { clamp, range, sized, svg, tidy } from "../../widgets/static/core.js";
import { choosing, panel, sliding, stepping } from "../../widgets/static/panel.js";

const EPS = 1e-5;
const MOMENTUM = 0.1;
const REACH = 4; // the lower line runs from -REACH to REACH
const STRIP = 96;

// --- arithmetic -----------------------------------------------------------------------------------------------------

// Numbers in [0, 1) that are the same for the same seed (mulberry32).
const random = (seed) => () => {
  seed = (seed + 0x6d2b79f5) | 0;
  let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
};

// The places of a batch in the sample: the first picture, and others without repetition.
export const drawn = (count, batch, draw) => {
  const next = random(1000 * batch + draw);
  const left = range(count).slice(1);
  return [
    0,
    ...range(batch - 1).map((i) => {
      const j = i + Math.floor(next() * (left.length - i));
      [left[i], left[j]] = [left[j], left[i]];
      return left[i];
    }),
  ];
};

// Mean and variance, which is divided by m where the batch is normalized.
export const moments = (values) => {
  const mean = values.reduce((sum, own) => sum + own, 0) / values.length;
  return { mean, variance: values.reduce((sum, own) => sum + (own - mean) ** 2, 0) / values.length };
};

// After the batches 0 to draw. The running variance is divided by m - 1; a batch of one has none and is refused.
export const running = (values, batch, draw) =>
  range(batch > 1 ? draw + 1 : 0).reduce(
    (own, number) => {
      const { mean, variance } = moments(drawn(values.length, batch, number).map((i) => values[i]));
      const wider = (variance * batch) / (batch - 1);
      return {
        mean: own.mean + MOMENTUM * (mean - own.mean),
        variance: own.variance + MOMENTUM * (wider - own.variance),
      };
    },
    { mean: 0, variance: 1 },
  );

export const normed = ({ mode, batch, gamma, beta, draw }, { values }) => {
  const places = drawn(values.length, batch, draw);
  const before = places.map((i) => values[i]);
  const own = moments(before);
  const kept = running(values, batch, draw);
  const by = mode === "train" ? own : kept;
  const after = before.map((value) => (gamma * (value - by.mean)) / Math.sqrt(by.variance + EPS) + beta);
  return { before, after, own, kept, by };
};

export const explain = (state, { before, after }) => {
  const { mode, batch, draw, beta } = state;
  const start = `The marked picture comes in with ${tidy(before[0])} and goes out with ${tidy(after[0])}. `;
  if (mode === "eval") {
    const seen = batch > 1 ? draw + 1 : 0;
    return (
      start +
      `In evaluation mode the running mean and deviation are used, ${seen ? `after ${seen} ${seen > 1 ? "batches" : "batch"}` : "still 0 and 1: no batch was taken in"}. ` +
      (seen ? "Who else is in the batch does not matter. Early on they still carry their start, 0 and 1." : "")
    );
  }
  if (batch === 1) {
    return `${start}A batch of one is its own mean, with no deviation: whatever came in, out comes the shift, ${tidy(beta)}. Torch refuses it.`;
  }
  if (batch === 2) {
    return `${start}Of two pictures one lies as far above the mean as the other below: all that is left of a number is whether it was the larger.`;
  }
  return `${start}Draw again: its own number stays, and what becomes of it hangs on the other ${batch - 1}${batch > 16 ? ", though less the more they are" : ""}.`;
};

// --- picture --------------------------------------------------------------------------------------------------------

// A line of dots with its axis, the mean as a stroke and a deviation to each side as a band.
const strip = (top, width, name, [low, high], dots, { mean, deviation }) => {
  const x = (value) => 10 + ((clamp(value, low, high) - low) / (high - low)) * (width - 20);
  const base = top + STRIP - 22;
  const step = Math.max(1, Math.ceil((high - low) / (width < 420 ? 6 : 10)));
  const ticks = range(Math.floor((high - low) / step) + 1).map((i) => Math.ceil(low) + i * step);
  return [
    svg("text", { x: 0, y: top + 10, class: "bd-name" }, name),
    svg("rect", {
      x: x(mean - deviation),
      y: base - 44,
      width: Math.max(1, x(mean + deviation) - x(mean - deviation)),
      height: 44,
      class: "bd-wide",
    }),
    svg("line", { x1: 0, x2: width, y1: base, y2: base, class: "bd-axis" }),
    svg("line", { x1: x(mean), x2: x(mean), y1: base - 48, y2: base, class: "bd-mean" }),
    ticks
      .filter((tick) => tick <= high)
      .map((tick) => svg("text", { x: x(tick), y: base + 16, class: "bd-tick" }, tidy(tick))),
    dots.map(([value, kind, row]) =>
      svg("circle", { cx: x(value), cy: base - 8 - 4 * row, r: kind === "bd-own" ? 6 : 4, class: kind }),
    ),
  ];
};

const view = (state, width, data) => {
  const all = normed(state, data);
  const { before, after, own, kept, by } = all;
  const [low, high] = [Math.min(...data.values) - 0.3, Math.max(...data.values) + 0.3];
  const out = moments(after);
  // The marked picture last, so that it lies on top; the others in rows, so that they do not hide each other.
  const dotted = (values) =>
    [...values.keys()].reverse().map((i) => [values[i], i ? "bd-in" : "bd-own", i ? 1 + (i % 8) : 4]);
  const rest = data.values.map((value) => [value, "bd-all", 0]);
  const root = ({ variance }) => Math.sqrt(variance);
  const said =
    "A line of dots for the unit's numbers in this batch, and below it one for what batch norm makes of them.";
  return {
    text: explain(state, all),
    facts: [
      ["Mean and deviation of the batch", `${tidy(own.mean)} and ${tidy(root(own))}`],
      ["Running mean and deviation", `${tidy(kept.mean)} and ${tidy(root(kept))}`],
    ],
    picture: sized(width, 2 * STRIP + 16, { role: "img", "aria-label": said }, [
      strip(0, width, "before", [low, high], [...rest, ...dotted(before)], { mean: by.mean, deviation: root(by) }),
      strip(STRIP + 16, width, "after", [-REACH, REACH], dotted(after), { mean: out.mean, deviation: root(out) }),
    ]),
  };
};

export const explore = panel(view, {
  kinds: { choosing, sliding, stepping },
  steps: ({ draw }, { draws }) => ({ count: draws, at: draw, to: (number) => ({ draw: number }) }),
  layout: (own) => [own.presets(), own.sliders, own.choices, own.steps, own.picture, own.text, own.facts],
});
