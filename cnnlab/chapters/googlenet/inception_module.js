import { count, sized, svg } from "../../widgets/static/core.js";
import { choosing, panel, sliding } from "../../widgets/static/panel.js";

const NAMES = ["1 × 1", "3 × 3", "5 × 5", "pool"];
const CLASSES = ["c1x1", "c3x3", "c5x5", "pool"];
const LEFT = 46;
const RIGHT = 62;
const ROW = 40;
const BAR = 14;

// --- arithmetic -----------------------------------------------------------------------------------------------------

// For each branch the multiply-accumulates of the 1 × 1 convolution that only changes the channels, those of its kernel,
// those of the naive branch, and the channels that both put out.
export const bill = ({ channels: C, c1x1, reduce3x3, c3x3, reduce5x5, c5x5, projection, side }) =>
  [
    [0, C * c1x1, C * c1x1, c1x1, c1x1],
    [C * reduce3x3, 9 * reduce3x3 * c3x3, 9 * C * c3x3, c3x3, c3x3],
    [C * reduce5x5, 25 * reduce5x5 * c5x5, 25 * C * c5x5, c5x5, c5x5],
    [C * projection, 0, 0, projection, C],
  ].map(([before, kernel, naive, out, all]) => {
    const [a, b, c] = [before, kernel, naive].map((weights) => weights * side * side);
    return { before: a, kernel: b, naive: c, out, all };
  });

const sum = (rows, ...names) => rows.reduce((all, row) => all + names.reduce((own, name) => own + row[name], 0), 0);

// Millions, with a decimal below ten.
export const millions = (value) => {
  if (!value) return "0";
  const text = (value / 1e6).toFixed(value < 9.95e6 ? 1 : 0);
  return `${text.replace(/\B(?=(\d{3})+$)/g, ",")} M`;
};

export const explain = (state) => {
  const rows = bill(state);
  const [own, naive] = [sum(rows, "before", "kernel"), sum(rows, "naive")];
  const most = rows.reduce((a, b) => (b.before + b.kernel > a.before + a.kernel ? b : a));
  const ratio = own / naive;
  return (
    `${state.channels} channels become ${sum(rows, "out")} for ${millions(own)} multiply-accumulates. ` +
    (ratio < 1
      ? `That is ${Math.max(1, Math.round(100 * ratio))} % of the naive module, `
      : `That is more than the naive module, `) +
    `which puts out ${sum(rows, "all")}. The dearest branch is ${NAMES[rows.indexOf(most)]}.`
  );
};

// --- picture --------------------------------------------------------------------------------------------------------

const text = (x, y, words, more) => svg("text", { x, y, ...more }, words);

const drawn = (rows, width) => {
  const room = width - LEFT - RIGHT;
  const all = { before: sum(rows, "before"), kernel: sum(rows, "kernel"), naive: sum(rows, "naive") };
  const lines = [...rows, all];
  const scale = room / Math.max(all.before + all.kernel, all.naive);
  const bar = (x, y, long, name) =>
    svg("rect", { x: LEFT + x, y, width: Math.max(long, 0.5), height: BAR, "stroke-width": 1, class: name });
  const bars = lines.flatMap(({ before, kernel, naive }, i) => {
    const y = 20 + i * ROW;
    const name = `im-${CLASSES[i] || "all"}`;
    return [
      text(0, y + 20, NAMES[i] || "all", { class: "im-name" }),
      before > 0 && bar(0, y, before * scale, `${name} im-before`),
      kernel > 0 && bar(before * scale, y, kernel * scale, name),
      text(LEFT + (before + kernel) * scale + 5, y + 11, millions(before + kernel)),
      naive > 0 && bar(0, y + BAR + 3, naive * scale, `${name} im-naive`),
      text(LEFT + naive * scale + 5, y + BAR + 14, millions(naive)),
    ];
  });
  // What is put out, channel by channel: both strips in one scale.
  const top = 36 + lines.length * ROW;
  const wide = (width - LEFT) / Math.max(sum(rows, "out"), sum(rows, "all"));
  const strip = (key, y, words, more) => {
    let x = LEFT;
    return rows.flatMap((row, i) => {
      const long = row[key] * wide;
      x += long;
      return [
        svg("rect", { x: x - long, y, width: long, height: 22, "stroke-width": 1, class: `im-${CLASSES[i]} ${more}` }),
        long > 24 && text(x - long / 2, y + 15, row[key], { class: words }),
      ];
    });
  };
  return sized(width, top + 74, { role: "img", "aria-label": "Cost by branch, and channels put out" }, [
    text(
      LEFT,
      12,
      width < 420 ? "MACs; dashed: naive" : "multiply-accumulates, pale: the squeeze before; dashed: naive",
    ),
    bars,
    text(LEFT, top + 8, "channels put out; dashed: naive"),
    strip("out", top + 16, "im-in", ""),
    strip("all", top + 44, "im-on", "im-naive"),
  ]);
};

// An Inception module: four branches, what each costs with its reduction and without, and how wide the result is.
const view = (state, width) => {
  const rows = bill(state);
  const weights = (...names) => Math.round(sum(rows, ...names) / state.side ** 2 / 1000);
  return {
    text: explain(state),
    facts: [
      ["Thousand weights", count(weights("before", "kernel"))],
      ["Naive, thousand weights", count(weights("naive"))],
      ["Share spent on squeezing", `${Math.round((100 * sum(rows, "before")) / sum(rows, "before", "kernel"))} %`],
    ],
    picture: drawn(rows, width),
  };
};

export const explore = panel(view, {
  kinds: { choosing, sliding },
  layout: (own) => [own.presets(), own.sliders, own.choices, own.picture, own.text, own.facts],
});
