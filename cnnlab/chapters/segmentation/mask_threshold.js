import { bytes, el, many, range } from "../../widgets/static/core.js";
import { choosing, painting, panel, sliding } from "../../widgets/static/panel.js";
import { image } from "../../widgets/static/photo.js";

const COLORS = { right: [60, 130, 220], invented: [235, 140, 30], missed: [205, 50, 60] };

// --- arithmetic -----------------------------------------------------------------------------------------------------

// The pixels of a square of 2 by + 1 around each pixel that is on; beyond the border nothing is
export const grown = (mask, width, height, by) => {
  const along = (own, step, length, place) =>
    own.map((_, i) => {
      for (let d = -by; d <= by; d++) if (place(i) + d >= 0 && place(i) + d < length && own[i + d * step]) return true;
      return false;
    });
  const rows = along(mask, 1, width, (i) => i % width);
  return along(rows, width, height, (i) => Math.floor(i / width));
};

// What is left if the outside, the border of the picture included, grows
export const shrunk = (mask, width, height, by) => {
  const wide = width + 2 * by;
  const tall = height + 2 * by;
  const inside = (i) => {
    const [x, y] = [(i % wide) - by, Math.floor(i / wide) - by];
    return x >= 0 && y >= 0 && x < width && y < height ? y * width + x : -1;
  };
  const outside = range(wide * tall).map((i) => inside(i) < 0 || !mask[inside(i)]);
  const more = grown(outside, wide, tall, by);
  return mask.map((_, i) => !more[(Math.floor(i / width) + by) * wide + (i % width) + by]);
};

export const maskOf = ({ cut, grow, shift }, { levels, width, height }) => {
  const plain = levels.map((level) => level >= cut);
  const sized = grow < 0 ? shrunk(plain, width, height, -grow) : grown(plain, width, height, grow);
  return sized.map((_, i) => {
    const from = (i % width) - shift;
    return from >= 0 && from < width && sized[i - shift];
  });
};

export const edge = (mask, width, height, by) => {
  const inner = shrunk(mask, width, height, by);
  return mask.map((on, i) => on && !inner[i]);
};

export const overlap = (one, other) => {
  const [both, either] = one.reduce(([b, e], on, i) => [b + (on && other[i]), e + (on || other[i])], [0, 0]);
  return either ? both / either : 1;
};

// How many pieces hang together, by sides and corners
export const pieces = (mask, width) => {
  const seen = mask.map((on) => !on);
  let count = 0;
  for (const start of range(mask.length)) {
    if (seen[start]) continue;
    count++;
    const open = [start];
    seen[start] = true;
    while (open.length) {
      const at = open.pop();
      for (const dy of [-1, 0, 1])
        for (const dx of [-1, 0, 1]) {
          const x = (at % width) + dx;
          const next = at + dy * width + dx;
          if (x < 0 || x >= width || next < 0 || next >= mask.length || seen[next]) continue;
          seen[next] = true;
          open.push(next);
        }
    }
  }
  return count;
};

const two = (share) => share.toFixed(3);

export const measured = (state, data) => {
  const { truth, width, height } = data;
  const mask = maskOf(state, data);
  const iou = overlap(mask, truth);
  return {
    mask,
    iou,
    dice: (2 * iou) / (1 + iou),
    boundary: overlap(edge(mask, width, height, state.band), edge(truth, width, height, state.band)),
    count: pieces(mask, width),
    there: pieces(truth, width),
  };
};

export const explain = ({ iou, dice, boundary }) =>
  `IoU ${two(iou)}, Dice ${two(dice)}; boundary IoU ${two(boundary)}.`;

export const counted = ({ mask, count, there }, { truth }) => {
  const invented = mask.filter((on, i) => on && !truth[i]).length;
  const missed = truth.filter((on, i) => on && !mask[i]).length;
  return `${many(invented, "pixel")} invented, ${missed} missed. The mask hangs together in ${many(count, "piece")}; that of the truth in ${there}.`;
};

// --- picture --------------------------------------------------------------------------------------------------------

export const colorOf = (on, there) =>
  on && there ? COLORS.right : on ? COLORS.invented : there ? COLORS.missed : null;

// The picture in gray, and over it what the mask has right, what it invents and what it misses.
export const view = (state, _size, data) => {
  const own = measured(state, data);
  const { width, height, gray, truth } = data;
  const thin = state.shows === "boundary";
  const over = thin ? edge(own.mask, width, height, state.band) : own.mask;
  const under = thin ? edge(truth, width, height, state.band) : truth;
  const drawn = image(width, height, (i) => {
    const light = 17 * gray[i];
    const color = state.shows === "picture" ? null : colorOf(over[i], under[i]);
    return color ? color.map((v) => 0.65 * v + 0.35 * light) : light;
  });
  return { text: explain(own), hint: counted(own, data), images: { board: drawn } };
};

export const decode = (data) => {
  const packed = bytes(data.truth);
  return {
    ...data,
    gray: [...data.gray].map((v) => Number.parseInt(v, 16)),
    levels: [...data.levels].map((v) => Number.parseInt(v, 16)),
    truth: range(data.width * data.height).map((i) => Boolean(packed[i >> 3] & (128 >> (i & 7)))),
  };
};

const layout = (own) => [
  own.presets(),
  own.sliders,
  own.bar("shows"),
  el(
    "div",
    { class: "mt-board" },
    el("div", { class: "cx-hint" }, "blue: right, orange: invented, red: missed"),
    own.part("board", { "aria-hidden": "true" }, "canvas"),
  ),
  own.text,
  own.hint,
];

export const explore = panel(view, { kinds: { choosing, sliding }, also: [painting], layout, decode });
