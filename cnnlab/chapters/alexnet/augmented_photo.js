import { bytes, count, el, percent, signed, svg } from "../../widgets/static/core.js";
import { painting, panel, sliding, stepping, toggling } from "../../widgets/static/panel.js";
import { board, image } from "../../widgets/static/photo.js";

// --- arithmetic -----------------------------------------------------------------------------------------------------

// What every pixel's red, green and blue get, of 255: the components times their eigenvalues times the three numbers
export const shift = ({ a1, a2, a3, strong }, { values, vectors }) =>
  vectors.map((row) => [a1, a2, a3].reduce((sum, a, i) => sum + 255 * (strong ? 10 : 1) * a * values[i] * row[i], 0));

// The share of the crop's pixels that the middle crop has as well
export const shared = ({ left, top }, { whole, crop }) => {
  const middle = (whole - crop) / 2;
  return ((crop - Math.abs(left - middle)) * (crop - Math.abs(top - middle))) / crop ** 2;
};

// The crop as the network gets it, 0 to 255, row by row: [red, green, blue] of each of the pixels that the page has
export const seen = (state, data) => {
  const { side, whole, crop, photo } = data;
  const n = (side * crop) / whole;
  const by = shift(state, data);
  // Where the page has fewer pixels than the photo, a crop may begin between two of them.
  const [x0, y0] = [(state.left * side) / whole, (state.top * side) / whole];
  const [fx, fy] = [x0 % 1, y0 % 1];
  const at = (x, y, c) => photo[3 * (Math.min(y, side - 1) * side + Math.min(x, side - 1)) + c];
  const rows = [];
  for (let i = 0; i < n * n; i++) {
    const x = Math.floor(x0) + (state.mirrored ? n - 1 - (i % n) : i % n);
    const y = Math.floor(y0) + Math.floor(i / n);
    rows.push(
      by.map(
        (add, c) =>
          (1 - fy) * ((1 - fx) * at(x, y, c) + fx * at(x + 1, y, c)) +
          fy * ((1 - fx) * at(x, y + 1, c) + fx * at(x + 1, y + 1, c)) +
          add,
      ),
    );
  }
  return { n, rows };
};

export const explain = (state, data) => {
  const { left, top, mirrored } = state;
  const places = data.whole - data.crop + 1;
  return `Column ${left}, row ${top}, ${mirrored ? "mirrored" : "not mirrored"}: one of ${places} × ${places} × 2 = ${count(2 * places ** 2)}. Of its pixels ${percent(100 * shared(state, data))} are in the middle crop too.`;
};
export const colors = (state, data) => {
  const said = shift(state, data).map((add) => signed(`${add < 0 ? "" : "+"}${add.toFixed(1)}`));
  return `Of 255 levels, red gets ${said[0]}, green ${said[1]} and blue ${said[2]}${state.strong ? "; ten times what the formula says" : ""}.`;
};

// What the next pass through the training set draws
export const drawn = (number, { draws }) => {
  const [left, top, flip, a1, a2, a3] = draws[number];
  return { epoch: number, left, top, mirrored: flip === 1, a1, a2, a3 };
};

// --- pictures -------------------------------------------------------------------------------------------------------

// A photo with the outline of a crop, and the crop as the network gets it.
export const view = (state, _width, data) => {
  const { whole, crop } = data;
  const { n, rows } = seen(state, data);
  return {
    text: explain(state, data),
    hint: colors(state, data),
    parts: {
      "photo-mark": svg(
        "svg",
        { viewBox: `0 0 ${whole} ${whole}`, "aria-hidden": "true" },
        svg("rect", { x: state.left, y: state.top, width: crop, height: crop }),
      ),
      "crop-mark": [],
    },
    images: { photo: data.image, crop: image(n, n, (i) => rows[i]) },
    place: (px, py, wide, tall, name) => {
      if (name !== "photo-mark") return null;
      const inside = (v) => Math.max(0, Math.min(whole - crop, Math.round(v * whole - crop / 2)));
      return { left: inside(px / wide), top: inside(py / tall) };
    },
  };
};

export const decode = (data) => {
  const photo = bytes(data.pixels);
  const { side } = data;
  return { ...data, photo, image: image(side, side, (i) => photo.subarray(3 * i, 3 * i + 3)) };
};

const layout = (own) => [
  el(
    "div",
    { class: "ap-bench" },
    board(own, "photo", `photo, ${own.data.whole} × ${own.data.whole}`),
    board(own, "crop", `input, ${own.data.crop} × ${own.data.crop}`),
  ),
  own.text,
  own.hint,
  own.sliders,
  own.bar("mirrored", "strong"),
  own.steps,
  own.presets(el("span", { class: "cx-hint" }, "Try")),
];

export const explore = panel(view, {
  kinds: { sliding, stepping, toggling },
  also: [painting],
  decode,
  layout,
  steps: (state, data) => ({ count: data.draws.length, at: state.epoch, to: (number) => drawn(number, data) }),
});
