import { bytes, clamp, el, signed, svg } from "../../widgets/static/core.js";
import { painting, panel, sliding, stepping, toggling } from "../../widgets/static/panel.js";
import { board, image } from "../../widgets/static/photo.js";

// --- arithmetic -----------------------------------------------------------------------------------------------------
// Places are shares of the side, from 0 to 1.

const radians = (degrees) => (degrees * Math.PI) / 180;
const wave = (x) => Math.sin(2 * Math.PI * x);
// A smooth field that moves every place a little, and neighbors alike
const field = (x, y) => [
  0.7 * wave(1.4 * y + 0.1) + 0.3 * wave(2.3 * x + 0.4),
  0.7 * wave(1.2 * x + 0.55) + 0.3 * wave(2.6 * y + 0.2),
];
const corner = ({ crop, cx, cy }) => [cx * (1 - crop / 100), cy * (1 - crop / 100)];

// Where the augmented picture's place (x, y) was read in the photo
export const source = (state, x, y) => {
  const [left, top] = corner(state);
  const share = state.crop / 100;
  let [u, v] = [left + share * x, top + share * y];
  if (state.mirrored) u = 1 - u;
  const [c, s] = [Math.cos(radians(state.turn)), Math.sin(radians(state.turn))];
  [u, v] = [c * (u - 0.5) - s * (v - 0.5), s * (u - 0.5) + c * (v - 0.5)];
  u += Math.tan(radians(state.shear)) * v;
  [u, v] = [u + 0.5, v + 0.5];
  const [dx, dy] = field(u, v);
  return [u + (state.warp / 100) * dx, v + (state.warp / 100) * dy];
};

// The other way: where the photo's place (x, y) is now
export const target = (state, x, y) => {
  let [u, v] = [x, y];
  for (let i = 0; i < 30; i++) {
    const [dx, dy] = field(u, v);
    [u, v] = [x - (state.warp / 100) * dx, y - (state.warp / 100) * dy];
  }
  [u, v] = [u - 0.5, v - 0.5];
  u -= Math.tan(radians(state.shear)) * v;
  const [c, s] = [Math.cos(radians(state.turn)), Math.sin(radians(state.turn))];
  [u, v] = [c * u + s * v + 0.5, c * v - s * u + 0.5];
  if (state.mirrored) u = 1 - u;
  const [left, top] = corner(state);
  return [(u - left) / (state.crop / 100), (v - top) / (state.crop / 100)];
};

// Red, green and blue of each pixel, 0 to 255, row by row
export const seen = (state, { side: n, photo, component }) => {
  const { light, saturation, pca, erase, ex, ey } = state;
  const rows = [];
  const half = erase / 200;
  for (let i = 0; i < n * n; i++) {
    const [x, y] = [((i % n) + 0.5) / n, (Math.floor(i / n) + 0.5) / n];
    if (Math.abs(x - ex) < half && Math.abs(y - ey) < half) {
      rows.push([0, 0, 0]);
      continue;
    }
    const [u, v] = source(state, x, y);
    const [px, py] = [u * n - 0.5, v * n - 0.5];
    const [x0, y0] = [Math.floor(px), Math.floor(py)];
    const color = [0, 0, 0];
    for (const [dx, dy] of [
      [0, 0],
      [1, 0],
      [0, 1],
      [1, 1],
    ]) {
      const [a, b] = [x0 + dx, y0 + dy];
      if (a < 0 || b < 0 || a >= n || b >= n) continue;
      const weight = (dx ? px - x0 : x0 + 1 - px) * (dy ? py - y0 : y0 + 1 - py);
      for (let c = 0; c < 3; c++) color[c] += weight * photo[3 * (b * n + a) + c];
    }
    const lit = color.map((value) => (value * light) / 100);
    const gray = 0.299 * lit[0] + 0.587 * lit[1] + 0.114 * lit[2];
    rows.push(lit.map((value, c) => clamp(gray + ((value - gray) * saturation) / 100 + pca * component[c], 0, 255)));
  }
  return rows;
};

export const corners = ([x1, y1, x2, y2]) => [
  [x1, y1],
  [x2, y1],
  [x2, y2],
  [x1, y2],
];
// The moved corners, and the upright box around them within the picture: x1, y1, x2, y2
export const boxed = (state, { box }) => {
  const moved = corners(box).map(([x, y]) => target(state, x, y));
  const [xs, ys] = [moved.map(([x]) => x), moved.map(([, y]) => y)];
  const around = [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)].map((value) =>
    clamp(value, 0, 1),
  );
  return { moved, around };
};
const area = (points) =>
  Math.abs(
    points.reduce((sum, [x, y], i) => {
      const [nx, ny] = points[(i + 1) % points.length];
      return sum + (x * ny - nx * y) / 2;
    }, 0),
  );

export const explain = (state, data) => {
  const { moved, around } = boxed(state, data);
  const inside = data.points.filter(([, x, y]) => target(state, x, y).every((value) => value >= 0 && value <= 1));
  const upright = (around[2] - around[0]) * (around[3] - around[1]);
  const points = `${inside.length} of ${data.points.length} key points are in the picture.`;
  if (!upright) return `The box has left the picture, and a label that says what was in it is now wrong. ${points}`;
  const spare = Math.round(100 * (upright / area(moved) - 1));
  const box = moved.flat().some((value) => value < -1e-9 || value > 1 + 1e-9)
    ? "Part of the box has left the picture."
    : spare > 0
      ? `The upright box around it is ${spare} % larger than what it encloses.`
      : "The upright box fits it.";
  return `${box} ${points}`;
};
export const notes = (state, { component }) => {
  const levels = component.map((own) => signed(`${own * state.pca < 0 ? "" : "+"}${(own * state.pca).toFixed(0)}`));
  const color = state.pca
    ? `Along the first component red gets ${levels[0]}, green ${levels[1]} and blue ${levels[2]} of 255. `
    : "";
  return `${color}${state.mirrored ? "Mirrored: the left eye is now the right one, and its label must say so." : ""}`;
};

const LIMITS = {
  turn: [-45, 45],
  shear: [-30, 30],
  warp: [0, 8],
  light: [40, 160],
  saturation: [0, 200],
  pca: [-4, 4],
  erase: [0, 60],
};
// Draw number so: each slider goes as far from rest as the strength says, at 200 % to twice the usual
export const drawn = (number, { strength }, { draws }) => {
  const own = draws[number];
  const by = strength / 100;
  const to = (name, value) => clamp(value, ...LIMITS[name]);
  return {
    draw: number,
    crop: Math.round(100 - 25 * by * Math.abs(own[0])),
    turn: to("turn", Math.round(15 * by * own[1])),
    shear: to("shear", Math.round(10 * by * own[2])),
    warp: to("warp", Math.round(3 * by * Math.abs(own[3]))),
    light: to("light", Math.round(100 + 30 * by * own[4])),
    saturation: to("saturation", Math.round(100 + 50 * by * own[5])),
    pca: Math.round(10 * to("pca", by * own[6])) / 10,
    erase: to("erase", Math.round(30 * by * Math.max(0, own[7]))),
    cx: own[8],
    cy: own[9],
    ex: own[10],
    ey: own[11],
    mirrored: by > 0 && own[12] < 0.5,
  };
};

// --- pictures -------------------------------------------------------------------------------------------------------

const marked = (polygon, box, points) =>
  svg(
    "svg",
    { viewBox: "0 0 100 100", "aria-hidden": "true" },
    box &&
      svg("rect", {
        x: 100 * box[0],
        y: 100 * box[1],
        width: 100 * (box[2] - box[0]),
        height: 100 * (box[3] - box[1]),
      }),
    svg("polygon", { points: polygon.map(([x, y]) => `${100 * x},${100 * y}`).join(" ") }),
    points.map(([x, y], i) => svg("circle", { cx: 100 * x, cy: 100 * y, r: 2.6, class: `au-point${i}` })),
  );

// A photo with its box and points, and the augmented one with both where they went.
export const view = (state, _width, data) => {
  const rows = seen(state, data);
  const { moved, around } = boxed(state, data);
  const points = data.points.map(([, x, y]) => target(state, x, y));
  return {
    text: explain(state, data),
    hint: notes(state, data),
    parts: {
      "photo-mark": marked(
        corners(data.box),
        null,
        data.points.map(([, x, y]) => [x, y]),
      ),
      "seen-mark": marked(moved, around, points),
    },
    images: { photo: data.image, seen: image(data.side, data.side, (i) => rows[i]) },
  };
};

export const decode = (data) => {
  const photo = bytes(data.pixels);
  const { side } = data;
  return { ...data, photo, image: image(side, side, (i) => photo.subarray(3 * i, 3 * i + 3)) };
};

const layout = (own) => [
  own.presets(el("span", { class: "cx-hint" }, "Try")),
  el("div", { class: "au-bench" }, board(own, "photo", "photo"), board(own, "seen", "augmented")),
  own.text,
  own.hint,
  own.sliders,
  own.bar("mirrored"),
  own.steps,
];

export const explore = panel(view, {
  kinds: { sliding, stepping, toggling },
  also: [painting],
  decode,
  layout,
  steps: (state, data) => ({ count: data.draws.length, at: state.draw, to: (number) => drawn(number, state, data) }),
  settle: (state, moved, data) => (moved === "strength" ? drawn(state.draw, state, data) : {}),
});
