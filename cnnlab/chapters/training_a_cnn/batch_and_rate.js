import { count, many, range, sized, svg, tidy } from "../../widgets/static/core.js";
import { choosing, panel, sliding } from "../../widgets/static/panel.js";

export const CURVATURES = [1, 0.1];
const BASE = 16;
const PICTURES = 8192;

// --- arithmetic -----------------------------------------------------------------------------------------------------

export const rateOf = ({ batch, rate, rule }) => {
  const k = batch / BASE;
  return rate * (rule === "linear" ? k : rule === "root" ? Math.sqrt(k) : 1);
};

// The expected loss before the first step and after each: both directions begin with half of the first loss, 1.
export const expected = ({ batch, noise }, rate, steps) => {
  const squares = CURVATURES.map((h) => 1 / h);
  const losses = [1];
  for (const _ of range(steps)) {
    CURVATURES.forEach((h, i) => {
      squares[i] = (1 - rate * h) ** 2 * squares[i] + (rate * rate * noise * noise * h) / batch;
    });
    losses.push(CURVATURES.reduce((sum, h, i) => sum + 0.5 * h * squares[i], 0));
  }
  return losses;
};

// Where it ends, if it ends: the noise of each step against what a step takes away.
export const floor = ({ batch, noise }, rate) =>
  CURVATURES.reduce((sum, h) => sum + (0.5 * rate * noise * noise * h) / batch / (2 - rate * h), 0);

// One run, with the same random numbers every time.
export const sample = ({ batch, noise }, rate, steps) => {
  let seed = 20190616;
  const uniform = () => {
    seed = (seed * 16807) % 2147483647;
    return seed / 2147483647;
  };
  const normal = () => range(12).reduce((sum) => sum + uniform(), -6);
  const weights = CURVATURES.map((h) => Math.sqrt(1 / h));
  const losses = [1];
  for (const _ of range(steps)) {
    CURVATURES.forEach((h, i) => {
      weights[i] -= rate * (h * weights[i] + noise * Math.sqrt(h / batch) * normal());
    });
    losses.push(CURVATURES.reduce((sum, h, i) => sum + 0.5 * h * weights[i] ** 2, 0));
  }
  return losses;
};

// How many of a run's steps are drawn: all of them by pictures, as many as the longer of the two has by steps.
const stepsOf = (batch) => Math.min(PICTURES / batch, 2048);

export const explain = (state) => {
  const rate = rateOf(state);
  const steps = PICTURES / state.batch;
  const seen = `${count(PICTURES)} pictures are ${many(steps, "step")} of ${state.batch}, at a rate of ${tidy(rate, 4)}. `;
  if (rate >= 2)
    return `${seen}The loss grows with each step: beyond a rate of 2 the steep direction overshoots by more than it was off.`;
  const low = floor(state, rate);
  const ends = expected(state, rate, steps)[steps];
  const base = expected({ ...state, batch: BASE }, state.rate, PICTURES / BASE)[PICTURES / BASE];
  const than = ends > 1.15 * base ? "higher than" : ends < base / 1.15 ? "lower than" : "about that of";
  const wait = ends > 1.3 * low && state.noise ? " It is still on its way down." : "";
  return `${seen}The average loss ends at ${tidy(ends, 4)}, ${than} batch 16 (${tidy(base, 4)}); in the long run noise holds it at ${tidy(low, 4)}.${wait}`;
};

// --- picture --------------------------------------------------------------------------------------------------------

const TALL = 260;
const LEFT = 40;
const [LOW, HIGH] = [-4, 1]; // powers of ten

const view = (state, width) => {
  const rate = rateOf(state);
  const [own, base] = [stepsOf(state.batch), stepsOf(BASE)];
  const long = state.axis === "pictures" ? PICTURES : Math.max(own, base);
  const right = width - 24;
  const x = (step, batch) => LEFT + ((right - LEFT) * step * (state.axis === "pictures" ? batch : 1)) / long;
  const y = (loss) => 8 + (TALL * (HIGH - Math.log10(Math.min(Math.max(loss, 1e-9), 1e9)))) / (HIGH - LOW);
  // No more points than the eye can tell apart
  const line = (losses, batch, kind) => {
    const apart = Math.ceil(losses.length / 700);
    const points = losses.flatMap((loss, i) =>
      i % apart && i < losses.length - 1 ? [] : [`${x(i, batch).toFixed(1)},${(y(loss) - 8).toFixed(1)}`],
    );
    return svg("polyline", { points: points.join(" "), class: kind });
  };
  const labels = ["10", "1", "0.1", "0.01", "0.001", "10⁻⁴"];
  const said = "The loss of one run, of the average run and of a batch of 16, on a logarithmic axis.";
  return {
    text: explain(state),
    picture: sized(
      width,
      TALL + 66,
      { role: "img", "aria-label": said },
      labels.map((label, i) => [
        svg("line", { x1: LEFT, x2: right, y1: y(10 ** (HIGH - i)), y2: y(10 ** (HIGH - i)), class: "br-grid" }),
        svg("text", { x: 0, y: y(10 ** (HIGH - i)) + 4 }, label),
      ]),
      svg(
        "svg",
        { x: 0, y: 8, width, height: TALL, style: "overflow:hidden" },
        line(expected({ ...state, batch: BASE }, state.rate, base), BASE, "br-base"),
        line(sample(state, rate, own), state.batch, "br-run"),
        line(expected(state, rate, own), state.batch, "br-mean"),
      ),
      svg("text", { x: LEFT, y: TALL + 26, "text-anchor": "middle" }, "0"),
      svg("text", { x: right, y: TALL + 26, "text-anchor": "end" }, `${count(long)} ${state.axis}`),
      [
        ["br-run", "one run"],
        ["br-mean", "its average"],
        ["br-base", "batch 16"],
      ].map(([kind, words], i) => [
        svg("line", { x1: LEFT + i * 96, x2: LEFT + i * 96 + 16, y1: TALL + 50, y2: TALL + 50, class: kind }),
        svg("text", { x: LEFT + i * 96 + 21, y: TALL + 54 }, words),
      ]),
    ),
  };
};

export const explore = panel(view, {
  kinds: { choosing, sliding },
  layout: (own) => [own.presets(), own.picture, own.text, own.sliders, own.choices],
});
