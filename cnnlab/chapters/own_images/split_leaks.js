import { bytes, el, many, range, sized, svg } from "../../widgets/static/core.js";
import { choosing, panel, sliding } from "../../widgets/static/panel.js";

const LEFT = 62;
const SEEDS = 31;

// --- arithmetic -----------------------------------------------------------------------------------------------------

// Numbers in [0, 1), the same for the same seed
export const dice = (seed) => {
  let state = Math.imul(seed + 1, 0x9e3779b1) | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
};

const shuffled = (items, roll) => {
  const all = [...items];
  for (let i = all.length - 1; i > 0; i--) {
    const j = Math.floor(roll() * (i + 1));
    [all[i], all[j]] = [all[j], all[i]];
  }
  return all;
};

// For each picture "train", "test", or "" for a shot that is left away. Pictures count class by class, visit by visit.
export const split = ({ by, share, shots, seed }, data) => {
  const roll = dice(seed);
  const part = Array(data.classes.length * data.visits * data.shots).fill("");
  for (const c of range(data.classes.length)) {
    const visits = range(data.visits).map((v) => range(shots).map((s) => (c * data.visits + v) * data.shots + s));
    const units = by === "visit" ? visits : visits.flat().map((picture) => [picture]);
    const wanted = Math.max(1, Math.min(units.length - 1, Math.round((units.length * share) / 100)));
    shuffled(units, roll).forEach((unit, i) => {
      for (const picture of unit) part[picture] = i < wanted ? "test" : "train";
    });
  }
  return part;
};

// Test pictures, those of them with a sibling that is learned from, and those whose nearest neighbor has their class
export const measure = (part, data) => {
  const { shots, visits } = data;
  const n = part.length;
  const tested = range(n).filter((i) => part[i] === "test");
  const visit = (i) => Math.floor(i / shots);
  const siblings = tested.filter((i) => range(shots).some((s) => part[visit(i) * shots + s] === "train"));
  const right = tested.filter((i) => {
    const row = data.near.subarray(i * (n - 1), (i + 1) * (n - 1));
    const neighbor = row.find((j) => part[j] === "train");
    return Math.floor(visit(neighbor) / visits) === Math.floor(visit(i) / visits);
  });
  return { tested, siblings, right };
};

export const over = (state, data) =>
  range(SEEDS).map((seed) => {
    const { tested, right } = measure(split({ ...state, seed }, data), data);
    return right.length / tested.length;
  });

const whole = (share) => `${Math.round(100 * share)} %`;
export const explain = ({ by }, { tested, siblings, right }) => {
  const leak =
    by === "visit"
      ? "no test picture has a sibling among those that are learned from"
      : `${siblings.length} of ${many(tested.length, "test picture")} ${siblings.length === 1 ? "has" : "have"} a sibling among those that are learned from`;
  return `By ${by === "visit" ? "whole visits" : "single pictures"}, ${leak}. The nearest neighbor tells ${right.length} of ${tested.length} rightly: ${whole(right.length / tested.length)}.`;
};
export const average = (shares) => {
  const mean = shares.reduce((a, b) => a + b, 0) / shares.length;
  return `Over all ${SEEDS} seeds: ${whole(mean)} on average, from ${whole(Math.min(...shares))} to ${whole(Math.max(...shares))}.`;
};

// --- picture --------------------------------------------------------------------------------------------------------

const drawn = (state, { part, found, data }, width) => {
  const { classes, visits, shots, side, sheet } = data;
  const u = Math.min(58, Math.floor((width - LEFT) / visits));
  const thumb = u - 8;
  const tall = thumb + 18;
  const leaking = new Set(found.siblings);
  const missed = new Set(found.tested.filter((i) => !found.right.includes(i)));
  return sized(
    LEFT + u * visits,
    tall * classes.length,
    { class: "sl-grid", "aria-hidden": "true" },
    classes.map((name, c) => [
      svg("text", { x: 0, y: c * tall + thumb / 2 + 4 }, name),
      range(visits).map((v) => {
        const first = (c * visits + v) * shots;
        const x = LEFT + v * u;
        const step = Math.min(12, thumb / state.shots);
        return [
          svg(
            "svg",
            { x, y: c * tall, width: thumb, height: thumb, viewBox: `${v * side} ${c * side} ${side} ${side}` },
            svg("image", { href: sheet, width: side * visits, height: side * classes.length }),
          ),
          range(state.shots).map((s) => {
            const own = part[first + s];
            const cx = x + thumb / 2 + (s - (state.shots - 1) / 2) * step;
            const at = { cx, cy: c * tall + thumb + 8 };
            return [
              svg("circle", { ...at, r: 4, class: `sl-${own}` }),
              leaking.has(first + s) && svg("circle", { ...at, r: 5.6, class: "sl-leak" }),
              missed.has(first + s) && svg("path", { class: "sl-miss", d: `M${cx - 3} ${at.cy - 3}l6 6m0 -6l-6 6` }),
            ];
          }),
        ];
      }),
    ]),
  );
};

// A row for each class, a picture for each visit, a dot for each shot.
export const view = (state, width, data) => {
  const part = split(state, data);
  const found = measure(part, data);
  return {
    text: explain(state, found),
    hint: average(over(state, data)),
    parts: { grid: width ? drawn(state, { part, found, data }, width) : [] },
  };
};

const key = () =>
  el(
    "p",
    { class: "cx-hint sl-key" },
    [
      ["sl-train", "learned from"],
      ["sl-test", "tested on"],
      ["sl-leak", "has a sibling there"],
      ["sl-miss", "told wrongly"],
    ].map(([mark, said]) =>
      el(
        "span",
        {},
        svg(
          "svg",
          { width: 14, height: 14, viewBox: "0 0 14 14", "aria-hidden": "true" },
          mark === "sl-miss"
            ? svg("path", { class: mark, d: "M4 4l6 6m0 -6l-6 6" })
            : svg("circle", { cx: 7, cy: 7, r: mark === "sl-leak" ? 5.6 : 4, class: mark }),
        ),
        ` ${said}`,
      ),
    ),
  );

const layout = (own) => [own.choices, own.sliders, own.text, own.hint, key(), own.part("grid", { class: "sl-part" })];

export const explore = panel(view, {
  kinds: { choosing, sliding },
  limits: (_state, { shots }) => ({ shots: { low: 1, high: shots, hidden: shots === 1 } }),
  decode: (data) => ({ ...data, near: bytes(data.near) }),
  layout,
});
