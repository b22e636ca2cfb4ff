import { bytes, count, many, range, sized, svg } from "../../widgets/static/core.js";
import { panel, sliding } from "../../widgets/static/panel.js";

const BINS = 61;
const TALL = 130;
const ROW = 22;
const REACH = 256; // of a distance, 8 bits

// --- arithmetic -----------------------------------------------------------------------------------------------------

export const decode = ({ outputs, largest, weights, inputs }) => ({
  outputs,
  largest,
  weights: [...new Int16Array(bytes(weights).buffer)].map((v) => (v * largest) / 32767),
  inputs: [...new Int8Array(bytes(inputs).buffer)],
});

// The weights of which the smallest are zero.
export const pruned = (weights, share) => {
  const order = range(weights.length).sort((a, b) => Math.abs(weights[a]) - Math.abs(weights[b]) || a - b);
  const kept = [...weights];
  for (const i of order.slice(0, Math.round((share / 100) * weights.length))) kept[i] = 0;
  return kept;
};

// One-dimensional k-means from centers spread evenly; each value's center.
export const shared = (values, most) => {
  const sorted = [...values].sort((a, b) => a - b);
  const [low, high] = [sorted[0], sorted[sorted.length - 1]];
  let centers = range(most).map((i) => (most > 1 ? low + ((high - low) * i) / (most - 1) : low));
  const nearest = (v) => {
    let k = 0;
    while (k < most - 1 && v >= (centers[k] + centers[k + 1]) / 2) k++;
    return k;
  };
  for (let step = 0, moved = true; moved && step < 100; step++) {
    const sums = centers.map(() => [0, 0]);
    let k = 0;
    for (const v of sorted) {
      while (k < most - 1 && v >= (centers[k] + centers[k + 1]) / 2) k++;
      sums[k][0] += v;
      sums[k][1]++;
    }
    const means = sums.map(([sum, n], i) => (n ? sum / n : centers[i]));
    moved = means.some((v, i) => v !== centers[i]);
    centers = means;
  }
  return values.map((v) => centers[nearest(v)]);
};

// Bits of all symbols in Huffman codes: each joining of the two rarest groups adds a bit to all in them.
export const huffman = (counts) => {
  let groups = counts.filter((n) => n).sort((a, b) => a - b);
  if (groups.length === 1) return groups[0];
  let bits = 0;
  while (groups.length > 1) {
    const both = groups[0] + groups[1];
    bits += both;
    groups = groups.slice(2);
    const at = groups.findIndex((n) => n > both);
    groups.splice(at < 0 ? groups.length : at, 0, both);
  }
  return bits;
};

const packed = (n, bits) => Math.ceil((n * bits) / 8);
const tally = (items) => {
  const counts = [];
  for (const i of items) counts[i] = (counts[i] || 0) + 1;
  return Array.from(counts, (n) => n || 0);
};
const coded = (symbols, bits) => {
  const counts = tally(symbols);
  return Math.min(packed(symbols.length, bits), 6 + counts.length + Math.ceil(huffman(counts) / 8));
};

// What the layer takes in each form: weights, distances, codebook.
export const sizes = (values) => {
  let written = values;
  let steps = null;
  if (values.some((v) => !v)) {
    written = [];
    steps = [];
    let before = -1;
    values.forEach((v, i) => {
      if (!v) return;
      for (; i - before > REACH; before += REACH) {
        steps.push(REACH - 1);
        written.push(0);
      }
      steps.push(i - before - 1);
      written.push(v);
      before = i;
    });
  }
  const n = written.length;
  const book = [...new Set(written)].sort((a, b) => a - b);
  const code = new Map(book.map((v, i) => [v, i]));
  const bits = Math.max(1, Math.ceil(Math.log2(book.length || 1)));
  const codes = written.map((v) => code.get(v));
  const form = (weights, distances) => {
    const worth = book.length <= 256 && weights + 4 * book.length < 4 * n;
    return worth ? [weights, distances, 4 * book.length] : [4 * n, distances, 0];
  };
  const plain = steps ? n : 0;
  return {
    raw: [4 * values.length, 0, 0],
    sparse: [4 * n, plain, 0],
    shared: form(packed(n, bits), plain),
    huffman: form(coded(codes, bits), steps ? coded(steps, 8) : 0),
  };
};

// Size of what is wrong in the outputs over the size of the outputs.
export const off = ({ weights, inputs, outputs }, values) => {
  const n = weights.length / outputs;
  let [wrong, whole] = [0, 0];
  for (let p = 0; p < inputs.length; p += n)
    for (let k = 0; k < outputs; k++) {
      let [a, b] = [0, 0];
      for (let i = 0; i < n; i++) {
        a += inputs[p + i] * weights[k * n + i];
        b += inputs[p + i] * values[k * n + i];
      }
      wrong += (a - b) ** 2;
      whole += a * a;
    }
  return Math.sqrt(wrong / (whole || 1));
};

export const measure = ({ share, bits }, data) => {
  const kept = pruned(data.weights, share);
  const zeros = kept.some((v) => !v);
  const left = kept.filter((v) => v);
  const own = shared(left, Math.max(1, 2 ** bits - zeros));
  let i = 0;
  const values = kept.map((v) => (v ? own[i++] : 0));
  return { kept, values, left: left.length, book: [...new Set(own)].sort((a, b) => a - b) };
};

const total = (parts) => parts.reduce((a, b) => a + b);

export const explain = ({ left, book }, size, error, weights) =>
  `${count(left)} of ${count(weights.length)} weights are left, with ${many(book.length, "value")}. ` +
  `The layer takes ${count(total(size.huffman))} bytes instead of ${count(total(size.raw))}, ` +
  `${(total(size.raw) / total(size.huffman)).toFixed(1)} times fewer, and what it puts out is off by ${Math.round(100 * error)} %.`;

// --- picture --------------------------------------------------------------------------------------------------------

const FORMS = [
  ["raw", "raw"],
  ["sparse", "no zeros"],
  ["shared", "codebook"],
  ["huffman", "Huffman"],
];
const PARTS = ["weights", "where", "codebook"];

const drawn = ({ kept, book }, size, { weights, largest }, width) => {
  const bin = (v) => Math.min(BINS - 1, Math.floor(((v / largest + 1) / 2) * BINS));
  const wide = width / BINS;
  const [all, stay] = [range(BINS).map(() => 0), range(BINS).map(() => 0)];
  weights.forEach((v, i) => {
    all[bin(v)]++;
    if (kept[i]) stay[bin(v)]++;
  });
  const scale = TALL / Math.max(...all);
  const bar = (n, i, name) =>
    n > 0 &&
    svg("rect", {
      x: i * wide,
      y: 16 + TALL - n * scale,
      width: Math.max(1, wide - 1),
      height: n * scale,
      class: name,
    });
  const x = (v) => ((v / largest + 1) / 2) * width;
  const ticks = (book.length < weights.length ? book : []).map((v) =>
    svg("line", { x1: x(v), x2: x(v), y1: 18 + TALL, y2: 30 + TALL, class: "cl-tick" }),
  );
  const top = TALL + 74;
  const left = 66;
  const long = (width - left - 60) / total(size.raw);
  const rows = FORMS.flatMap(([key, name], r) => {
    let at = left;
    const y = top + r * ROW;
    return [
      svg("text", { x: 0, y: y + 12 }, name),
      size[key].map((n, part) => {
        at += n * long;
        return (
          n > 0 &&
          svg("rect", { x: at - n * long, y, width: Math.max(0.5, n * long), height: 15, class: `cl-${PARTS[part]}` })
        );
      }),
      svg("text", { x: at + 5, y: y + 12 }, count(total(size[key]))),
    ];
  });
  return sized(width, top + FORMS.length * ROW + 4, { role: "img", "aria-label": "Weights, codebook and bytes" }, [
    svg("text", { x: 0, y: 11 }, "weights; pale: pruned"),
    all.map((n, i) => bar(n, i, "cl-gone")),
    stay.map((n, i) => bar(n, i, "cl-weights")),
    ticks,
    svg("text", { x: 0, y: 44 + TALL }, "ticks: the codebook"),
    svg("text", { x: left, y: top - 6 }, "bytes: "),
    PARTS.map((name, i) => svg("text", { x: left + 44 + 66 * i, y: top - 6, class: `cl-word cl-${name}` }, name)),
    rows,
  ]);
};

const view = (state, width, data) => {
  const own = measure(state, data);
  const size = sizes(own.values);
  const error = off(data, own.values);
  const share = (part) => `${Math.round((100 * size.huffman[part]) / total(size.huffman))} %`;
  return {
    text: explain(own, size, error, data.weights),
    facts: [
      ["Error of the output", `${(100 * error).toFixed(1)} %`],
      ["Of the file, weights", share(0)],
      ["Of the file, their places", share(1)],
    ],
    picture: drawn(own, size, data, width),
  };
};

export const explore = panel(view, {
  kinds: { sliding },
  decode,
  layout: (own) => [own.presets(), own.sliders, own.picture, own.text, own.facts],
});
