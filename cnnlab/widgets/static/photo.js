import { el, svg } from "./core.js";

// What pixels are painted from: color(i) is the gray or the red, green and blue of pixel i, 0 to 255.
export const image = (width, height, color) => {
  const data = new Uint8ClampedArray(4 * width * height).fill(255);
  for (let i = 0; i < width * height; i++) {
    const own = color(i);
    for (let c = 0; c < 3; c++) data[4 * i + c] = own[c] ?? own;
  }
  return { data, width, height };
};

// Square maps or patches beside each other, a pixel apart: what color(value) gives, and nothing in between
export const sheet = (values, tiles, wide, tall, across, color) => {
  const [columns, rows] = [Math.min(tiles, across), Math.ceil(tiles / across)];
  const [width, height] = [columns * (wide + 1) - 1, rows * (tall + 1) - 1];
  const all = image(width, height, () => 0);
  for (let i = 0; i < width * height; i++) {
    const [row, column] = [Math.floor(i / width), i % width];
    const [v, u] = [row % (tall + 1), column % (wide + 1)];
    const tile = Math.floor(row / (tall + 1)) * columns + Math.floor(column / (wide + 1));
    const gap = v === tall || u === wide || tile >= tiles;
    all.data.fill(gap ? 0 : color(values[(tile * tall + v) * wide + u]), 4 * i, 4 * i + 3);
    all.data[4 * i + 3] = gap ? 0 : 255;
  }
  return all;
};

// A painted picture with its name above it, and over it what marks the chosen pixel.
export const board = (own, name, label, over, attrs) =>
  el(
    "div",
    { class: "cx-board" },
    el("div", { class: "cx-hint" }, label),
    el(
      "div",
      { class: "cx-photo" },
      own.part(name, { "aria-hidden": "true", ...attrs }, "canvas"),
      over || own.part(`${name}-mark`, {}, "div", false),
    ),
  );

// Squares of so many pixels a side around (x, y)
export const marks = (width, height, x, y, ...sides) =>
  svg(
    "svg",
    { viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" },
    sides.map((side) => svg("rect", { x: x + (1 - side) / 2, y: y + (1 - side) / 2, width: side, height: side })),
  );
