import { bytes, el, many, percent, range, sized, svg } from "../../widgets/static/core.js";
import { choosing, panel, toggling } from "../../widgets/static/panel.js";

const BINS = 10;
const COLUMNS = 25;

// --- arithmetic -----------------------------------------------------------------------------------------------------

export const decode = (data) => ({
  ...data,
  ways: Object.fromEntries(Object.entries(data.ways).map(([name, [passes, table]]) => [name, [passes, bytes(table)]])),
});

export const chosen = (state, { networks }) => range(networks).filter((i) => state[`n${i}`]);

// The mean over some networks of what one way of asking gives, of every picture: [named class, its probability]
export const answers = (members, way, { labels, classes, ways }) => {
  const table = ways[way][1];
  const size = labels.length * classes;
  return labels.map((_, picture) => {
    const mean = range(classes).map(
      (c) => members.reduce((sum, m) => sum + (table[m * size + picture * classes + c] / 255) ** 2, 0) / members.length,
    );
    const total = mean.reduce((a, b) => a + b, 0);
    const best = mean.indexOf(Math.max(...mean));
    return [best, mean[best] / total];
  });
};

// Twice the tail of so many tosses of a fair coin
export const mcnemar = (corrected, corrupted) => {
  const tosses = corrected + corrupted;
  let [term, sum] = [0.5 ** tosses, 0];
  for (let heads = 0; heads <= Math.min(corrected, corrupted); heads++) {
    sum += term;
    term *= (tosses - heads) / (heads + 1);
  }
  return Math.min(1, 2 * sum);
};

// Bins of equal width that hold their upper edge: [pictures, right ones, sum of confidences]
export const sorted = (said, labels) => {
  const bins = range(BINS).map(() => [0, 0, 0]);
  said.forEach(([named, sure], i) => {
    const bin = bins[Math.min(BINS - 1, Math.max(0, Math.ceil(sure * BINS - 1e-9) - 1))];
    bin[0] += 1;
    bin[1] += named === labels[i] ? 1 : 0;
    bin[2] += sure;
  });
  return bins;
};

export const measure = (state, data) => {
  const { labels, ways } = data;
  const members = chosen(state, data);
  const before = answers([0], Object.keys(ways)[0], data).map(([named], i) => named === labels[i]);
  const said = answers(members, state.way, data);
  const kinds = said.map(([named], i) => 2 * before[i] + (named === labels[i]));
  const of = (kind) => kinds.filter((own) => own === kind).length;
  const bins = sorted(said, labels);
  const gap = bins.reduce((sum, [, right, sure]) => sum + Math.abs(right - sure), 0);
  return {
    members,
    passes: members.length * ways[state.way][0],
    kinds,
    corrected: of(1),
    corrupted: of(2),
    right: of(1) + of(3),
    bins,
    ece: gap / labels.length,
    sure: said.reduce((sum, [, sure]) => sum + sure, 0) / labels.length,
  };
};

// --- in words -------------------------------------------------------------------------------------------------------

export const explain = (found, { labels, ways }, { way }) => {
  const { members, passes, right, corrected, corrupted } = found;
  const p = mcnemar(corrected, corrupted);
  const same = passes === 1 && members[0] === 0 && way === Object.keys(ways)[0];
  return (
    `${many(members.length, "network")}, ${many(passes, "pass").replace("passs", "passes")} for a picture: ${right} of ${labels.length} right (${percent((100 * right) / labels.length)}). ` +
    (same
      ? "This is what the others are compared with."
      : `Compared with network 1 asked once, ${corrected} corrected and ${corrupted} corrupted (p ${p < 0.001 ? "below 0.001" : `= ${p.toFixed(3)}`}).`)
  );
};

export const calibrated = ({ sure, right, ece }, { labels }) => {
  const by = sure - right / labels.length;
  return `On average ${percent(100 * sure)} sure and ${percent((100 * right) / labels.length)} right: ${Math.abs(by) < 0.02 ? "about as sure as it may be" : by > 0 ? "too sure" : "not sure enough"}. ECE ${percent(100 * ece)} in ten bins.`;
};

// --- pictures -------------------------------------------------------------------------------------------------------

const MARKS = [
  ["both wrong", "aa-wrong", (x, y, s) => `M${x} ${y}h${s}v${s}h${-s}z`],
  ["corrected", "aa-corrected", (x, y, s) => `M${x} ${y}h${s}v${s}h${-s}z`],
  ["corrupted", "aa-corrupted", (x, y, s) => `M${x} ${y}l${s} ${s}m0 ${-s}l${-s} ${s}`],
  ["both right", "aa-right", (x, y, s) => `M${x + s / 2 - 1} ${y + s / 2 - 1}h2v2h-2z`],
];

const squares = ({ kinds }) => {
  const [step, s] = [12, 8];
  const high = Math.ceil(kinds.length / COLUMNS) * step;
  const at = (i) => [(i % COLUMNS) * step + 2, Math.floor(i / COLUMNS) * step + 2];
  return sized(
    COLUMNS * step,
    high,
    { "aria-hidden": "true" },
    MARKS.map(([, name, mark], kind) =>
      svg("path", {
        class: name,
        d: kinds.map((own, i) => (own === kind ? mark(...at(i), s) : "")).join("") || "M0 0",
      }),
    ),
  );
};

const legend = () =>
  MARKS.map(([name, look, mark]) =>
    el(
      "span",
      { class: "aa-key" },
      sized(12, 12, { "aria-hidden": "true" }, svg("path", { class: look, d: mark(2, 2, 8) })),
      name,
    ),
  );

const diagram = ({ bins }) => {
  const [side, left, top] = [200, 44, 8];
  const x = (v) => left + side * v;
  const y = (v) => top + side * (1 - v);
  return sized(
    left + side + 20,
    top + side + 40,
    { "aria-hidden": "true" },
    [0, 0.5, 1].map((v) => [
      svg("line", { x1: x(0), x2: x(1), y1: y(v), y2: y(v), class: "cx-mesh" }),
      svg("text", { x: x(0) - 6, y: y(v) + 4, "text-anchor": "end" }, `${100 * v} %`),
      svg("text", { x: x(v), y: y(0) + 17, "text-anchor": "middle" }, `${100 * v} %`),
    ]),
    bins.map(([count, right], i) =>
      count
        ? svg("rect", {
            x: x(i / BINS) + 1,
            y: y(right / count),
            width: side / BINS - 2,
            height: (side * right) / count,
            class: count < 5 ? "aa-bar aa-few" : "aa-bar",
          })
        : null,
    ),
    svg("line", { x1: x(0), y1: y(0), x2: x(1), y2: y(1), class: "aa-ideal" }),
    svg(
      "text",
      { x: x(0.5), y: y(0) + 34, "text-anchor": "middle", class: "cx-axis" },
      "how sure; bars: how often right",
    ),
  );
};

export const view = (state, _width, data) => {
  const found = measure(state, data);
  return {
    text: explain(found, data, state),
    hint: calibrated(found, data),
    parts: { squares: squares(found), bins: diagram(found) },
  };
};

// One network at least is asked.
export const settle = (state, moved, data) =>
  chosen(state, data).length ? {} : { [moved in state && moved !== "way" ? moved : "n0"]: true };

const layout = (own) => [
  own.presets(),
  own.bar(...range(own.data.networks).map((i) => `n${i}`)),
  own.bar("way"),
  own.text,
  el(
    "div",
    { class: "cx-row" },
    el("div", { class: "aa-squares" }, own.part("squares"), el("div", { class: "cx-hint aa-legend" }, legend())),
    own.part("bins", { class: "aa-bins" }),
  ),
  own.hint,
];

export const explore = panel(view, { kinds: { toggling, choosing }, decode, settle, layout });
