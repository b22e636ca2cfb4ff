import { many, range, short, sized, svg } from "../../widgets/static/core.js";
import { panel, sliding } from "../../widgets/static/panel.js";

const CONE = 150; // height of the two stacks, whatever their layers
const BAR = 15;
const ROW = 2 * BAR + 24;

// What each of the two costs. A layer's weights are k² C², its multiplications those times the pixels of the map.
export const measure = ({ kernel: k, layers: n, channels: C, side }) => {
  const field = n * (k - 1) + 1;
  const pixels = side * side;
  const cost = (count, own) => {
    const weights = count * own * own * C * C;
    return { weights, macs: weights * pixels, bytes: 4 * count * C * pixels, relus: count, squares: count * own * own };
  };
  return { field, stack: cost(n, k), one: cost(1, field) };
};

export const explain = (state) => {
  const { kernel: k, layers: n } = state;
  const { field, stack, one } = measure(state);
  const size = (own) => `${own} × ${own}`;
  if (n === 1) return `One layer of ${size(k)} is its own rival: both have ${one.squares} C² weights. Add a layer.`;
  const less = Math.round(100 * (1 - stack.squares / one.squares));
  return (
    `${n} layers of ${size(k)} see ${size(field)} pixels, as one layer of ${size(field)} does, with ${stack.squares} C² ` +
    `weights instead of ${one.squares} C²: ${less} % fewer, and as much less to multiply. They bend the signal ` +
    `${n} times instead of once. The price: ${n} maps to store for the backward pass instead of one.`
  );
};

// --- picture --------------------------------------------------------------------------------------------------------

// Rows of units from the side, each row's cells those under the one unit on top.
const cone = (left, wide, k, n, kind, title) => {
  const most = n * (k - 1) + 1;
  const u = Math.min(15, (wide - 8) / most);
  const gap = Math.min(44, (CONE - 42) / n);
  const top = (l) => CONE - 16 - l * gap;
  const middle = left + wide / 2;
  const count = (l) => (n - l) * (k - 1) + 1;
  const edge = (l, i) => middle + (i - count(l) / 2) * u;
  return [
    svg("text", { x: middle, y: 12, "text-anchor": "middle" }, title),
    range(n).map((l) =>
      [0, 1].map((end) =>
        svg("line", {
          x1: edge(l, end * count(l)),
          y1: top(l),
          x2: edge(l + 1, end * count(l + 1)),
          y2: top(l + 1) + 12,
          class: "cx-side",
        }),
      ),
    ),
    range(n + 1).map((l) =>
      range(count(l)).map((i) =>
        svg("rect", {
          x: edge(l, i) + u * 0.06,
          y: top(l),
          width: u * 0.88,
          height: 12,
          rx: Math.min(2, u / 5),
          class: l ? kind : "cx-pixel",
        }),
      ),
    ),
  ];
};

const BARS = [
  ["weights", ({ weights }) => weights, short],
  ["multiply-accumulates for a picture", ({ macs }) => macs, short],
  ["maps stored for a picture", ({ bytes }) => bytes, (value) => `${short(value)}B`],
  ["ReLUs", ({ relus }) => relus, String],
];

const bars = (both, width) =>
  BARS.map(([name, pick, say], row) => {
    const y = CONE + 20 + row * ROW;
    const most = Math.max(...both.map(pick));
    return [
      svg("text", { x: 0, y: y - 4 }, name),
      both.map((own, i) => {
        const value = pick(own);
        const long = Math.max(2, ((width - 84) * value) / most);
        const place = y + i * (BAR + 1);
        return [
          svg("rect", {
            x: 0,
            y: place,
            width: long,
            height: BAR,
            class: i ? "cx-one" : "cx-stack",
            "data-value": value,
          }),
          svg("text", { x: long + 6, y: place + 12 }, say(value)),
        ];
      }),
    ];
  });

const view = (state, width) => {
  const { kernel: k, layers: n } = state;
  const { field, stack, one } = measure(state);
  const half = width / 2;
  const said = `${many(n, "layer")} of ${k} × ${k} and one of ${field} × ${field} over the same ${field} pixels, and what each costs.`;
  return {
    text: explain(state),
    picture: sized(width, CONE + 16 + BARS.length * ROW, { role: "img", "aria-label": said }, [
      cone(0, half, k, n, "cx-stack", `${n} × (${k} × ${k})`),
      cone(half, half, field, 1, "cx-one", `1 × (${field} × ${field})`),
      bars([stack, one], width),
    ]),
  };
};

export const explore = panel(view, {
  kinds: { sliding },
  layout: (own) => [own.presets(), own.sliders, own.picture, own.text],
});
