import { bytes, clamp, el, sized, svg } from "../../widgets/static/core.js";
import { choosing, listing, painting, panel, picking } from "../../widgets/static/panel.js";
import { image } from "../../widgets/static/photo.js";

const TALL = 120;
const TOP = 16;

// --- arithmetic -----------------------------------------------------------------------------------------------------

// What the chosen gate does with the chosen picture: what is multiplied by, and the chosen channel's map
export const chosen = ({ photo, block, mode, channel }, { gates, usual }) => {
  const own = gates[photo][block];
  const ones = own.scale.map(() => 1);
  const size = own.side ** 2;
  return {
    ...own,
    usual: usual[block],
    used: { own: own.scale, usual: usual[block], off: ones }[mode],
    map: bytes(own.maps).subarray(channel * size, (channel + 1) * size),
  };
};

const percent = (share) => `${Math.round(100 * share)} %`;

export const explain = ({ channel, mode }, own) => {
  const by = own.used[channel].toFixed(2);
  const how = {
    own: `Channel ${channel} of this picture is multiplied by ${by}; usually by ${own.usual[channel].toFixed(2)}.`,
    usual: `Channel ${channel} is multiplied by ${by}, as it is on average; this picture's own number is ${own.scale[channel].toFixed(2)}.`,
    off: `The gate is off: channel ${channel} passes as it is. This picture's own number is ${own.scale[channel].toFixed(2)}.`,
  }[mode];
  const low = own.scale.filter((v) => v < 0.1).length;
  const high = own.scale.filter((v) => v > 0.9).length;
  return `${how} Of ${own.scale.length} channels this picture's gate lets ${high} through nearly whole and ${low} hardly at all.`;
};

export const answered = ({ mode }, own) => {
  const [said, share] = own.answers[mode];
  const [first, before] = own.answers.own;
  if (mode === "own") return `The network says “${said}”, ${percent(share)}.`;
  const with_ = mode === "off" ? "With this gate off" : "With the usual numbers here";
  return said === first
    ? `${with_} it still says “${said}”: ${percent(share)} in place of ${percent(before)}.`
    : `${with_} it says “${said}”, ${percent(share)}, in place of “${first}”.`;
};

// The channel under a point of the picture
export const under = (px, wide, count) => clamp(Math.floor((px / wide) * count), 0, count - 1);

// --- picture --------------------------------------------------------------------------------------------------------

// Yellow for positive, blue for negative, dark for zero; by as much as the channel is multiplied by
const painted = (map, side, by) =>
  image(side, side, (i) => {
    const value = ((map[i] - 128) / 127) * by;
    const color = value > 0 ? [255, 196, 0] : [60, 150, 255];
    return color.map((v) => v * Math.min(1, 1.6 * Math.abs(value)) ** 0.7);
  });

const bars = (own, channel, width) => {
  const step = width / own.used.length;
  const high = (v) => (TALL - TOP) * v;
  return sized(width, TALL + 18, { "aria-hidden": "true" }, [
    svg("text", { x: 0, y: 11 }, "multiplied by, 0 to 1; line: usually"),
    own.used.map((v, i) =>
      svg("rect", {
        x: i * step + step * 0.1,
        y: TALL - high(v),
        width: step * 0.8,
        height: Math.max(1, high(v)),
        class: i === channel ? "cg-on" : "cg-bar",
        "data-channel": i,
      }),
    ),
    own.usual.map((v, i) =>
      svg("line", { x1: i * step, x2: (i + 1) * step, y1: TALL - high(v), y2: TALL - high(v), class: "cg-usual" }),
    ),
    svg("line", { x1: 0, x2: width, y1: TALL, y2: TALL, class: "cx-floor" }),
    svg(
      "text",
      { x: clamp((channel + 0.5) * step, 34, width - 34), y: TALL + 14, "text-anchor": "middle" },
      `channel ${channel}`,
    ),
  ]);
};

// A picture, what its gate multiplies each channel by, and one channel before and after.
export const view = (state, width, data) => {
  const own = chosen(state, data);
  const count = own.used.length;
  return {
    text: explain(state, own),
    hint: answered(state, own),
    picture: bars(own, state.channel, width),
    parts: {
      photo: svg(
        "svg",
        { viewBox: "0 0 100 100", "aria-hidden": "true" },
        svg("image", { href: data.photos[state.photo], width: 100, height: 100, preserveAspectRatio: "none" }),
      ),
    },
    images: { before: painted(own.map, own.side, 1), after: painted(own.map, own.side, own.used[state.channel]) },
    place: (px, _py, wide) => ({ channel: under(px, wide, count) }),
  };
};

const limits = ({ block }, { usual }) => ({ channel: { low: 0, high: usual[block].length - 1 } });

const layout = (own) => [
  own.bar("photo", "block", "mode"),
  own.picture,
  el(
    "div",
    { class: "cg-row" },
    el("div", {}, el("div", { class: "cx-hint" }, "picture"), own.part("photo")),
    ["before", "after"].map((name) =>
      el(
        "div",
        {},
        el("div", { class: "cx-hint" }, name === "before" ? "channel, before" : "after the gate"),
        own.part(name, { "aria-hidden": "true", class: "cg-map" }, "canvas"),
      ),
    ),
  ),
  own.text,
  own.hint,
];

export const explore = panel(view, { kinds: { choosing, listing, picking }, also: [painting], layout, limits });
