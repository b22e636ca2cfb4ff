import { bytes, el, listed, range, svg } from "../../widgets/static/core.js";
import { choosing, listing, painting, panel } from "../../widgets/static/panel.js";

// --- arithmetic -----------------------------------------------------------------------------------------------------

// What the chosen layer says of the chosen photo, and its four maps, row by row
export const chosen = ({ layer, photo }, { layers }) => {
  const own = layers[layer].photos[photo];
  const all = bytes(own.maps);
  const size = own.side ** 2;
  return {
    ...own,
    field: layers[layer].field,
    each: own.channels.map((_, i) => all.subarray(i * size, (i + 1) * size)),
  };
};

// The share of the map where the answer is more than half of its largest
export const spread = (map) => map.filter((v) => v > 127).length / map.length;

// The square around a place, in hundredths of the photo, kept inside it
export const cut = ([, x, y], field) => {
  const inside = (v) => Math.max(0, Math.min(100 * (1 - field), 100 * (v - field / 2)));
  return [inside(x), inside(y), 100 * field, 100 * field].map((v) => +v.toFixed(1));
};

export const explain = ({ layer, photo, rank }, own) => {
  const share = Math.round(100 * spread(own.each[rank])) || "less than 1";
  return `${layer}, channel ${own.channels[rank]}: more than half of its strongest answer to “${photo}” in ${share} % of the ${own.side} × ${own.side} places.`;
};
export const places = ({ rank }, own) =>
  `Among all the photos it answers most to the squares above, out of ${listed(own.places[rank].map(([name]) => `“${name}”`))}.`;

// --- picture --------------------------------------------------------------------------------------------------------

const photograph = (href, box, attrs) =>
  svg(
    "svg",
    { viewBox: box.join(" "), "aria-hidden": "true", ...attrs },
    svg("image", { href, width: 100, height: 100, preserveAspectRatio: "none" }),
  );

// An answer as yellow over a photo that is darkened where there is none
const veil = (map, side) => {
  const data = new Uint8ClampedArray(4 * map.length);
  map.forEach((v, i) => {
    data.set(v > 127 ? [255, 196, 0, (v - 127) * 1.2] : [0, 0, 0, (127 - v) * 1.4], 4 * i);
  });
  return { data, width: side, height: side };
};

// Four maps over a photo, and the places that the chosen channel answers to most.
export const view = (state, _width, data) => {
  const own = chosen(state, data);
  const here = data.photos[state.photo];
  const four = range(own.channels.length);
  return {
    text: explain(state, own),
    hint: places(state, own),
    parts: {
      photo: photograph(here, [0, 0, 100, 100]),
      ...Object.fromEntries(four.map((i) => [`under${i}`, photograph(here, [0, 0, 100, 100])])),
      ...Object.fromEntries(
        four.map((i) => [
          `name${i}`,
          el("span", { class: i === state.rank ? "ca-on" : "" }, `channel ${own.channels[i]}`),
        ]),
      ),
      squares: own.places[state.rank].map((place) => photograph(data.photos[place[0]], cut(place, own.field))),
    },
    images: Object.fromEntries(four.map((i) => [`map${i}`, veil(own.each[i], own.side)])),
    place: (_x, _y, _wide, _tall, name) => ({ rank: +name.slice(-1) }),
  };
};

const layout = (own) => [
  own.bar("photo", "layer", "rank"),
  el(
    "div",
    { class: "ca-row" },
    el("div", { class: "ca-photo" }, el("div", { class: "cx-hint" }, "photo"), own.part("photo")),
    range(4).map((i) =>
      el(
        "div",
        { class: "ca-map" },
        own.part(`name${i}`, { class: "cx-hint" }),
        el(
          "div",
          { class: "ca-over" },
          own.part(`under${i}`),
          own.part(`map${i}`, { "aria-hidden": "true" }, "canvas", false),
        ),
      ),
    ),
  ),
  own.text,
  own.part("squares", { class: "ca-squares" }),
  own.hint,
];

export const explore = panel(view, { kinds: { choosing, listing }, also: [painting], layout });
