import { bytes, clamp, el, svg } from "../../widgets/static/core.js";
import { choosing, listing, painting, panel, picking } from "../../widgets/static/panel.js";
import { image } from "../../widgets/static/photo.js";

const FINE = 56; // places of the painted map, on a side

// --- arithmetic -----------------------------------------------------------------------------------------------------

// What was recorded for the chosen photo and square: probabilities and first answers, place by place
export const chosen = ({ photo, size }, { photos }) => {
  const own = photos[photo];
  const seen = own.sizes[size];
  return {
    ...own,
    rows: seen.rows,
    left: [...bytes(seen["half percents"])].map((v) => v / 200),
    said: [...bytes(seen.best)].map((number) => seen.says[number]),
  };
};

// The place of a square whose middle is nearest to a pixel
export const placed = (pixel, size, rows, stride) => clamp(Math.round((pixel - size / 2) / stride), 0, rows - 1);

// What a cover costs, as a share of what there was: 1 is all of it, below 0 it helps
export const cost = (left, plain) => clamp((plain - left) / plain, -1, 1);

const whole = (share) => `${Math.round(100 * share)} %`;

export const explain = ({ row, column }, own) => {
  const at = row * own.rows + column;
  const [left, said] = [own.left[at], own.said[at]];
  const answer = said === own.class ? "it is still the first answer" : `the first answer is now “${said}”`;
  return `“${own.class}” has ${whole(own.plain)} in the whole photo and ${whole(left)} with the square here; ${answer}.`;
};

export const overall = (own) => {
  const kept = own.said.filter((name) => name === own.class).length;
  const helped = own.left.filter((share) => share > own.plain).length;
  return `Of ${own.said.length} places, ${kept} leave the answer as it is, and at ${helped} the square even helps it. At the worst one it falls to ${whole(Math.min(...own.left))}.`;
};

// --- picture --------------------------------------------------------------------------------------------------------

// Yellow where the cover costs, blue where it helps, dark where it does not matter
const veil = (own, size, side, stride) => {
  const drawn = image(FINE, FINE, (i) => {
    const [x, y] = [(i % FINE) + 0.5, Math.floor(i / FINE) + 0.5].map((v) => (v * side) / FINE);
    const share = cost(
      own.left[placed(y, size, own.rows, stride) * own.rows + placed(x, size, own.rows, stride)],
      own.plain,
    );
    const color = share > 0 ? [255, 196, 0] : [40, 120, 255];
    return color.map((v) => v * Math.min(1, Math.abs(share) * 1.4));
  });
  for (let i = 3; i < drawn.data.length; i += 4) drawn.data[i] = 165;
  return drawn;
};

const photograph = (own, side, over) =>
  svg(
    "svg",
    { viewBox: `0 0 ${side} ${side}`, "aria-hidden": "true" },
    own && svg("image", { href: own.image, width: side, height: side, preserveAspectRatio: "none" }),
    svg("rect", over),
  );

// A photo with a gray square on it, and what the square costs at every place.
export const view = (state, _width, data) => {
  const own = chosen(state, data);
  const { side, stride } = data;
  const size = +state.size;
  const square = { x: state.column * stride, y: state.row * stride, width: size, height: size };
  return {
    text: explain(state, own),
    hint: overall(own),
    parts: {
      photo: photograph(own, side, { ...square, class: "om-cover" }),
      under: photograph(own, side, { width: 0, height: 0 }),
      spot: photograph(null, side, { ...square, class: "om-frame" }),
    },
    images: { map: veil(own, size, side, stride) },
    place: (px, py, wide, tall) => ({
      column: placed((px / wide) * side, size, own.rows, stride),
      row: placed((py / tall) * side, size, own.rows, stride),
    }),
  };
};

const limits = ({ photo, size }, { photos }) => {
  const high = photos[photo].sizes[size].rows - 1;
  return { row: { low: 0, high }, column: { low: 0, high } };
};

const layout = (own) => [
  own.bar("photo", "size"),
  el(
    "div",
    { class: "om-pair" },
    el(
      "div",
      {},
      el("div", { class: "cx-hint" }, "what is covered"),
      own.part("photo", { class: "om-board" }, "div", true),
    ),
    el(
      "div",
      {},
      el("div", { class: "cx-hint" }, "yellow: it costs, blue: it helps"),
      el(
        "div",
        { class: "om-board" },
        own.part("under"),
        own.part("map", { "aria-hidden": "true" }, "canvas"),
        own.control("spot"),
      ),
    ),
  ),
  own.text,
  own.hint,
];

export const explore = panel(view, { kinds: { choosing, listing, picking }, also: [painting], layout, limits });
