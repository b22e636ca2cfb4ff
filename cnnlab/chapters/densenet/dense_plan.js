import { count, range, short, sized, svg } from "../../widgets/static/core.js";
import { choosing, panel, sliding, toggling } from "../../widgets/static/panel.js";

const STEPS = 150; // height of the flight of steps
const BAR = 15;
const ROW = 2 * BAR + 24;

// --- arithmetic -----------------------------------------------------------------------------------------------------

// What autograd keeps is counted in numbers of four bytes: what a convolution, a batch norm and a ReLU need of the way
// forward, each piece once. A pooling that takes the largest keeps where that was, in eight bytes.
const bill = () => {
  const sum = { params: 0, macs: 0, kept: 0 };
  return {
    sum,
    conv: (weights, side) => {
      sum.params += weights;
      sum.macs += weights * side * side;
    },
    norm: (channels) => (sum.params += 2 * channels),
    keep: (channels, side) => (sum.kept += 4 * channels * side * side),
  };
};

const stem = ({ conv, norm, keep }, channels, big, normed) => {
  keep(3, big ? 224 : 32);
  conv(3 * channels * (big ? 49 : 9), big ? 112 : 32);
  if (!normed) return;
  norm(channels);
  keep(2 * channels, big ? 112 : 32);
  if (big) keep(3 * channels, 56);
};

const classify = ({ sum, norm, keep }, channels, side, classes) => {
  norm(channels);
  keep(2 * channels, side);
  keep(channels, 1);
  sum.params += (channels + 1) * classes;
  sum.macs += channels * classes;
};

export const dense = ({ plan, growth: k, layers, last, bottleneck, compression }) => {
  const big = plan === "imagenet";
  const counts = big ? [6, 12, layers, last] : [layers, layers, layers];
  const own = bill();
  let side = big ? 56 : 32;
  let channels = big || (bottleneck && compression < 1) ? 2 * k : 16;
  stem(own, channels, big, big);
  // That pooling's result is what the first layer keeps as its input.
  if (big) own.keep(-channels, side);
  const blocks = counts.map((layersHere, number) => {
    const start = channels;
    for (let l = 0; l < layersHere; l++) {
      own.norm(channels);
      own.keep(2 * channels, side);
      if (bottleneck) {
        own.conv(4 * k * channels, side);
        own.norm(4 * k);
        own.keep(8 * k, side);
      }
      own.conv(9 * k * (bottleneck ? 4 * k : channels), side);
      channels += k;
    }
    const block = { start, end: channels, layers: layersHere, side };
    if (number < counts.length - 1) {
      const fewer = Math.floor(compression * channels);
      own.norm(channels);
      own.conv(channels * fewer, side);
      own.keep(2 * channels + fewer, side);
      channels = fewer;
      side /= 2;
    }
    return block;
  });
  classify(own, channels, side, big ? 1000 : 10);
  const convs = counts.reduce((all, n) => all + n, 0) * (bottleneck ? 2 : 1);
  return { ...own.sum, blocks, channels, depth: convs + counts.length + 1 };
};

// A pre-activation ResNet whose first stage has so many channels: bottlenecks as in ResNet-50, or basic blocks.
export const residual = (width, big, units) => {
  const own = bill();
  const counts = big ? [3, 4, 6, 3] : [units, units, units];
  const grown = big ? 4 : 1;
  let side = big ? 56 : 32;
  let channels = width;
  stem(own, width, big, true);
  counts.forEach((n, stage) =>
    range(n).forEach((unit) => {
      const c = width * 2 ** stage;
      const out = side / (stage && !unit ? 2 : 1);
      if (stage || unit) {
        own.norm(channels);
        own.keep(2 * channels, side);
      }
      own.conv((big ? 1 : 9) * channels * c, big ? side : out);
      own.norm(c);
      own.keep(2 * c, big ? side : out);
      own.conv(9 * c * c, out);
      if (big) {
        own.norm(c);
        own.keep(2 * c, out);
        own.conv(4 * c * c, out);
        if (!unit) own.conv(4 * c * channels, out);
      }
      channels = grown * c;
      side = out;
    }),
  );
  classify(own, channels, side, big ? 1000 : 10);
  return { ...own.sum, width, depth: big ? 50 : 6 * units + 2 };
};

export const rival = (state) => {
  const big = state.plan === "imagenet";
  const units = Math.max(1, Math.round(state.layers / 2));
  const { params } = dense(state);
  let [low, high] = [1, 2];
  const at = (width) => residual(width, big, units);
  while (at(high).params < params) [low, high] = [high, 2 * high];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (at(middle).params < params) low = middle;
    else high = middle;
  }
  return [at(low), at(high)].sort((a, b) => Math.abs(a.params - params) - Math.abs(b.params - params))[0];
};

const times = (a, b) => (a / b).toFixed(a / b < 9.95 ? 1 : 0);

export const explain = (own, other) =>
  `${count(own.depth)} layers; ${count(own.channels)} channels reach the classifier. A ResNet of ${count(other.depth)} layers has ` +
  `about as many parameters if its first stage has ${count(other.width)} channels. The dense network multiplies ` +
  `${times(own.macs, other.macs)} times as much and keeps ${times(own.kept, other.kept)} times as much for the backward pass.`;

// --- picture --------------------------------------------------------------------------------------------------------

const text = (x, y, words, more) => svg("text", { x, y, ...more }, words);

// A bar for the channels that each layer reads, and on top of it those that it adds.
const steps = ({ blocks }, k, width) => {
  const gap = 8;
  const all = blocks.reduce((sum, own) => sum + own.layers, 0);
  const wide = (width - gap * (blocks.length - 1)) / all;
  const most = Math.max(...blocks.map((own) => own.end));
  const tall = (channels) => ((STEPS - 40) * channels) / most;
  const floor = STEPS - 18;
  let x = 0;
  return blocks.map(({ start, end, layers, side }) => {
    const left = x;
    x += layers * wide + gap;
    const bars = range(layers).flatMap((l) => {
      const read = start + l * k;
      const shape = { x: left + l * wide, width: Math.max(wide * 0.9, 0.6) };
      return [
        svg("rect", { ...shape, y: floor - tall(read), height: tall(read), class: "dp-read", "data-value": read }),
        svg("rect", { ...shape, y: floor - tall(read + k), height: tall(k), class: "dp-new" }),
      ];
    });
    const middle = left + (layers * wide) / 2;
    const labels = layers * wide > 27 && [
      text(middle, STEPS - 3, `${side}²`, { "text-anchor": "middle" }),
      text(left + layers * wide, floor - tall(end) - 5, count(end), { "text-anchor": "end" }),
    ];
    return [bars, labels];
  });
};

const BARS = [
  ["parameters", "params", short],
  ["multiply-accumulates for a picture", "macs", short],
  ["kept for the backward pass, for a picture", "kept", (value) => `${short(value)}B`],
];

const bars = (both, width) =>
  BARS.map(([name, key, say], row) => {
    const y = STEPS + 24 + row * ROW;
    const most = Math.max(...both.map((own) => own[key]));
    return [
      text(0, y - 4, name),
      both.map((own, i) => {
        const long = Math.max(2, ((width - 130) * own[key]) / most);
        const place = y + i * (BAR + 1);
        const shape = { x: 0, y: place, width: long, height: BAR };
        return [
          svg("rect", { ...shape, class: i ? "dp-rival" : "dp-dense", "data-value": own[key] }),
          text(long + 6, place + 12, `${say(own[key])}${row ? "" : i ? ", residual" : ", dense"}`),
        ];
      }),
    ];
  });

const view = (state, width) => {
  const [own, other] = [dense(state), rival(state)];
  const said = "Channels layer by layer, and the bill of the dense network and of a residual one";
  return {
    text: explain(own, other),
    picture: sized(width, STEPS + BARS.length * ROW + 12, { role: "img", "aria-label": said }, [
      text(0, 10, "channels: what each layer reads, and on top what it adds"),
      steps(own, state.growth, width),
      bars([own, other], width),
    ]),
  };
};

export const explore = panel(view, {
  kinds: { choosing, sliding, toggling },
  limits: ({ plan }) => ({ last: { hidden: plan === "cifar" } }),
  layout: (own) => [own.presets(), own.choices, own.sliders, own.picture, own.text],
});
