import { many, range, sized, svg } from "../../widgets/static/core.js";
import { choosing, panel, sliding } from "../../widgets/static/panel.js";

const TALL = 170;
const UP = { "-": "⁻", 0: "⁰", 1: "¹", 2: "²", 3: "³", 4: "⁴", 5: "⁵", 6: "⁶", 7: "⁷", 8: "⁸", 9: "⁹" };

// What the paths through k = 0 ... n blocks carry together, of all. By the logarithm of n choose k, so that 110 blocks
// do not overflow.
export const shares = (n, gain) => {
  let log = 0;
  return range(n + 1).map((k) => {
    if (k) log += Math.log((n - k + 1) / k);
    return Math.exp(log + k * Math.log(gain) - n * Math.log(1 + gain));
  });
};

// 10 to this, in words.
export const number = (log10) => {
  if (Math.abs(log10) < 3) return String(+(10 ** log10).toPrecision(2));
  return `10${[...String(Math.round(log10))].map((sign) => UP[sign]).join("")}`;
};

const bars = (share, width, weighted) => {
  const n = share.length - 1;
  const left = 4;
  const step = (width - 2 * left) / (n + 1);
  const most = Math.max(...share);
  const every = [1, 2, 5, 10, 20, 25].find((gap) => gap * step >= 26) || 50;
  const label = (x, y, text, anchor) => svg("text", { x, y, "text-anchor": anchor }, text);
  const bar = (s, k) =>
    svg("rect", {
      x: left + k * step + step * 0.08,
      y: 18 + (TALL - 18) * (1 - s / most),
      width: Math.max(1, step * 0.84),
      height: (TALL - 18) * (s / most),
      class: k === n ? "cx-plain" : "cx-short",
      "data-k": k,
      "data-share": s.toFixed(6),
    });
  const said = `Bars over path length from 0 to ${n}, highest at ${share.indexOf(most)}.`;
  return sized(width, TALL + 36, { role: "img", "aria-label": said }, [
    share.map(bar),
    svg("line", { x1: 0, y1: TALL, x2: width, y2: TALL, class: "cx-floor" }),
    range(n + 1)
      .filter((k) => k % every === 0)
      .map((k) => label(left + (k + 0.5) * step, TALL + 15, k, "middle")),
    label(0, 12, weighted ? "share of the gradient" : "share of the paths", "start"),
    label(width, TALL + 31, "blocks passed through", "end"),
  ]);
};

// The paths through n residual blocks by length: how many there are and how much gradient they carry together.
const view = ({ blocks: n, gain: f, weighted }, width) => {
  const share = shares(n, weighted ? f : 1);
  const mean = share.reduce((sum, s, k) => sum + s * k, 0).toFixed(1);
  return {
    text:
      `Plain: one path through all ${many(n, "block")}, which multiplies the gradient by ` +
      `fⁿ = ${number(n * Math.log10(f))}. Residual: 2ⁿ = ${number(n * Math.log10(2))} paths, together ` +
      `(1 + f)ⁿ = ${number(n * Math.log10(1 + f))}. ` +
      (weighted ? "On average the gradient passes" : "An average path passes") +
      ` through ${mean} blocks.`,
    picture: bars(share, width, weighted),
  };
};

export const explore = panel(view, {
  kinds: { choosing, sliding },
  layout: (own) => [own.presets(), own.sliders, own.choices, own.picture, own.text],
});
