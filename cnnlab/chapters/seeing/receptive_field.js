import { clamp, el, many, range, sized, svg } from "../../widgets/static/core.js";
import { counting, listing, panel, picking, toggling } from "../../widgets/static/panel.js";

const TALL = 24;
const BARS = 72;
const HEIGHT = 390; // whatever the layers, so that nothing below moves

// --- arithmetic: a layer is [kernel, stride, dilation, name], the input first -----------------------------------------

// r and j by the recursion; n: units per layer when no layer pads; first: the middle of unit 0, in pixels.
export const measure = (layers) => {
  const sizes = (top) => layers.reduceRight((n, [k, s, d]) => [(n[0] - 1) * s + d * (k - 1) + 1, ...n], [top]);
  const n = sizes([7, 5, 3].find((top) => sizes(top)[0] <= 41) || 1);
  const rows = [{ r: 1, j: 1, first: 0.5, n: n[0] }];
  for (const [k, s, d] of layers) {
    const { r, j, first } = rows[rows.length - 1];
    rows.push({ r: r + (k - 1) * d * j, j: j * s, first: first + ((k - 1) * d * j) / 2, n: n[rows.length] });
  }
  return rows;
};

// counts[m]: unit of layer m -> number of paths from the chosen unit down to it
export const follow = (layers, layer, unit) => {
  const counts = [];
  counts[layer] = new Map([[unit, 1]]);
  for (let m = layer; m > 0; m--) {
    const [k, s, d] = layers[m - 1];
    counts[m - 1] = new Map();
    for (const [above, ways] of counts[m])
      for (const t of range(k)) {
        const below = above * s + t * d;
        counts[m - 1].set(below, (counts[m - 1].get(below) || 0) + ways);
      }
  }
  return counts;
};

export const explain = (layers, layer, geo, pixels) => {
  const { r, j } = geo[layer];
  const total = layers.slice(0, layer).reduce((all, [k]) => all * k, 1);
  const most = Math.max(...pixels.values());
  const edge = pixels.get(Math.min(...pixels.keys()));
  const holes = pixels.size < r;
  return (
    `A unit of layer ${layer} sees ${many(r, "input pixel")} across (r = ${r}); the window of the next unit starts ${many(j, "pixel")} further on (j = ${j}). ` +
    (holes ? `Only ${pixels.size} of the ${r} are read: the field has holes. ` : "") +
    ([...pixels.values()].every((ways) => ways === most)
      ? `Each ${holes ? "of them " : ""}is reached along ${many(most, "path")}.`
      : `${total} paths lead down: ${most} to the pixel reached most, ${edge} to each edge.`)
  );
};
// How layer l came by its r and j: text and the two results in turn
export const sums = (layers, geo, l) => {
  const [k, s, d] = layers[l - 1];
  const { r, j } = geo[l - 1];
  return [`r = ${r} + (${k} − 1)·${d}·${j} = `, geo[l].r, `,  j = ${j}·${s} = `, geo[l].j];
};

// --- picture --------------------------------------------------------------------------------------------------------

const place = (geo, width) => {
  const { n } = geo[0];
  const u = Math.min(36, width / n);
  const left = (width - u * n) / 2;
  const gap = Math.min(86, (HEIGHT - 20 - TALL - BARS) / (geo.length - 1));
  return {
    u,
    left,
    gap,
    top: (l) => HEIGHT - TALL - BARS - l * gap,
    x: (l, i) => left + (geo[l].first + i * geo[l].j) * u,
    wide: (l) => Math.max(1, Math.min(u * geo[l].j * 0.84, 48)),
    // Units too narrow to be drawn one by one
    lumped: n > 160,
  };
};

const unitAt = ({ x, top, wide, lumped }, l, i, attrs) =>
  svg("rect", {
    x: x(l, i) - wide(l) / 2,
    y: top(l),
    width: wide(l),
    height: TALL,
    rx: lumped ? 0 : Math.min(4, wide(l) / 4),
    ...attrs,
  });

const grid = (geo, at) =>
  geo.map(({ n }, l) => {
    const kind = l ? "cx-unit" : "cx-unit cx-pixel";
    if (!at.lumped) return range(n).map((i) => unitAt(at, l, i, { class: kind, "data-l": l, "data-i": i }));
    const [x, end] = [at.x(l, 0) - 1, at.x(l, n - 1) + 1];
    return svg("rect", { x, y: at.top(l), width: Math.max(2, end - x), height: TALL, class: kind, rx: 2 });
  });

const cone = (layers, { layer, paths }, counts, at) => {
  const { u, top, x, wide, lumped } = at;
  const sides = range(layer + 1).map((l) => {
    const units = [...counts[l].keys()];
    return [x(l, Math.min(...units)) - wide(l) / 2, x(l, Math.max(...units)) + wide(l) / 2, top(l)];
  });
  const outline = [
    ...sides.flatMap(([a, , y]) => [
      [a, y + TALL],
      [a, y],
    ]),
    ...sides.reverse().flatMap(([, b, y]) => [
      [b, y],
      [b, y + TALL],
    ]),
  ];
  const rays = range(lumped ? 0 : layer).map((m) => {
    const [k, s, d] = layers[m];
    return [...counts[m + 1].keys()].map((unit) =>
      range(k).map((t) =>
        svg("line", {
          x1: x(m + 1, unit),
          y1: top(m + 1) + TALL,
          x2: x(m, unit * s + t * d),
          y2: top(m),
          class: "cx-ray",
        }),
      ),
    );
  });
  const units = range(layer + 1).map((l) => {
    const peak = Math.max(...counts[l].values());
    const kind = l === layer ? "cx-lit cx-chosen" : l ? "cx-lit" : "cx-lit cx-seen";
    return [...counts[l]].map(([i, ways]) => {
      const style = `fill-opacity:${l === layer ? 1 : 0.4 + (0.55 * ways) / peak}`;
      return unitAt(at, l, i, { "data-lit": l, class: kind, style });
    });
  });
  const most = Math.max(...counts[0].values());
  // Numbers that would touch one another are smaller, or not there.
  const letters = Math.min(12, (u - 5) / (0.62 * String(most).length));
  const bars = [...(paths ? counts[0] : [])].map(([i, ways]) => {
    const high = (ways / most) * (BARS - 22);
    const y = top(0) + TALL + high + 15;
    return [
      svg("rect", {
        x: x(0, i) - wide(0) / 2,
        y: top(0) + TALL + 4,
        width: wide(0),
        height: high,
        class: "cx-path",
        "data-paths": ways,
      }),
      letters >= 9 &&
        svg("text", { x: x(0, i), y, "text-anchor": "middle", style: `font-size:${letters.toFixed(1)}px` }, ways),
    ];
  });
  return [svg("polygon", { points: outline.join(" "), class: "cx-cone" }), rays, units, bars];
};

const named = (layers, at) =>
  range(layers.length + 1).map((l) => {
    const name = l ? `layer ${l}${layers[l - 1][3] ? `: ${layers[l - 1][3]}` : ""}` : "input pixels";
    return svg("text", { x: 0, y: at.top(l) - 6 }, name);
  });

const FIELDS = ["kernel", "stride", "dilation"];
const LAYERS = range(6).map((l) => l + 1);
export const layersOf = (state) =>
  range(state.layers).map((l) => [...FIELDS.map((field) => state[`${field}${l + 1}`]), state.names[l]]);

// A stack of layers as a pyramid seen from the side: one unit, the cone of pixels under it, and how many paths reach each.
export const view = (state, width) => {
  const layers = layersOf(state);
  const geo = measure(layers);
  const counts = follow(layers, state.layer, state.unit);
  const at = place(geo, width);
  const row = (l) => [l, sums(layers, geo, l).map((one, i) => (i % 2 ? el("b", {}, one) : one))];
  return {
    text: explain(layers, state.layer, geo, counts[0]),
    picture: sized(
      width,
      HEIGHT,
      {},
      svg("g", {}, grid(geo, at)),
      svg("g", { class: "cx-over" }, cone(layers, state, counts, at)),
      svg("g", { class: "cx-over" }, named(layers, at)),
    ),
    parts: Object.fromEntries(
      LAYERS.flatMap((l) => {
        const [number, sum] = l > layers.length ? ["", ""] : row(l);
        return [
          [`number${l}`, number],
          [`sum${l}`, sum],
        ];
      }),
    ),
    place: (px, py) => {
      const l = LAYERS.find((own) => geo[own] && py >= at.top(own) && py <= at.top(own) + TALL);
      return l && { layer: l, unit: nearest(geo, l, (px - at.left) / at.u) };
    },
  };
};
// The unit of a layer whose middle is nearest to a pixel
const nearest = (geo, l, pixel) => clamp(Math.round((pixel - geo[l].first) / geo[l].j), 0, geo[l].n - 1);

// The input is at the bottom, so up is a layer on, at the same place in the picture.
export const move = (state, dx, dy) => {
  const { layer, unit } = state;
  const geo = measure(layersOf(state));
  const to = clamp(layer - dy, 1, state.layers);
  return { layer: to, unit: nearest(geo, to, geo[layer].first + (unit + dx) * geo[layer].j) };
};
// A stack from the list sets all layers, to change one makes it your own; and one that changed is seen from the middle
// of its last layer. What is beyond the last waits as a plain 3 x 3.
export const settle = (state, moved, { stacks }) => {
  if (moved === "place" || moved === "paths") return {};
  const loaded = moved === "stack" && stacks[state.stack];
  const layers = loaded || layersOf(state).map((layer, l) => (moved?.endsWith(l + 1) ? layer.slice(0, 3) : layer));
  const set = Object.fromEntries(
    LAYERS.flatMap((l) => FIELDS.map((field, i) => [`${field}${l}`, (layers[l - 1] || [3, 1, 1])[i]])),
  );
  return {
    ...set,
    stack: moved && !loaded ? "" : state.stack,
    names: layers.map(([, , , name]) => name || ""),
    layers: layers.length,
    layer: layers.length,
    unit: Math.floor(measure(layers)[layers.length].n / 2),
  };
};
const limits = ({ layers }) =>
  Object.fromEntries(LAYERS.flatMap((l) => FIELDS.map((field) => [`${field}${l}`, { hidden: l > layers }])));

const sub = (name, index) => [el("i", {}, name), el("sub", {}, index)];
const rule = () => [
  [sub("r", "l"), " = ", sub("r", "l−1"), " + (", sub("k", "l"), " − 1)·", sub("d", "l"), "·", sub("j", "l−1")],
  [",   ", sub("j", "l"), " = ", sub("j", "l−1"), "·", sub("s", "l")],
];
const layout = (own) => [
  own.bar("stack", "paths"),
  own.picture,
  own.text,
  own.bar(el("p", { class: "cx-rule" }, rule()), "layers"),
  el(
    "div",
    { class: "cx-layers" },
    ["l", "k", "s", "d"].map((text) => el("i", {}, text)),
    LAYERS.map((l) => [
      own.part(`number${l}`, { class: "cx-number" }),
      FIELDS.map((field) => own.control(`${field}${l}`)),
      own.part(`sum${l}`, { class: "cx-sum" }),
    ]),
  ),
];

export const explore = panel(view, { kinds: { counting, listing, picking, toggling }, layout, limits, move, settle });
