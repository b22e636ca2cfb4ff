import { count, many, range, sized, svg } from "../../widgets/static/core.js";
import { choosing, panel, sliding } from "../../widgets/static/panel.js";

const BAR = 22;

// --- arithmetic -----------------------------------------------------------------------------------------------------

// The width W, the segments g of W / g channels each, and the weights of both steps; and those of one segment, C wide.
// Segments of 0: one a channel.
export const measure = ({ channels: C, segments, hold }) => {
  const budget = 10 * C * C;
  const weigh = (W) => W * W + (9 * W * W) / (segments || W);
  let W = C;
  if (hold === "weights") for (const step = segments || 1; weigh(W + step) <= budget; ) W += step;
  const g = segments || W;
  const own = { W, g, depth: W / g, mix: W * W, look: (9 * W * W) / g, budget };
  return { ...own, all: own.mix + own.look };
};

export const explain = (state) => {
  const { W, g, depth, mix, look, all, budget } = measure(state);
  const where = g === 1 ? "an ordinary convolution" : depth === 1 ? "a depthwise one" : "between the extremes";
  const share = Math.round((100 * all) / budget);
  return (
    `${W} channels in ${many(g, "segment")}, ${where}: each 3 × 3 kernel sees ${many(depth, "channel")}. ` +
    `${count(mix)} weights mix and ${count(look)} look around` +
    (g === 1
      ? `, ${count(all)} in all.`
      : `, ${count(all)} in all: ${share} % of one segment of ${state.channels} channels.`)
  );
};

// --- picture --------------------------------------------------------------------------------------------------------

const text = (x, y, words, more) => svg("text", { x, y, ...more }, words);

const drawn = (state, width) => {
  const { W, g, mix, look, all, budget } = measure(state);
  const beside = width >= 520;
  const side = Math.min(beside ? 250 : width - 30, 250);
  const cell = side / W;
  const [left, top] = [22, 24];
  const square = (x, y, long, name) => svg("rect", { x, y, width: long, height: long, class: name });
  const seen = range(g).map((i) => square(left + (i * side) / g, top + (i * side) / g, (W / g) * cell, "ss-seen"));
  const x = beside ? left + side + 40 : 0;
  const y = beside ? top : top + side + 36;
  const room = width - x - 4;
  const scale = room / Math.max(all, budget);
  const bar = (from, down, long, name) =>
    svg("rect", { x: x + from, y: down, width: Math.max(long, 0.5), height: BAR, class: name });
  const one = (budget / 10) * scale;
  return sized(width, beside ? top + side + 12 : y + 140, { role: "img", "aria-label": "Channels seen, and weights" }, [
    text(left, 14, `inputs of the 3 × 3: ${W}`),
    text(0, 0, `outputs: ${W}`, { transform: `translate(14 ${top + side / 2}) rotate(-90)`, "text-anchor": "middle" }),
    square(left, top, side, "ss-all"),
    seen,
    text(x, y + 10, "this layer", { class: "ss-name" }),
    bar(0, y + 18, mix * scale, "ss-mix"),
    bar(mix * scale, y + 18, look * scale, "ss-look"),
    text(x, y + 56, `1 × 1: ${count(mix)}, 3 × 3: ${count(look)}`),
    text(x, y + 86, `one segment of ${state.channels}`, { class: "ss-name" }),
    bar(0, y + 94, one, "ss-mix ss-pale"),
    bar(one, y + 94, 9 * one, "ss-look ss-pale"),
    text(x, y + 132, `1 × 1: ${count(budget / 10)}, 3 × 3: ${count((9 * budget) / 10)}`),
  ]);
};

// A 1 × 1 and a 3 × 3 in segments: a block diagonal of kernels, and two bars.
const view = (state, width) => {
  const { W, depth, mix, all } = measure(state);
  return {
    text: explain(state),
    facts: [
      ["Channels", W],
      ["Seen by a kernel", depth],
      ["Weights", count(all)],
      ["Share of the mixing", `${Math.round((100 * mix) / all)} %`],
    ],
    picture: drawn(state, width),
  };
};

export const explore = panel(view, {
  kinds: { choosing, sliding },
  layout: (own) => [own.presets(), own.sliders, own.choices, own.picture, own.text, own.facts],
});
