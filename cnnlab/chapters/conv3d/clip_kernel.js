import { el, range, signed, sized, svg, tidy } from "../../widgets/static/core.js";
import { choosing, listing, panel, picking, sliding, stepping } from "../../widgets/static/panel.js";

// --- arithmetic -----------------------------------------------------------------------------------------------------

// Frame, row and column of cell i, in frames of h × w
const split = (i, h, w) => [Math.floor(i / (h * w)), Math.floor(i / w) % h, i % w];

// What the state stands for: all pixels of the clip, the 27 weights, and the sum at every place, in the order of places.
export const compute = ({ kernel, shape, direction }, { size: [T, H, W], clips, kernels }) => {
  const clip = [...clips[`${shape} ${direction}`]].map(Number);
  // The 27 pixels under the kernel at place i
  const seen = (i) => {
    const [t, y, x] = split(i, H - 2, W - 2);
    return range(27).map((n) => {
      const [dt, dy, dx] = split(n, 3, 3);
      return clip[((t + dt) * H + y + dy) * W + x + dx];
    });
  };
  const [weights, divisor] = kernels[kernel];
  const sum = (i) => seen(i).reduce((all, value, n) => all + value * weights[n], 0);
  return { clip, seen, weights, divisor, sums: range((T - 2) * (H - 2) * (W - 2)).map(sum) };
};

// Along the row, then down, then on in time, and around again.
export const steps = ({ time, row, column }, { size: [T, H, W] }) => ({
  count: (T - 2) * (H - 2) * (W - 2),
  at: ((time - 1) * (H - 2) + row - 1) * (W - 2) + column - 1,
  to: (i) => {
    const [t, y, x] = split(i, H - 2, W - 2);
    return { time: t + 1, row: y + 1, column: x + 1 };
  },
});

// 3 · 2 + 6 · (−1): equal weights under lit pixels are counted together.
export const terms = (looks, weights) => {
  const lit = weights.filter((_, i) => looks[i]);
  const parts = [...new Set(lit)]
    .sort((a, b) => b - a)
    .map((w) => `${lit.filter((own) => own === w).length} · ${w < 0 ? `(${signed(w)})` : w}`);
  return parts.length ? `${parts.join(" + ")} = ${signed(lit.reduce((a, b) => a + b, 0))}` : "nothing lit";
};
export const reading = ({ time, row, column }, looks, { weights, divisor }, sum) => {
  const frames = [0, 9, 18].map((i) => terms(looks.slice(i, i + 9), weights.slice(i, i + 9)));
  return (
    `Output ${time}, row ${row}, column ${column}. ${frames.map((own, i) => `Frame ${time + i}: ${own}`).join("; ")}. ` +
    `Sum ${signed(sum)}${divisor > 1 ? `, divided by ${divisor}: ${tidy(sum / divisor)}` : ""}.`
  );
};
export const summary = ({ kernel, shape, direction }, { sums, divisor }) => {
  const add = (value) => sums.reduce((all, own) => all + value(own), 0);
  const seen = `“${kernel}” on the ${shape} ${direction === "still" ? "that stands still" : `going ${direction}`}: `;
  if (sums.every((own) => own === 0)) return `${seen}nothing but zeros. This kernel does not see it.`;
  return (
    `${seen}sums from ${signed(Math.min(...sums))} to ${signed(Math.max(...sums))}` +
    `${divisor > 1 ? ` before the division by ${divisor}` : ""}. After a ReLU their mean is ` +
    `${tidy(add((own) => Math.max(own, 0)) / sums.length)}; their squares add up to ${add((own) => own * own)}.`
  );
};

// --- pictures -------------------------------------------------------------------------------------------------------

// Frames of h × w cells in rows, so many beside one another. A cell is as wide as there is room, and at most so wide.
const lay = (width, h, w, columns, most, gap = 10) => {
  const u = Math.min(most, (width - gap * (columns - 1)) / (columns * w));
  const tall = h * u + gap + 16;
  const corner = (i) => [(i % columns) * (w * u + gap), Math.floor(i / columns) * tall + 16];
  const spot = ([frame, y, x], inset = 0) => [corner(frame)[0] + x * u + inset, corner(frame)[1] + y * u + inset];
  const box = (at, side, attrs, inset = 0) => {
    const [x, y] = spot(at, inset);
    return svg("rect", { x, y, width: side * u - 2 * inset, height: side * u - 2 * inset, ...attrs });
  };
  // Cells with a number each. look(value, i): the cell's class and the strength of its color, null for all of it;
  // without one the number is not written.
  const numbers = (values, look) =>
    values.map((value, i) => {
      const [name, strength] = look(value, i);
      const [x, y] = spot(split(i, h, w), u / 2);
      return [
        box(split(i, h, w), 1, { class: name, "fill-opacity": strength, "data-value": value }, 0.6),
        strength !== undefined && svg("text", { x, y: y + 3.5, class: `ck-number ${name}` }, signed(value)),
      ];
    });
  // Cells that are only on or off: a path each for all of a kind, since they are many
  const pixels = (values) =>
    [0, 1].map((kind) => {
      const at = values.flatMap((value, i) => (value === kind ? [spot(split(i, h, w), 0.6)] : []));
      const d = at.map(([x, y]) => `M${x} ${y}h${u - 1.2}v${u - 1.2}h${1.2 - u}z`).join("");
      return svg("path", { class: lit(kind), d });
    });
  // title(i) stands over frame i; frames is a list of [place, cells a side, class].
  const draw = (count, title, cells, frames) =>
    sized(
      columns * w * u + gap * (columns - 1),
      Math.ceil(count / columns) * tall,
      {},
      range(count).map((i) => svg("text", { x: corner(i)[0], y: corner(i)[1] - 4 }, title(i))),
      cells,
      frames.map(([at, side, name]) => box(at, side, { class: name, rx: 2 })),
    );
  // The cell under a point: its frame, row and column, from 1
  const under = (px, py) => {
    const [i, j] = [Math.floor(px / (w * u + gap)), Math.floor(py / tall)];
    const [frame, row, column] = [
      j * columns + i,
      Math.floor((py - j * tall - 16) / u),
      Math.floor((px - i * (w * u + gap)) / u),
    ];
    return row >= 0 && row < h && column < w && [frame + 1, row + 1, column + 1];
  };
  return { draw, numbers, pixels, under };
};
const lit = (value) => (value ? "ck-lit" : "ck-dark");
const cubes = (t, y, x) => range(3).map((i) => [[t + i, y, x], 3, `ck-cube ck-${i}`]);

// A 3 × 3 × 3 kernel at its place in a clip, the sum of the products there, and the output frames.
export const view = (state, width, data) => {
  const [T, H, W] = data.size;
  const made = compute(state, data);
  const { at } = steps(state, data);
  const [t, y, x] = split(at, H - 2, W - 2);
  const looks = made.seen(at);
  const phone = width < 480;
  const clip = lay(width, H, W, phone ? 3 : 6, 14);
  const kernel = lay(262, 3, 3, 3, 26, 14);
  const outputs = lay(width, H - 2, W - 2, phone ? 2 : 4, 26);
  const most = Math.max(1, ...made.sums.map(Math.abs));
  const strength = (value) => 0.15 + (0.5 * Math.abs(value)) / most;
  return {
    text: summary(state, made),
    hint: reading(state, looks, made, made.sums[at]),
    parts: {
      clip: clip.draw(T, (i) => `frame ${i + 1}`, clip.pixels(made.clip), cubes(t, y, x)),
      weights: kernel.draw(
        3,
        (i) => `frame ${t + i + 1}`,
        kernel.numbers(made.weights, (_, i) => [lit(looks[i]), null]),
        cubes(0, 0, 0),
      ),
      outputs: outputs.draw(
        T - 2,
        (i) => `output ${i + 1}`,
        outputs.numbers(made.sums, (v) => (v ? [v > 0 ? "ck-plus" : "ck-minus", strength(v)] : ["ck-dark"])),
        [[[t, y, x], 1, "ck-here"]],
      ),
    },
    // A click in the clip is the middle of the cube.
    place: (px, py, _wide, _tall, name) => {
      const found = (name === "clip" ? clip : outputs).under(px, py);
      const [time, row, column] = found ? found.map((own) => own - (name === "clip")) : [];
      return found && { time, row, column };
    },
  };
};

const limits = (_state, { size: [T, H, W] }) => ({
  time: { low: 1, high: T - 2 },
  row: { low: 1, high: H - 2 },
  column: { low: 1, high: W - 2 },
});
// With Shift, left and right move in time.
const move = ({ time, row, column }, dx, dy, shift) =>
  shift ? { time: time + dx } : { row: row + dy, column: column + dx };

const layout = (own) => [
  own.bar("kernel", "shape", "direction"),
  own.text,
  own.control("clip"),
  el(
    "div",
    { class: "ck-row" },
    own.part("weights", {
      class: "ck-kernel",
      role: "img",
      "aria-label": "The weights of the kernel, one square for each of the three frames that it sees",
    }),
    el("div", { class: "ck-side" }, own.sliders, own.steps),
  ),
  own.hint,
  own.control("outputs"),
];

export const explore = panel(view, {
  kinds: { choosing, listing, picking, sliding, stepping },
  layout,
  limits,
  move,
  steps,
});
