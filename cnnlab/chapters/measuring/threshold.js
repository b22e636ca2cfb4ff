import { count, el, range, sized, svg, tidy } from "../../widgets/static/core.js";
import { choosing, panel, sliding } from "../../widgets/static/panel.js";

const ALL = 1000;
const [LOW, HIGH] = [-3.5, 7.5];
const TALL = 130;
const SIDE = 170;

// --- arithmetic -----------------------------------------------------------------------------------------------------

// The share of a standard normal above z (Abramowitz and Stegun 7.1.26: wrong by 1e-7 at most)
export const above = (z) => {
  const x = Math.abs(z) / Math.SQRT2;
  const t = 1 / (1 + 0.3275911 * x);
  const series = [0.254829592, -0.284496736, 1.421413741, -1.453152027, 1.061405429];
  const tail = (series.reduceRight((sum, own) => (sum + own) * t, 0) * Math.exp(-x * x)) / 2;
  return z < 0 ? 1 - tail : tail;
};
const bell = (x) => Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI);

// Of 1,000 pictures, not rounded
export const tally = ({ apart, share, miss }, cut) => {
  const there = (ALL * share) / 100;
  const hits = there * above(cut - apart);
  const alarms = (ALL - there) * above(cut);
  const missed = there - hits;
  return {
    there,
    hits,
    missed,
    alarms,
    accuracy: 1 - (missed + alarms) / ALL,
    precision: hits / (hits + alarms),
    recall: hits / there,
    f1: (2 * hits) / (2 * hits + missed + alarms),
    cost: miss * missed + alarms,
  };
};

// Where the odds of the class are 1 to the cost of a miss
export const cheapest = ({ apart, share, miss }) => apart / 2 + Math.log((100 - share) / share / miss) / apart;

const whole = (number) => count(Math.round(number));
const percent = (number) => `${(100 * number).toFixed(1)} %`;

export const explain = (state) => {
  const { there, hits, missed, alarms, accuracy } = tally(state, state.cut);
  const lazy = Math.max(there, ALL - there) / ALL;
  return `Among 1,000 pictures ${whole(hits)} of ${whole(there)} found, ${whole(missed)} missed; false alarms: ${whole(alarms)}. Accuracy ${percent(accuracy)}, that of the lazy answer ${percent(lazy)}.`;
};

export const priced = (state) => {
  const { precision, recall, f1, cost } = tally(state, state.cut);
  const best = cheapest(state);
  const least = tally(state, best).cost;
  const area = above(-state.apart / Math.SQRT2);
  return `Precision ${percent(precision)}, recall ${percent(recall)}, F1 ${f1.toFixed(2)}. This costs ${whole(cost)}; cheapest is ${whole(least)}, at ${tidy(best, 1)}. Area under the ROC curve ${area.toFixed(3)}, wherever the threshold is.`;
};

export const points = (state, curve) =>
  range(111).map((i) => {
    const { alarms, there, precision, recall } = tally(state, HIGH - i * 0.1);
    return curve === "roc" ? [alarms / (ALL - there), recall] : [recall, precision];
  });

// --- pictures -------------------------------------------------------------------------------------------------------

const view = (state, width) => {
  const { cut, apart, share, curve } = state;
  const x = (score) => ((score - LOW) / (HIGH - LOW)) * width;
  const parts = { yes: [apart, share / 100], no: [0, 1 - share / 100] };
  const top = Math.max(...Object.values(parts).map(([, weight]) => weight)) * bell(0);
  const area = (kind, from, to) => {
    const [mean, weight] = parts[kind];
    const places = range(61).map((i) => from + ((to - from) * i) / 60);
    const line = places.map(
      (own) => `${x(own).toFixed(1)},${(TALL - ((TALL - 18) * weight * bell(own - mean)) / top).toFixed(1)}`,
    );
    return `M${x(from)},${TALL}L${line.join("L")}L${x(to)},${TALL}Z`;
  };
  const at = ([px, py]) => [24 + px * (SIDE - 34), SIDE - 24 - py * (SIDE - 34)];
  const path = points(state, curve).map((own) =>
    at(own)
      .map((v) => v.toFixed(1))
      .join(","),
  );
  const now = tally(state, cut);
  const [cx, cy] = at(
    curve === "roc" ? [now.alarms / (ALL - now.there), now.recall] : [now.recall, now.precision || 0],
  );
  const [across, up] = curve === "roc" ? ["false alarms", "found"] : ["recall", "precision"];
  return {
    text: explain(state),
    hint: priced(state),
    picture: sized(width, TALL + 20, { "aria-hidden": "true" }, [
      svg("path", { d: area("no", LOW, cut), class: "th-quiet" }),
      svg("path", { d: area("no", cut, HIGH), class: "th-alarm" }),
      svg("path", { d: area("yes", cut, HIGH), class: "th-hit" }),
      svg("path", { d: area("yes", LOW, cut), class: "th-miss" }),
      svg("line", { x1: 0, x2: width, y1: TALL, y2: TALL, class: "cx-floor" }),
      svg("line", { x1: x(cut), x2: x(cut), y1: 4, y2: TALL, class: "th-cut" }),
      svg("text", { x: 0, y: TALL + 15 }, "no"),
      svg("text", { x: width, y: TALL + 15, "text-anchor": "end" }, "score: yes"),
    ]),
    parts: {
      curve: sized(SIDE, SIDE, { "aria-hidden": "true" }, [
        svg("path", { d: `M24,10V${SIDE - 24}H${SIDE - 10}`, class: "th-axes" }),
        svg("path", { d: `M${path.join("L")}`, class: "th-curve" }),
        svg("circle", { cx, cy, r: 5, class: "th-dot" }),
        svg("text", { x: SIDE - 10, y: SIDE - 8, "text-anchor": "end" }, across),
        svg("text", { x: 28, y: 12 }, up),
      ]),
      legend: [
        ["th-hit", "found"],
        ["th-miss", "missed"],
        ["th-alarm", "false alarms"],
        ["th-quiet", "rightly passed"],
      ].map(([kind, name]) =>
        el(
          "span",
          { class: "th-key" },
          svg(
            "svg",
            { width: 12, height: 12, "aria-hidden": "true" },
            svg("rect", { width: 12, height: 12, class: kind }),
          ),
          name,
        ),
      ),
    },
  };
};

const layout = (own) => [
  own.presets(),
  own.sliders,
  own.picture,
  el("div", { class: "th-row" }, own.part("curve"), own.part("legend", { class: "th-legend" })),
  own.choices,
  own.text,
  own.hint,
];

export const explore = panel(view, { kinds: { sliding, choosing }, layout });
