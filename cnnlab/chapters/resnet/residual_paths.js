import { button, choice, el, many, range, say, sheet, slider, svg } from "../../widgets/static/core.js";

// The paths through n residual blocks by length: how many there are and how much gradient they carry together.
export const explore = (p) => {
  let { blocks: n, gain: f } = p;
  let weighted = true;
  let width = 0;
  const TALL = 170;
  const result = say(215);
  const bars = svg("g");
  const words = svg("g");
  const picture = svg("svg", { role: "img" }, bars, words);

  // ln of n choose k, so that 110 blocks do not overflow
  const shares = () => {
    let log = 0;
    const gain = weighted ? f : 1;
    return range(n + 1).map((k) => {
      if (k) log += Math.log((n - k + 1) / k);
      return Math.exp(log + k * Math.log(gain) - n * Math.log(1 + gain));
    });
  };
  const UP = { "-": "⁻", 0: "⁰", 1: "¹", 2: "²", 3: "³", 4: "⁴", 5: "⁵", 6: "⁶", 7: "⁷", 8: "⁸", 9: "⁹" };
  const number = (log10) => {
    if (Math.abs(log10) < 3) return String(+(10 ** log10).toPrecision(2));
    return `10${[...String(Math.round(log10))].map((sign) => UP[sign]).join("")}`;
  };

  const update = () => {
    const share = shares();
    const mean = share.reduce((sum, s, k) => sum + s * k, 0);
    const plain = number(n * Math.log10(f));
    const total = number(n * Math.log10(1 + f));
    result.textContent =
      `Plain: one path through all ${many(n, "block")}, which multiplies the gradient by f to the n = ${plain}. ` +
      `Residual: 2 to the n = ${number(n * Math.log10(2))} paths, together (1 + f) to the n = ${total}. ` +
      (weighted
        ? `On average the gradient passes through ${mean.toFixed(1)} blocks.`
        : `An average path passes through ${mean.toFixed(1)} blocks.`);
    picture.setAttribute(
      "aria-label",
      `Bars over path length from 0 to ${n}, highest at ${share.indexOf(Math.max(...share))}.`,
    );
    if (!width) return;
    const left = 4;
    const step = (width - 2 * left) / (n + 1);
    const most = Math.max(...share);
    bars.replaceChildren(
      ...share.map((s, k) =>
        svg("rect", {
          x: left + k * step + step * 0.08,
          y: 18 + (TALL - 18) * (1 - s / most),
          width: Math.max(1, step * 0.84),
          height: (TALL - 18) * (s / most),
          class: k === n ? "cx-plain" : "cx-short",
          "data-k": k,
          "data-share": s.toFixed(6),
        }),
      ),
    );
    const every = [1, 2, 5, 10, 20, 25].find((gap) => gap * step >= 26) || 50;
    const label = (x, y, text, anchor) => svg("text", { x, y, "text-anchor": anchor }, text);
    words.replaceChildren(
      svg("line", { x1: 0, y1: TALL, x2: width, y2: TALL, class: "cx-floor" }),
      ...range(n + 1)
        .filter((k) => k % every === 0)
        .map((k) => label(left + (k + 0.5) * step, TALL + 15, k, "middle")),
      label(0, 12, weighted ? "share of the gradient" : "share of the paths", "start"),
      label(width, TALL + 31, "blocks passed through", "end"),
    );
    sheet(picture, width, TALL + 36);
  };

  const [fewest, greatest] = p.limits.blocks;
  const [least, largest] = p.limits.gain;
  const count = slider({
    label: "blocks",
    symbol: "n",
    color: "blue",
    min: fewest,
    max: greatest,
    value: n,
    oninput: (to) => {
      n = to;
      update();
    },
  });
  const presets = p.presets.map(([name, to]) =>
    button(name, () => {
      n = count.value = to;
      update();
    }),
  );
  const controls = el(
    "div",
    { class: "cx-controls" },
    count.node,
    slider({
      label: "per block",
      symbol: "f",
      color: "orange",
      min: least,
      max: largest,
      step: 0.05,
      value: f,
      format: (to) => Number(to).toFixed(2),
      oninput: (to) => {
        f = to;
        update();
      },
    }).node,
  );
  const bar = el(
    "div",
    { class: "cx-bar" },
    choice({
      label: "Bars show",
      value: true,
      options: [
        [true, "Gradient"],
        [false, "Number of paths"],
      ],
      onchange: (to) => {
        weighted = to;
        update();
      },
    }).node,
  );
  return {
    nodes: [
      el("div", { class: "cx-bar" }, presets),
      controls,
      bar,
      el("div", { style: "margin-top:.75rem" }, picture),
      result,
    ],
    draw: (to) => {
      width = to;
      update();
    },
  };
};
