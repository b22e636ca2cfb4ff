import { button, bytes, clamp, el, make, range, sized, svg, tidy } from "../../widgets/static/core.js";
import { average_pool, conv, dense, flatten, relu, softmax, tanh } from "../../widgets/static/engine/layers.js";
import { passedOn, readNetwork } from "../../widgets/static/engine/network.js";
import { drawing } from "../../widgets/static/pad.js";
import { choosing, listing, painting, panel, picking, sliding } from "../../widgets/static/panel.js";
import { board, image, sheet } from "../../widgets/static/photo.js";

const SIDE = 28;
const BOX = 20; // what MNIST's digits were fitted into
const PEN = 1.25; // half the pen's width, in pixels of the picture
const SMALL = 0.1; // of the pad: what is smaller is not enlarged further

// --- from strokes to a picture as MNIST's are ------------------------------------------------------------------------

const segments = (strokes) =>
  strokes.flatMap((own) =>
    own.length < 4
      ? [[own[0], own[1], own[0], own[1]]]
      : range(own.length / 2 - 1).map((i) => own.slice(2 * i, 2 * i + 4)),
  );

// How much of each pixel the pen covers, from the distance of its middle to the nearest segment
const inked = (lines) => {
  const ink = new Float64Array(SIDE * SIDE);
  for (const [ax, ay, bx, by] of lines) {
    const [dx, dy] = [bx - ax, by - ay];
    const length = dx * dx + dy * dy;
    const reach = PEN + 0.5;
    const [top, bottom] = [Math.floor(Math.min(ay, by) - reach), Math.ceil(Math.max(ay, by) + reach)];
    for (let i = Math.max(0, top); i < Math.min(SIDE, bottom); i++) {
      for (let j = 0; j < SIDE; j++) {
        const [x, y] = [j + 0.5 - ax, i + 0.5 - ay];
        const t = length ? clamp((x * dx + y * dy) / length, 0, 1) : 0;
        const cover = clamp(reach - Math.hypot(x - t * dx, y - t * dy), 0, 1);
        if (cover > ink[i * SIDE + j]) ink[i * SIDE + j] = cover;
      }
    }
  }
  return ink;
};

// Fitted into 20 x 20 pixels with its proportions, drawn with soft edges, and its center of mass put into the middle.
export const asMnist = (strokes) => {
  const lines = segments(strokes);
  if (!lines.length) return new Uint8Array(SIDE * SIDE);
  const [xs, ys] = [0, 1].map((k) => lines.flatMap((own) => [own[k], own[k + 2]]));
  const [left, right, top, bottom] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  const scale = (BOX - 2 * PEN) / Math.max(right - left, bottom - top, SMALL);
  const placed = (x, y) =>
    lines.map((own) =>
      own.map((v, k) => (k % 2 ? y + (v - (top + bottom) / 2) * scale : x + (v - (left + right) / 2) * scale)),
    );
  let [mass, x, y] = [0, 0, 0];
  inked(placed(SIDE / 2, SIDE / 2)).forEach((ink, i) => {
    mass += ink;
    x += ink * ((i % SIDE) + 0.5);
    y += ink * (Math.floor(i / SIDE) + 0.5);
  });
  return Uint8Array.from(inked(placed(SIDE - x / mass, SIDE - y / mass)), (ink) => Math.round(255 * ink));
};

// The same grain for the same pixel, from -1 to 1
const grain = (i) => {
  const t = Math.imul((i + 1) ^ ((i + 1) << 13), 0x9e3779b1);
  return ((Math.imul(t ^ (t >>> 15), 0x85ebca6b) >>> 8) & 65535) / 32767.5 - 1;
};

// Turned around its middle (degrees, clockwise), shifted (pixels, right and down), each pixel the mean of the four that
// it falls between; then noise, in percent of the whole range.
export const moved = (pixels, { across, down, turn, noise }) => {
  const [cos, sin] = [Math.cos((turn * Math.PI) / 180), Math.sin((turn * Math.PI) / 180)];
  const middle = (SIDE - 1) / 2;
  const pixel = (y, x) => (x < 0 || y < 0 || x >= SIDE || y >= SIDE ? 0 : pixels[y * SIDE + x]);
  return Float32Array.from(pixels, (_, i) => {
    const [u, v] = [(i % SIDE) - middle - across, Math.floor(i / SIDE) - middle - down];
    const [x, y] = [middle + cos * u + sin * v, middle - sin * u + cos * v];
    const [x0, y0] = [Math.floor(x), Math.floor(y)];
    const [p, q] = [x - x0, y - y0];
    const above = (1 - p) * pixel(y0, x0) + p * pixel(y0, x0 + 1);
    const below = (1 - p) * pixel(y0 + 1, x0) + p * pixel(y0 + 1, x0 + 1);
    return clamp((1 - q) * above + q * below + 2.55 * noise * grain(i), 0, 255);
  });
};

// --- the networks ----------------------------------------------------------------------------------------------------

const KINDS = { conv, dense, average_pool, flatten };
const ACTS = { relu, tanh };
// What a layer has, what it reads, how far its windows are apart there, and what a unit of it sees of the picture.
export const STAGES = {
  C1: { maps: 6, side: 24, reads: "picture", window: 5, step: 1, sees: 5, jump: 1, across: 6 },
  S2: { maps: 6, side: 12, reads: "C1", window: 2, step: 2, sees: 6, jump: 2, across: 6 },
  C3: { maps: 16, side: 8, reads: "S2", window: 5, step: 1, sees: 14, jump: 2, across: 8 },
  S4: { maps: 16, side: 4, reads: "C3", window: 2, step: 2, sees: 16, jump: 4, across: 8 },
  C5: { maps: 120, side: 1, reads: "S4", window: 4, step: 1, sees: 28, jump: 0 },
  F6: { maps: 84, side: 1, reads: "C5", sees: 28, jump: 0 },
  output: { maps: 10, side: 1, reads: "F6", sees: 28, jump: 0 },
};
const MAPS = ["C1", "S2", "C3", "S4"];

// What every layer passes on for pixels from 0 to 255
export const answer = (pixels, { lenet, mlp, mean, std }) => {
  const picture = { shape: [1, SIDE, SIDE], data: Float32Array.from(pixels, (v) => (v / 255 - mean) / std) };
  const values = passedOn(lenet, picture, KINDS, ACTS);
  const found = { picture: picture.data };
  lenet.layers.forEach(({ name }, i) => {
    found[name.toUpperCase().replace("OUTPUT", "output")] = values[i].data;
  });
  found.mlp = passedOn(mlp, picture, KINDS, ACTS).at(-1).data;
  return found;
};

// The numbers that a unit reads and its weights, in tiles of tall x wide, the sum of the products, and what follows.
export const unit = ({ layer, map, x, y }, found, { lenet }) => {
  const { side, reads, window: own, step } = STAGES[layer];
  const from = STAGES[reads] || { maps: 1, side: SIDE };
  const at = map - 1;
  const passes = found[layer][(at * side + y) * side + x];
  if (!own) {
    const { weight, bias } = lenet.layers.find(({ name }) => name === layer.toLowerCase());
    const inputs = [...found[reads]];
    const weights = [...weight.subarray(at * inputs.length, (at + 1) * inputs.length)];
    return { ...summed(inputs, weights), bias: bias[at], passes, tiles: 1, wide: inputs.length / 6, tall: 6 };
  }
  const pooled = layer[0] === "S";
  const maps = pooled ? [at] : range(from.maps);
  const inputs = maps.flatMap((m) =>
    range(own * own).map((t) => {
      const [row, column] = [y * step + Math.floor(t / own), x * step + (t % own)];
      return found[reads][(m * from.side + row) * from.side + column];
    }),
  );
  const shape = { passes, tiles: maps.length, wide: own, tall: own };
  if (pooled) return { ...summed(inputs, Array(4).fill(1 / 4)), ...shape };
  const { weight, bias } = lenet.layers.find(({ name }) => name === layer.toLowerCase());
  const weights = [...weight.subarray(at * inputs.length, (at + 1) * inputs.length)];
  return { ...summed(inputs, weights), bias: bias[at], ...shape };
};
const summed = (inputs, weights) => ({ inputs, weights, sum: inputs.reduce((all, v, i) => all + v * weights[i], 0) });

// --- words -----------------------------------------------------------------------------------------------------------

const best = (shares) => shares.indexOf(Math.max(...shares));
const share = (part) => (part >= 0.9995 ? "over 99.9 %" : `${tidy(100 * part, 1)} %`);
const reading = (shares) => `${best(shares)} (${share(Math.max(...shares))})`;
export const explain = ({ picture, strokes }, shares, { pictures }) => {
  const said = `LeNet-5 reads ${reading(shares.lenet)}, the MLP ${reading(shares.mlp)}.`;
  if (picture !== "") return `A test picture of ${pictures[picture].label}. ${said}`;
  return strokes.length ? `Your drawing. ${said}` : `Nothing is drawn yet: draw a digit. ${said}`;
};
export const reckon = ({ layer, map, x, y }, own, shares) => {
  const { side } = STAGES[layer];
  const place = side > 1 ? `map ${map}, row ${y + 1}, column ${x + 1}` : `unit ${layer === "output" ? map - 1 : map}`;
  const head = `${layer}, ${place}: `;
  if (own.bias === undefined) return `${head}the mean of the four numbers is ${tidy(own.passes, 3)}.`;
  const before = own.sum + own.bias;
  const sum = `the ${own.inputs.length} products add up to ${tidy(own.sum, 3)}, with the bias ${tidy(own.bias, 3)} to ${tidy(before, 3)}`;
  if (layer !== "output") return `${head}${sum}; tanh makes it ${tidy(own.passes, 3)}.`;
  return `${head}${sum}; softmax over all ten makes it ${share(shares.lenet[map - 1])}.`;
};

// --- pictures --------------------------------------------------------------------------------------------------------

const gray = (v) => 127.5 * (1 + v);
const scaled = (values, color = gray) => {
  const peak = Math.max(1e-9, ...values.map(Math.abs));
  return (v) => color(v / peak);
};
const corner = ({ side, across }, map) => [
  ((map - 1) % across) * (side + 1),
  Math.floor((map - 1) / across) * (side + 1),
];
const frame = (x, y, side, name) => svg("rect", { x, y, width: side, height: side, class: name });
const over = (wide, tall, ...kids) => svg("svg", { viewBox: `0 0 ${wide} ${tall}`, "aria-hidden": "true" }, kids);

// What is marked on a sheet of maps: the chosen unit, or what it reads
const marked = (name, { layer, map, x, y }) => {
  const stage = STAGES[name];
  const { window: own, step, reads } = STAGES[layer];
  const [wide, tall] = [stage.across * (stage.side + 1) - 1, (stage.maps / stage.across) * (stage.side + 1) - 1];
  const square = (m, u, v, size, kind) => {
    const [left, top] = corner(stage, m);
    return frame(left + u, top + v, size, kind);
  };
  const maps = layer[0] === "S" ? [map] : range(stage.maps).map((m) => m + 1);
  return over(
    wide,
    tall,
    name === layer && square(map, x, y, 1, "ll-unit"),
    name === reads && maps.map((m) => square(m, x * step, y * step, own, "ll-reads")),
  );
};

const bars = (values, chosen, width) => {
  const [step, middle] = [width / values.length, 26];
  const path = [...values].map((v, i) => `M${tidyPlace(step * (i + 0.5))} ${middle}v${tidyPlace(-24 * v)}`).join("");
  return sized(
    width,
    2 * middle,
    { "aria-hidden": "true" },
    chosen && svg("rect", { x: step * (chosen - 1), width: step, height: 2 * middle, class: "ll-chosen" }),
    svg("path", { d: `M0 ${middle}h${width}`, class: "ll-zero" }),
    svg("path", { d: path, class: "ll-bars", "stroke-width": 0.7 * step }),
  );
};
const tidyPlace = (v) => v.toFixed(1);

const verdict = (shares, chosen, width) => {
  const step = width / 10;
  const [tall, base] = [118, 100];
  const bar = (share, x, kind) =>
    svg("rect", { x, y: base - 94 * share, width: step * 0.36, height: Math.max(1, 94 * share), class: kind });
  return sized(
    width,
    tall,
    { "aria-hidden": "true" },
    range(10).map((d) => [
      d + 1 === chosen && svg("rect", { x: d * step, width: step, height: tall, class: "ll-chosen" }),
      bar(shares.lenet[d], d * step + step * 0.12, "ll-lenet"),
      bar(shares.mlp[d], d * step + step * 0.52, "ll-mlp"),
      svg("text", { x: (d + 0.5) * step, y: tall - 3, "text-anchor": "middle" }, d),
    ]),
  );
};

const ink = (strokes, pen) =>
  svg(
    "svg",
    { viewBox: "0 0 1 1", "aria-hidden": "true" },
    strokes.map((own) =>
      svg("path", { d: `M${own.slice(0, 2)}L${own.slice(own.length > 2 ? 2 : 0)}`, "stroke-width": 0.09 }),
    ),
    svg("circle", { cx: pen[0], cy: pen[1], r: pen[2] ? 0.03 : 0.05 }),
  );

// The pixels that the networks see, what they make of them, and what is said of it
export const told = (state, data) => {
  const pixels = moved(state.picture === "" ? asMnist(state.strokes) : data.pictures[state.picture].pixels, state);
  const found = answer(pixels, data);
  const shares = { lenet: softmax(found.output), mlp: softmax(found.mlp) };
  const own = unit(state, found, data);
  return { pixels, found, shares, own, text: explain(state, shares, data), hint: reckon(state, own, shares) };
};

// A digit, drawn or taken, every map that LeNet-5 makes of it, what it and the MLP say, and the sum behind any unit.
export const view = (state, width, data) => {
  const { pixels, found, shares, own, text, hint } = told(state, data);
  const { layer, map, x, y } = state;
  const { sees, jump, reads } = STAGES[layer];
  const half = width < 560 ? width : Math.floor((width - 16) / 2);
  const chosen = (name) => name === layer && map;
  const sheets = MAPS.map((name) => {
    const { maps, side, across } = STAGES[name];
    return [name, sheet(found[name], maps, side, side, across, gray)];
  });
  const shade = reads === "picture" ? (v) => 255 * (data.mean + data.std * v) : gray;
  return {
    text,
    hint,
    parts: {
      strokes: ink(state.picture === "" ? state.strokes : [], state.pen),
      "picture-mark": over(SIDE, SIDE, frame(x * jump, y * jump, sees, "ll-reads")),
      ...Object.fromEntries(MAPS.map((name) => [`${name}-mark`, marked(name, state)])),
      C5: bars(found.C5, chosen("C5"), half),
      F6: bars(found.F6, chosen("F6"), half),
      output: verdict(shares, chosen("output"), Math.min(half, 360)),
    },
    images: {
      picture: image(SIDE, SIDE, (i) => pixels[i]),
      ...Object.fromEntries(sheets),
      inputs: sheet(own.inputs, own.tiles, own.wide, own.tall, 8, shade),
      weights: sheet(own.weights, own.tiles, own.wide, own.tall, 8, scaled(own.weights)),
    },
    place: (px, py, wide, tall, name) => {
      const to = name.replace("-mark", "");
      const stage = STAGES[to];
      if (!stage) return null;
      if (stage.side === 1) return { layer: to, map: Math.floor((px / wide) * stage.maps) + 1, x: 0, y: 0 };
      const [each, rows] = [stage.side + 1, stage.maps / stage.across];
      const [u, v] = [(px / wide) * (stage.across * each - 1), (py / tall) * (rows * each - 1)];
      const place = Math.floor(v / each) * stage.across + Math.floor(u / each);
      return { layer: to, map: place + 1, x: Math.floor(u % each), y: Math.floor(v % each) };
    },
  };
};

// --- the panel -------------------------------------------------------------------------------------------------------

// To draw is to leave the test pictures, and begins anew.
export const settle = (state, changed) => {
  if (changed === "strokes" && state.picture !== "") return { picture: "", strokes: state.strokes.slice(-1) };
  const middle = Math.floor(STAGES[state.layer].side / 2);
  return changed === "layer" ? { map: 1, x: middle, y: middle } : {};
};
export const limits = ({ layer }) => {
  const { maps, side } = STAGES[layer];
  const within = { low: 0, high: side - 1 };
  return { map: { low: 1, high: maps }, x: within, y: within };
};
export const move = ({ layer, map, x, y }, dx, dy) =>
  STAGES[layer].side > 1 ? { x: x + dx, y: y + dy } : { map: map + dx + 10 * dy };
const decode = (data) => ({
  ...data,
  lenet: readNetwork(data.lenet),
  mlp: readNetwork(data.mlp),
  pictures: data.pictures.map((own) => ({ ...own, pixels: bytes(own.pixels) })),
});

const labeled = (label, ...nodes) => el("div", { class: "cx-board" }, el("div", { class: "cx-hint" }, label), nodes);
const layout = (own) => [
  own.bar(
    "picture",
    button("Clear", () => own.set({ picture: "", strokes: [] }, "clear")),
    own.presets(),
  ),
  el(
    "div",
    { class: "ll-top" },
    labeled("draw here", own.control("strokes")),
    board(own, "picture", "what the networks see"),
    el(
      "div",
      {},
      el(
        "div",
        { class: "cx-hint" },
        el("b", { class: "ll-says-lenet" }, "LeNet-5"),
        " and ",
        el("b", { class: "ll-says-mlp" }, "MLP"),
        ": which digit",
      ),
      own.part("output", { class: "ll-press" }, "div", false),
      own.text,
    ),
  ),
  own.sliders,
  el(
    "div",
    { class: "ll-maps" },
    MAPS.map((name) =>
      board(own, name, `${name}: ${STAGES[name].maps} maps, ${STAGES[name].side} × ${STAGES[name].side}`),
    ),
    ["C5", "F6"].map((name) =>
      labeled(`${name}: ${STAGES[name].maps} numbers, −1 to 1`, own.part(name, { class: "ll-press" }, "div", false)),
    ),
  ),
  own.bar("layer", "map"),
  make(own.control("unit"), { class: "cx-picture cx-pick ll-look" }, [
    labeled("what the chosen unit reads", own.part("inputs", { "aria-hidden": "true" }, "canvas")),
    labeled("its weights", own.part("weights", { "aria-hidden": "true" }, "canvas")),
  ]),
  own.hint,
];

export const explore = panel(view, {
  kinds: { choosing, drawing, listing, picking, sliding },
  also: [painting],
  layout,
  limits,
  settle,
  move,
  decode,
});
