import { clamp, count, el, listed, many, range, short, sized, svg } from "../../widgets/static/core.js";
import { listing, panel, picking, presses, pressing, sliding, toggling } from "../../widgets/static/panel.js";

const MOST = 12;
const [HEAD, ROW] = [22, 23];
const FIELDS = ["kind", "channels", "kernel", "stride", "padding", "dilation"];
const LEARNS = { conv: true, dense: true };
const SLIDES = { conv: true, max: true, average: true };

// --- arithmetic: a layer is [kind, channels, kernel, stride, padding, dilation], the first one first -------------------

const extent = ([, , k, , , d]) => d * (k - 1) + 1;

// One row for each layer, as far as they fit: what it gives (c channels of n x n; n null behind a dense layer), what its
// units see (r null: all of it; j: pixels between neighbors), what it costs, and the warnings that are its own.
export const measure = (layers, side, colors) => {
  const rows = [];
  let [c, n, r, j, fits] = [colors, side, 1, 1, true];
  for (const layer of layers) {
    const [kind, channels, k, s, p] = layer;
    const row = { weights: 0, macs: 0, bytes: 0, notes: [] };
    rows.push(row);
    const reach = extent(layer);
    const slides = SLIDES[kind];
    if (fits && n === null && kind !== "dense") {
      fits = false;
      row.notes.push("stands behind a dense layer, which leaves no map. Move it up");
    } else if (fits && slides && reach > n + 2 * p) {
      fits = false;
      row.notes.push(`does not fit: it spans ${reach} pixels, and the map has ${n}${p ? ` and ${2 * p} zeros` : ""}`);
    }
    if (!fits) {
      Object.assign(row, { c: 0, n: 0, r, j, broken: true });
      continue;
    }
    if (kind === "dense") {
      const entering = n === null ? c : c * n * n;
      Object.assign(row, { weights: (entering + 1) * channels, macs: entering * channels });
      [c, n, r] = [channels, null, null];
    } else if (kind === "global") {
      [n, r] = [1, null];
    } else {
      const [before, jump] = [n, j];
      const places = n + 2 * p - reach;
      n = Math.floor(places / s) + 1;
      if (kind === "conv") {
        row.weights = channels * (c * k * k + 1);
        row.macs = channels * c * k * k * n * n;
        c = channels;
      }
      if (r !== null) r += (reach - 1) * j;
      j *= s;
      const unread = Math.max(0, (places % s) - p);
      if (unread)
        row.notes.push(`never reads the last ${unread > 1 ? `${unread} rows` : "row"} of its map of ${before}`);
      if (s > reach) row.notes.push(`has a stride above its kernel: of every ${s} rows it skips ${s - reach}`);
      if (p >= reach) row.notes.push("has windows that hold nothing but zeros of the padding");
      else if (kind === "conv" && 2 * p > reach - 1)
        row.notes.push("has more padding than its kernel needs: the map grows");
      if (kind === "conv" && reach % 2 === 0 && s === 1)
        row.notes.push(`has an even kernel: its map is shifted by half of ${many(jump, "pixel")}`);
    }
    row.bytes = 4 * c * (n === null ? 1 : n * n);
    Object.assign(row, { c, n, r, j });
  }
  return rows;
};

export const total = (rows, field) => rows.reduce((sum, row) => sum + row[field], 0);
const MB = 1 << 20;
const size = (bytes) => (bytes < MB ? `${(bytes / 1024).toFixed(1)} KiB` : `${(bytes / MB).toFixed(1)} MiB`);
// Maps of 64 pictures; weight, gradient and Adam's two averages
export const training = (rows) => 64 * total(rows, "bytes") + 16 * total(rows, "weights");
// The last map that still has several places: what its units see is what a network knows of a place.
const lastMap = (rows) => rows.filter((row) => row.n > 1).pop();

export const warnings = (layers, rows, side, object) => {
  const own = rows.flatMap(({ notes }, i) => notes.map((note) => [i, `Layer ${i + 1} ${note}.`]));
  if (rows.some((row) => row.broken)) return own;
  const weights = total(rows, "weights");
  const heavy = rows.findIndex((row) => row.weights > weights / 2);
  const learning = layers.filter(([kind]) => LEARNS[kind]).length;
  const map = lastMap(rows);
  const wide = rows.findIndex((row) => row.n > 1 && row.r > side);
  const [kind] = layers[layers.length - 1];
  return [
    ...own,
    map &&
      map.r !== null &&
      map.r < object && [-1, `The last map sees ${many(map.r, "pixel")}, less than the object's ${object}.`],
    wide >= 0 && [
      wide,
      `From layer ${wide + 1} on, a field of ${rows[wide].r} is wider than the picture's ${side}: the rest is padding.`,
    ],
    heavy >= 0 &&
      learning > 2 && [
        heavy,
        `Layer ${heavy + 1} holds ${Math.round((100 * rows[heavy].weights) / weights)} % of all weights.`,
      ],
    training(rows) > 2048 * MB && [-1, `Training 64 pictures at a time takes ${size(training(rows))}.`],
    kind !== "dense" && [-1, "It ends without a dense layer: nothing names a class yet."],
  ].filter(Boolean);
};

// --- words ------------------------------------------------------------------------------------------------------------

const WORDS = { conv: "conv", max: "max pool", average: "avg pool", global: "global average", dense: "dense" };
const named = (layer, narrow) => {
  const [kind, , k, s, , d] = layer;
  if (!SLIDES[kind]) return WORDS[kind];
  return `${narrow ? WORDS[kind].split(" ")[0] : WORDS[kind]} ${k} × ${k}${s > 1 ? ` / ${s}` : ""}${d > 1 ? ` d ${d}` : ""}`;
};
const shape = ({ c, n, broken }) => (broken ? "nothing" : n === null ? `${c}` : `${c} × ${n} × ${n}`);

export const explain = ({ layers, chosen, side }, rows, found) => {
  const row = rows[chosen];
  const begin = `Layer ${chosen + 1} of ${layers.length}, ${named(layers[chosen])}`;
  const end = found.length ? ` ${many(found.length, "warning")}.` : " No warning.";
  if (row.broken) return `${begin}, gives nothing.${end}`;
  const sees =
    row.r === null
      ? "the whole picture"
      : `${many(row.r, "pixel")} of ${side}, the next one ${many(row.j, "pixel")} on`;
  return `${begin}, gives ${shape(row)}; a unit sees ${sees}. ${count(row.weights)} weight${row.weights === 1 ? "" : "s"}, ${short(row.macs)} MACs.${end}`;
};

// --- picture ----------------------------------------------------------------------------------------------------------

const BARS = [
  ["bytes", "bytes"],
  ["weights", "weights"],
  ["macs", "MACs"],
];

const drawn = ({ layers, chosen, side, color }, width, rows, found) => {
  const wide = width > 560;
  const start = wide ? 250 : 194;
  const each = (width - start) / 3;
  const small = !wide && "font-size:10.5px";
  const text = (x, y, words, more) => svg("text", { x, y, ...more }, words);
  const top = (i) => HEAD + (i + 1) * ROW;
  const most = Object.fromEntries(BARS.map(([field]) => [field, Math.max(1, ...rows.map((row) => row[field]))]));
  const line = (i) => {
    const row = rows[i];
    const y = top(i);
    const flagged = found.some(([own]) => own === i);
    return [
      i === chosen && svg("rect", { x: 0, y: y + 1, width, height: ROW - 2, rx: 5, class: "cx-here" }),
      flagged && text(3, y + 16, "!", { class: "cx-flag" }),
      text(11, y + 16, `${i + 1} ${named(layers[i], !wide)}`, { class: "cx-ink", style: small }),
      text(wide ? 150 : 122, y + 16, shape(row), { class: row.broken ? "cx-flag" : "cx-ink", style: small }),
      BARS.map(([field], b) => {
        const room = each - (wide ? 60 : 5);
        const x = start + b * each;
        const long = (room * row[field]) / most[field];
        return [
          row[field] > 0 &&
            svg("rect", {
              x,
              y: y + 6,
              width: Math.max(1.5, long),
              height: ROW - 13,
              class: `cx-${field}`,
              "data-value": row[field],
            }),
          wide && row[field] > 0 && text(x + long + 4, y + 16, short(row[field])),
        ];
      }),
    ];
  };
  return sized(width, HEAD + (MOST + 1) * ROW, {}, [
    // On a phone the words would touch each other: smaller, and the last ends where the picture ends.
    BARS.map(([, name], b) =>
      wide || b < 2
        ? text(start + b * each, 14, name, { style: !wide && "font-size:9px" })
        : text(width, 14, name, { style: "font-size:9px", "text-anchor": "end" }),
    ),
    text(11, HEAD + 16, "picture"),
    text(wide ? 150 : 122, HEAD + 16, `${color ? 3 : 1} × ${side} × ${side}`, { style: small }),
    range(layers.length).map(line),
  ]);
};

// The picture, the object in it, and what a unit of the chosen layer sees, to scale
const lens = ({ side, object, chosen }, rows) => {
  const { r, broken } = rows[chosen];
  const all = 96;
  const square = (pixels, kind) => {
    const own = Math.min(128, (all * pixels) / side);
    return svg("rect", { x: 66 - own / 2, y: 66 - own / 2, width: own, height: own, class: kind });
  };
  const seen = broken
    ? "no field"
    : r === null
      ? "field: all of it"
      : r > (128 / all) * side
        ? `field ${r}: beyond`
        : `field ${r}`;
  return [
    sized(
      132,
      132,
      {
        role: "img",
        "aria-label": `The picture of ${side} pixels, an object of ${object}, and the field of layer ${chosen + 1}, to scale.`,
      },
      [
        square(side, "cx-whole"),
        square(Math.min(object, side), "cx-object"),
        !broken && square(r === null ? side : r, "cx-seen"),
      ],
    ),
    el("div", { class: "cx-key" }, [
      el("span", { class: "cx-key-whole" }, `picture ${side}`),
      el("span", { class: "cx-key-object" }, `object ${object}`),
      el("span", { class: "cx-key-seen" }, seen),
    ]),
  ];
};

// --- what follows -----------------------------------------------------------------------------------------------------

// What a kind has no use for is as if it were not there.
export const legal = ([kind, channels, k, s, p, d]) => {
  if (!SLIDES[kind]) return [kind, kind === "dense" ? channels : 1, 1, 1, 0, 1];
  if (kind === "conv") return [kind, channels, k, s, p, d];
  return [kind, 1, k, s, Math.min(p, Math.floor(k / 2)), 1];
};

export const acts = ({ layers, chosen }) => ({
  add: layers.length < MOST,
  remove: layers.length > 1,
  up: chosen > 0,
  down: chosen < layers.length - 1,
});

const FRESH = {
  conv: [3, 1, 1, 1],
  max: [2, 2, 0, 1],
  average: [2, 2, 0, 1],
  global: [1, 1, 0, 1],
  dense: [1, 1, 0, 1],
};

export const settle = (state, moved) => {
  let layers = state.layers.map((layer) => [...layer]);
  let chosen = moved === "preset" ? 0 : clamp(state.chosen, 0, layers.length - 1);
  if (FIELDS.includes(moved)) {
    const own = FIELDS.map((field) => state[field]);
    // A layer that becomes another kind starts as that kind usually is.
    const fresh = moved === "kind" && own[0] !== layers[chosen][0];
    const wide = LEARNS[layers[chosen][0]] ? own[1] : 16;
    layers[chosen] = legal(fresh ? [own[0], wide, ...FRESH[own[0]]] : own);
  }
  if (state.act && acts({ layers, chosen })[state.act]) {
    const to = { up: chosen - 1, down: chosen + 1 }[state.act];
    if (state.act === "add") {
      // A copy of the one chosen; behind a dense layer only dense ones can stand.
      layers.splice(chosen + 1, 0, [...layers[chosen]]);
      chosen += 1;
    } else if (state.act === "remove") {
      layers.splice(chosen, 1);
      chosen = Math.min(chosen, layers.length - 1);
    } else {
      const [own] = layers.splice(chosen, 1);
      layers = [...layers.slice(0, to), own, ...layers.slice(to)];
      chosen = to;
    }
  }
  const own = Object.fromEntries(FIELDS.map((field, i) => [field, layers[chosen][i]]));
  return { ...own, layers, chosen, column: 0, act: "", object: Math.min(state.object, state.side) };
};

export const limits = ({ kind, kernel, side }) => ({
  kernel: { hidden: !SLIDES[kind] },
  stride: { hidden: !SLIDES[kind] },
  padding: { low: 0, high: kind === "conv" ? 5 : Math.floor(kernel / 2), hidden: !SLIDES[kind] },
  dilation: { hidden: kind !== "conv" },
  channels: { hidden: !LEARNS[kind] },
  object: { low: 4, high: side },
});

const BUTTONS = [
  ["add", "Add a copy"],
  ["remove", "Remove"],
  ["up", "Move up"],
  ["down", "Move down"],
];

const view = (state, width) => {
  const rows = measure(state.layers, state.side, state.color ? 3 : 1);
  const found = warnings(state.layers, rows, state.side, state.object);
  const can = acts(state);
  const map = lastMap(rows);
  return {
    text: explain(state, rows, found),
    picture: drawn(state, width, rows, found),
    facts: [
      ["weights", count(total(rows, "weights"))],
      ["multiply-accumulates", short(total(rows, "macs"))],
      ["maps of a picture", size(total(rows, "bytes"))],
      ["training, 64 pictures", size(training(rows))],
      ["field of the last map", map ? (map.r === null ? "all" : String(map.r)) : "none"],
    ],
    parts: {
      lens: lens(state, rows),
      acts: BUTTONS.map(([act, name]) =>
        el("button", { type: "button", "aria-disabled": String(!can[act]), ...pressing({ act }, act) }, name),
      ),
      warnings: found.length
        ? el(
            "ul",
            {},
            found.map(([, words]) => el("li", {}, words)),
          )
        : el("p", {}, `Nothing to warn of: ${listed(["every layer fits", "every pixel is read"])}.`),
    },
    place: (_px, py) => {
      const chosen = Math.floor((py - HEAD) / ROW) - 1;
      return chosen >= 0 && chosen < state.layers.length ? { chosen } : null;
    },
  };
};

const layout = (own) => [
  own.presets(),
  own.picture,
  el("div", { class: "cx-bar" }, own.control("kind"), own.part("acts", { class: "cx-acts" })),
  el(
    "div",
    { class: "cx-controls cx-layer" },
    FIELDS.slice(1).map((field) => own.control(field)),
  ),
  own.text,
  el("div", { class: "cx-controls" }, own.control("side"), own.control("object"), own.control("color")),
  el("div", { class: "cx-below" }, own.part("lens", { class: "cx-lens" }), own.facts),
  own.part("warnings", {
    class: "cx-warnings",
    tabindex: 0,
    role: "region",
    "aria-label": "Warnings",
    "data-lm-suppress-shortcuts": "true",
  }),
];

const move = (state, dx, dy) => ({ chosen: clamp(state.chosen + dx + dy, 0, state.layers.length - 1) });

export const explore = panel(view, {
  kinds: { listing, picking, sliding, toggling },
  layout,
  limits,
  move,
  presses,
  settle,
});
