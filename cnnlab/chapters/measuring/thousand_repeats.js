import { count, range, signed, sized, svg, tidy } from "../../widgets/static/core.js";
import { counting, panel, sliding } from "../../widgets/static/panel.js";

const TIMES = 1000;
const TALL = 170;
const TOP = 20;
const BINS = 40;
// Student's t at 97.5 % for 1 to 19 degrees of freedom
const STUDENT = [
  12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145, 2.131, 2.12, 2.11,
  2.101, 2.093,
];

// --- arithmetic -----------------------------------------------------------------------------------------------------

// The same numbers for the same seed: mulberry32, and two normal ones out of two uniform ones
export const normals = (seed) => {
  let a = seed >>> 0;
  let spare = null;
  const uniform = () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return (((t ^ (t >>> 14)) >>> 0) + 0.5) / 4294967296;
  };
  return () => {
    if (spare !== null) {
      const own = spare;
      spare = null;
      return own;
    }
    const radius = Math.sqrt(-2 * Math.log(uniform()));
    const angle = 2 * Math.PI * uniform();
    spare = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  };
};

// The share of a standard normal below z (Abramowitz and Stegun 7.1.26: wrong by 1e-7 at most)
export const below = (z) => {
  const x = Math.abs(z) / Math.SQRT2;
  const t = 1 / (1 + 0.3275911 * x);
  const tail =
    t *
    (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429)))) *
    Math.exp(-x * x);
  return z < 0 ? tail / 2 : 1 - tail / 2;
};

// Standard deviations in points: of one pair's difference by its pictures, by its seeds, and of what is reported
export const noise = ({ gap, pictures, seeds, spread, apart }) => {
  const byPictures = Math.sqrt(Math.max(0, 100 * apart - gap * gap) / pictures);
  const bySeeds = Math.SQRT2 * spread;
  return { byPictures, bySeeds, all: Math.hypot(byPictures, bySeeds) / Math.sqrt(seeds) };
};

// How often the worse recipe comes out ahead
export const worseWins = (state) => below(-state.gap / noise(state).all);

// A thousand times: what is reported, and what each test says of it: 1 the better is better, -1 the worse is, 0 open
export const repeated = (state) => {
  const { gap, pictures, seeds, apart, lot } = state;
  const { byPictures, bySeeds } = noise(state);
  const draw = normals(7919 * lot + 1);
  const error = Math.sqrt((100 * apart) / pictures);
  const verdict = (ratio, limit) => (ratio > limit ? 1 : ratio < -limit ? -1 : 0);
  return range(TIMES).map(() => {
    const each = range(seeds).map(() => gap + bySeeds * draw() + byPictures * draw());
    const mean = each.reduce((sum, own) => sum + own, 0) / seeds;
    const squares = each.reduce((sum, own) => sum + (own - mean) ** 2, 0);
    const reach = seeds > 1 ? STUDENT[seeds - 2] * Math.sqrt(squares / (seeds - 1) / seeds) : Infinity;
    return { mean, mcnemar: verdict(each[0] / error, 1.96), seeds: verdict(mean, reach) };
  });
};

export const tally = (all, test) => [1, -1, 0].map((said) => all.filter((own) => own[test] === said).length);

const counted = (times) => (times ? count(times) : "none");

export const explain = (state, all) => {
  const wrong = all.filter(({ mean }) => mean < 0).length;
  const within = tidy(1.96 * noise(state).all, 1);
  const width = `Ninety-five in a hundred reports lie within ${within} points of the truth.`;
  if (!state.gap) return `The recipes are equally good, and one of them comes out ahead all the same. ${width}`;
  const share = 100 * worseWins(state);
  const exact = share < 0.1 ? "less than 0.1" : share.toFixed(1);
  return `The worse recipe came out ahead in ${counted(wrong)} of 1,000 repetitions; in the long run it is ${exact} %. ${width}`;
};

export const judged = (state, all) => {
  const said = (test, who) => {
    const [better, worse, open] = tally(all, test);
    return state.gap
      ? `${who} calls the better one better in ${counted(better)}, the worse one in ${counted(worse)}, and leaves ${counted(open)} open.`
      : `${who} calls one of them better in ${counted(better + worse)}.`;
  };
  const one = said("mcnemar", "McNemar’s test on the first two networks");
  return state.seeds < 2
    ? `${one} With one seed each, nothing can be said of the seeds.`
    : `${one} ${said("seeds", "An interval over the seeds")}`;
};

// --- picture --------------------------------------------------------------------------------------------------------

// Points to either side that hold what is reported
export const reach = (state) =>
  [0.5, 1, 2, 3, 5, 8, 12, 20].find((own) => own >= state.gap + 3 * noise(state).all) || 30;

export const view = (state, width) => {
  const all = repeated(state);
  const far = reach(state);
  const bins = range(BINS).map(() => 0);
  for (const { mean } of all) {
    const at = Math.floor(((mean + far) / (2 * far)) * BINS);
    if (at >= 0 && at < BINS) bins[at] += 1;
  }
  const most = Math.max(...bins, 1);
  const step = width / BINS;
  const x = (points) => ((points + far) / (2 * far)) * width;
  const truth = x(state.gap);
  return {
    text: explain(state, all),
    hint: judged(state, all),
    picture: sized(width, TALL + 36, { "aria-hidden": "true" }, [
      bins.map((own, i) =>
        svg("rect", {
          x: i * step + 0.5,
          y: TALL - ((TALL - TOP) * own) / most,
          width: Math.max(1, step - 1),
          height: ((TALL - TOP) * own) / most,
          class: i < BINS / 2 ? "tr-worse" : "tr-better",
        }),
      ),
      svg("line", { x1: 0, x2: width, y1: TALL, y2: TALL, class: "cx-floor" }),
      svg("line", { x1: truth, x2: truth, y1: 14, y2: TALL, class: "tr-truth" }),
      svg("text", { x: truth + 5, y: 12, "text-anchor": "start" }, "the truth"),
      [-far, -far / 2, 0, far / 2, far].map((points, i) =>
        svg(
          "text",
          { x: x(points), y: TALL + 14, "text-anchor": ["start", "middle", "middle", "middle", "end"][i] },
          points > 0 ? `+${points}` : signed(String(points)),
        ),
      ),
      svg("text", { x: 0, y: TALL + 31 }, "the worse one ahead"),
      svg("text", { x: width, y: TALL + 31, "text-anchor": "end" }, "the better one, points"),
    ]),
  };
};

// Networks cannot be further apart than the pictures on which they differ
const limits = ({ apart }) => ({ gap: { low: 0, high: Math.min(3, apart) } });

const layout = (own) => [own.presets(), own.sliders, own.picture, own.text, own.hint, own.choices];

export const explore = panel(view, { kinds: { sliding, counting }, layout, limits });
