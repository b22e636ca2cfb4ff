import { many, range, short, sized, svg } from "../../widgets/static/core.js";
import { choosing, panel, sliding, toggling } from "../../widgets/static/panel.js";

// --- arithmetic -----------------------------------------------------------------------------------------------------

// Python and NumPy take a half to the even side.
const even = (x) => {
  const low = Math.floor(x);
  if (x - low !== 0.5) return Math.round(x);
  return low % 2 ? low + 1 : low;
};

// Equation 2 of the paper: a straight line.
export const line = ({ depth, w_0, w_a }) => range(depth).map((j) => w_0 + w_a * j);

// Equations 3 and 4: the nearest power of w_m, as a multiple of 8.
export const quantized = (state) =>
  line(state).map((u) => {
    const s = even(Math.log(u / state.w_0) / Math.log(state.w_m));
    return 8 * even((state.w_0 * state.w_m ** s) / 8);
  });

const whole = (width, group, rounding) => {
  if (rounding === "paper") return group * even(width / group);
  const near = Math.max(group, Math.floor(Math.trunc(width + group / 2) / group) * group);
  return near >= 0.9 * width ? near : near + group;
};

// [blocks, width, group width, width before groups] of each stage
export const stages = (state) => {
  const rows = [];
  for (const width of quantized(state)) {
    const last = rows[rows.length - 1];
    if (last && last[3] === width) last[0] += 1;
    else {
      const group = Math.min(state.group_width, width);
      rows.push([1, whole(width, group, state.rounding), group, width]);
    }
  }
  return rows;
};

// Parameters, multiply-accumulates, and numbers that convolutions put out. A batch norm has two parameters a channel
// and, as everywhere in the book, no multiply-accumulates. The gates' layers are convolutions of one pixel.
export const bill = (state) => {
  let [params, macs, activations] = [0, 0, 0];
  const conv = (before, after, kernel, side, groups = 1) => {
    const weights = (before * after * kernel * kernel) / groups;
    params += weights + 2 * after;
    macs += weights * side * side;
    activations += after * side * side;
  };
  let side = 112;
  conv(3, 32, 3, side);
  let before = 32;
  for (const [blocks, width, group] of stages(state)) {
    for (const i of range(blocks)) {
      const after = i ? side : Math.ceil(side / 2);
      if (!i) conv(before, width, 1, after);
      conv(before, width, 1, side);
      conv(width, width, 3, after, width / group);
      if (state.excite) {
        const hidden = even(before / 4);
        params += 2 * width * hidden + hidden + width;
        macs += 2 * width * hidden;
        activations += hidden + width;
      }
      conv(width, width, 1, after);
      before = width;
      side = after;
    }
  }
  return { params: params + 1000 * before + 1000, macs: macs + 1000 * before, activations };
};

const plain = (items) => items.join(", ");

export const explain = (state) => {
  const rows = stages(state);
  const { params, macs } = bill(state);
  const parts = rows.length === 4 ? "" : " The paper keeps only lines that give four stages.";
  const blocks = plain(rows.map(([count]) => count));
  const widths = plain(rows.map(([, width]) => width));
  return `${many(rows.length, "stage")} of ${blocks} blocks, ${widths} channels wide: ${short(params)} parameters and ${short(macs)} multiply-accumulates.${parts}`;
};

export const grouped = (state) => {
  const rows = stages(state);
  const changed = rows.filter(([, width, , before]) => width !== before);
  if (!changed.length) return "Every width is made of whole groups as it is.";
  const said = plain(changed.map(([, width, , before]) => `${width} for ${before}`));
  return `To make whole groups of ${state.group_width}, widths are changed: ${said}.`;
};

// --- picture --------------------------------------------------------------------------------------------------------

const TALL = 230;
const TOP = 20;
const FOOT = 36;

const view = (state, width) => {
  const rows = stages(state);
  const straight = line(state);
  const most = Math.max(straight[straight.length - 1], ...rows.map((row) => row[1]));
  const step = width / state.depth;
  const y = (value) => TOP + (TALL - TOP) * (1 - value / most);
  const middle = (j) => (j + 0.5) * step;
  let from = 0;
  const bars = rows.map(([blocks, wide], number) => {
    const first = from;
    from += blocks;
    const center = Math.max(17, Math.min(width - 24, (first + blocks / 2) * step));
    // Stages of one block stand close together, so that every other label is a line lower.
    const label = { x: center, y: TALL + 15 + (number % 2) * 15, "text-anchor": "middle" };
    return [
      range(blocks).map((i) =>
        svg("rect", {
          x: (first + i) * step + step * 0.06,
          y: y(wide),
          width: step * 0.88,
          height: TALL - y(wide),
          class: number % 2 ? "wl-bar wl-odd" : "wl-bar",
        }),
      ),
      svg("text", label, `${blocks}×${wide}`),
    ];
  });
  const points = straight.map((u, j) => `${middle(j)},${y(u)}`).join(" ");
  const cost = bill(state);
  const said = `${state.depth} bars in ${many(rows.length, "step")}, over a straight line from ${state.w_0} to ${Math.round(straight[state.depth - 1])}.`;
  return {
    text: explain(state),
    hint: grouped(state),
    picture: sized(width, TALL + FOOT, { role: "img", "aria-label": said }, [
      bars,
      svg("polyline", { points, class: "wl-line" }),
      straight.map((u, j) => svg("circle", { cx: middle(j), cy: y(u), r: 2.5, class: "wl-dot" })),
      svg("line", { x1: 0, x2: width, y1: TALL, y2: TALL, class: "cx-floor" }),
      svg("text", { x: 0, y: 11 }, `width, up to ${Math.round(most)}; block by block`),
    ]),
    facts: [
      ["parameters", short(cost.params)],
      ["multiply-accumulates", short(cost.macs)],
      ["numbers that convolutions put out", short(cost.activations)],
    ],
  };
};

export const explore = panel(view, {
  kinds: { choosing, sliding, toggling },
  layout: (own) => [own.presets(), own.sliders, own.choices, own.picture, own.text, own.hint, own.facts],
});
