import { el, range, signed, sized, svg, tidy } from "../../widgets/static/core.js";
import { choosing, listing, panel, picking, sliding, stepping } from "../../widgets/static/panel.js";

const GAP = 10;

// --- arithmetic -----------------------------------------------------------------------------------------------------

// What the state stands for: the clip's pixels by frame, row and column, the 27 weights, and the sum at every place.
export const compute = ({ kernel, shape, direction }, { size, clips, kernels }) => {
  const [T, H, W] = size;
  const flat = clips[`${shape} ${direction}`];
  const clip = range(T).map((t) => range(H).map((y) => range(W).map((x) => +flat[(t * H + y) * W + x])));
  const [, weights, divisor] = kernels.find(([name]) => name === kernel);
  const dot = (place) => seen(clip, place).reduce((all, value, i) => all + value * weights[i], 0);
  const sums = range(T - 2).map((t) => range(H - 2).map((y) => range(W - 2).map((x) => dot([t, y, x]))));
  return { clip, weights, divisor, sums };
};
// The 27 pixels under the kernel at a place
const seen = (clip, [t, y, x]) =>
  range(27).map((i) => clip[t + Math.floor(i / 9)][y + (Math.floor(i / 3) % 3)][x + (i % 3)]);
const placeOf = ({ time, row, column }) => [time - 1, row - 1, column - 1];

// 3 · 2 + 6 · (−1): equal weights under lit pixels are counted together.
export const terms = (looks, weights) => {
  const lit = weights.filter((_, i) => looks[i]);
  const parts = [...new Set(lit)]
    .sort((a, b) => b - a)
    .map((w) => `${lit.filter((own) => own === w).length} · ${w < 0 ? `(${signed(w)})` : w}`);
  return parts.length ? `${parts.join(" + ")} = ${signed(lit.reduce((a, b) => a + b, 0))}` : "nothing lit";
};
export const reading = (state, { clip, weights, divisor, sums }) => {
  const [t, y, x] = placeOf(state);
  const looks = seen(clip, [t, y, x]);
  const plane = (all, i) => all.slice(9 * i, 9 * i + 9);
  const frames = range(3).map((i) => `Frame ${state.time + i}: ${terms(plane(looks, i), plane(weights, i))}`);
  const divided = divisor > 1 ? `, divided by ${divisor}: ${tidy(sums[t][y][x] / divisor)}` : "";
  return (
    `Output ${state.time}, row ${state.row}, column ${state.column}. ${frames.join("; ")}. ` +
    `Sum ${signed(sums[t][y][x])}${divided}.`
  );
};
export const summary = ({ kernel, shape, direction }, { sums, divisor }) => {
  const all = sums.flat(2);
  const [low, high] = [Math.min(...all), Math.max(...all)];
  const over = divisor > 1 ? ` before the division by ${divisor}` : "";
  const thing = `the ${shape} ${direction === "still" ? "that stands still" : `going ${direction}`}`;
  if (!low && !high) return `“${kernel}” on ${thing}: nothing but zeros. This kernel does not see it.`;
  const mean = tidy(all.reduce((a, b) => a + Math.max(b, 0), 0) / all.length);
  const energy = all.reduce((a, b) => a + b * b, 0);
  return `“${kernel}” on ${thing}: sums from ${signed(low)} to ${signed(high)}${over}. After a ReLU their mean is ${mean}; their squares add up to ${energy}.`;
};

// --- pictures -------------------------------------------------------------------------------------------------------

// Frames of h × w cells in rows, so many columns of them; a cell is u wide and at most so wide.
const lay = (width, count, h, w, columns, most) => {
  const u = Math.min(most, (width - GAP * (columns - 1)) / (columns * w));
  const tall = h * u + GAP + 16;
  const corner = (i) => [(i % columns) * (w * u + GAP), Math.floor(i / columns) * tall + 16];
  return {
    u,
    corner,
    wide: columns * w * u + GAP * (columns - 1),
    tall: Math.ceil(count / columns) * tall,
    // The cell under a point: [frame, row, column], or undefined between frames
    at: (px, py) => {
      for (const i of range(count)) {
        const [left, top] = corner(i);
        if (px >= left && px < left + w * u && py >= top && py < top + h * u)
          return [i, Math.floor((py - top) / u), Math.floor((px - left) / u)];
      }
    },
  };
};
const layouts = (width, { size: [T, H, W] }) => {
  const phone = width < 480;
  return [lay(width, T, H, W, phone ? 3 : 6, 14), lay(width, T - 2, H - 2, W - 2, phone ? 2 : 4, 26)];
};
const square = ({ u, corner }, [frame, y, x], gap = 0.6) => {
  const [left, top] = corner(frame);
  const side = (u - 2 * gap).toFixed(2);
  return `M${(left + x * u + gap).toFixed(2)} ${(top + y * u + gap).toFixed(2)}h${side}v${side}h-${side}z`;
};
const title = ({ corner }, i, text) => svg("text", { x: corner(i)[0], y: corner(i)[1] - 4 }, text);
const box = ({ u, corner }, [frame, y, x], cells, name) => {
  const [left, top] = corner(frame);
  return svg("rect", { x: left + x * u, y: top + y * u, width: cells * u, height: cells * u, rx: 2, class: name });
};
const everywhere = (cells) => cells.flatMap((plane, t) => plane.flatMap((row, y) => row.map((v, x) => [[t, y, x], v])));

const drawClip = ([t, y, x], { clip }, geo) => {
  const cells = (lit) =>
    everywhere(clip)
      .filter(([, value]) => value === lit)
      .map(([place]) => square(geo, place))
      .join("");
  return sized(
    geo.wide,
    geo.tall,
    {},
    svg("path", { d: cells(0), class: "ck-dark" }),
    svg("path", { d: cells(1), class: "ck-lit" }),
    clip.map((_, i) => title(geo, i, `frame ${i + 1}`)),
    range(3).map((i) => box(geo, [t + i, y, x], 3, `ck-cube ck-${i}`)),
  );
};

const drawSums = (place, { sums }, geo) => {
  const most = Math.max(1, ...sums.flat(2).map(Math.abs));
  return sized(
    geo.wide,
    geo.tall,
    {},
    sums.map((_, t) => title(geo, t, `output ${t + 1}`)),
    everywhere(sums).map(([own, value]) => {
      const [left, top] = geo.corner(own[0]);
      const middle = { x: left + (own[2] + 0.5) * geo.u, y: top + (own[1] + 0.5) * geo.u + 3.5 };
      return [
        svg("path", {
          d: square(geo, own),
          "data-sum": value,
          class: value > 0 ? "ck-plus" : value < 0 ? "ck-minus" : "ck-dark",
          style: value ? `fill-opacity:${(0.15 + (0.5 * Math.abs(value)) / most).toFixed(3)}` : null,
        }),
        value !== 0 && svg("text", { ...middle, class: "ck-number" }, signed(value)),
      ];
    }),
    box(geo, place, 1, "ck-here"),
  );
};

const drawKernel = (place, { clip, weights }) => {
  const looks = seen(clip, place);
  const u = 26;
  const left = (t) => t * (3 * u + 14);
  return svg(
    "svg",
    {
      role: "img",
      "aria-label": "The weights of the kernel, one square for each of the three frames that it sees",
      width: 9 * u + 30,
      height: 3 * u + 18,
      viewBox: `-1 0 ${9 * u + 30} ${3 * u + 18}`,
    },
    range(3).map((t) => svg("text", { x: left(t), y: 11 }, `frame ${place[0] + t + 1}`)),
    weights.map((w, i) => {
      const [x, y] = [left(Math.floor(i / 9)) + (i % 3) * u, 16 + (Math.floor(i / 3) % 3) * u];
      const side = { width: u - 1.2, height: u - 1.2 };
      return [
        svg("rect", { x: x + 0.6, y: y + 0.6, ...side, class: looks[i] ? "ck-lit" : "ck-dark" }),
        svg("text", { x: x + u / 2, y: y + u / 2 + 4, class: looks[i] ? "ck-number ck-on" : "ck-number" }, signed(w)),
      ];
    }),
    range(3).map((t) =>
      svg("rect", { x: left(t), y: 16, width: 3 * u, height: 3 * u, class: `ck-cube ck-${t}`, rx: 2 }),
    ),
  );
};

// A 3 × 3 × 3 kernel at its place in a clip, the sum of the products there, and the output frames.
export const view = (state, width, data) => {
  const made = compute(state, data);
  const [clip, outputs] = layouts(width, data);
  const place = placeOf(state);
  return {
    text: summary(state, made),
    hint: reading(state, made),
    parts: {
      clip: drawClip(place, made, clip),
      weights: drawKernel(place, made),
      outputs: drawSums(place, made, outputs),
    },
    place: (px, py, _wide, _tall, name) => {
      const found = (name === "clip" ? clip : outputs).at(px, py);
      if (!found) return undefined;
      // A click in the clip is the middle of the cube.
      const [time, row, column] = found.map((own) => own + (name === "clip" ? 0 : 1));
      return { time, row, column };
    },
  };
};

export const limits = (_state, { size: [T, H, W] }) => ({
  time: { low: 1, high: T - 2 },
  row: { low: 1, high: H - 2 },
  column: { low: 1, high: W - 2 },
});
// With Shift, left and right move in time.
const move = ({ time, row, column }, dx, dy, shift) =>
  shift ? { time: time + dx } : { row: row + dy, column: column + dx };
// Along the row, then down, then on in time, and around again.
export const stepsOf = (state, { size: [T, H, W] }) => {
  const [rows, columns] = [H - 2, W - 2];
  const [t, y, x] = placeOf(state);
  return {
    count: (T - 2) * rows * columns,
    at: (t * rows + y) * columns + x,
    to: (n) => ({
      time: Math.floor(n / (rows * columns)) + 1,
      row: (Math.floor(n / columns) % rows) + 1,
      column: (n % columns) + 1,
    }),
  };
};

const layout = (own) => [
  own.bar("kernel", "shape", "direction"),
  own.text,
  el("div", { class: "ck-clip" }, own.control("clip")),
  el(
    "div",
    { class: "ck-row" },
    own.part("weights", { class: "ck-kernel" }),
    el("div", { class: "ck-side" }, own.sliders, own.steps),
  ),
  own.hint,
  el("div", { class: "ck-outputs" }, own.control("outputs")),
];

export const explore = panel(view, {
  kinds: { choosing, listing, picking, sliding, stepping },
  layout,
  limits,
  move,
  steps: stepsOf,
});
