import { many, range, short, sized, svg } from "../../widgets/static/core.js";
import { choosing, panel, sliding } from "../../widgets/static/panel.js";

// Of the papers: parameters, multiply-accumulates of a picture of 32 pixels, and test error on CIFAR-10 in percent.
export const PAPERS = [
  ["ResNet-110", 1727962, 252887680, 6.43],
  ["WRN-40-4", 8949210, 1298582016, 4.53],
  ["pre-act 1001", 10327706, 1487849984, 4.92],
  ["WRN-16-8", 10961370, 1548145664, 4.27],
  ["ResNeXt-29, 8×64d", 34426698, 5387266048, 3.65],
  ["WRN-28-10", 36479194, 5243328768, 4.0],
  ["ResNeXt-29, 16×64d", 68155210, 10688866304, 3.58],
];

// --- arithmetic -----------------------------------------------------------------------------------------------------

// Layers, parameters and multiply-accumulates. A batch norm has two parameters a channel and, as everywhere in the book,
// no multiply-accumulates.
export const bill = ({ block, blocks: N, width, paths }) => {
  const basic = block === "basic";
  let channels = basic ? 16 : 64;
  let params = 27 * channels + (basic ? 0 : 2 * channels);
  let macs = 27 * channels * 1024;
  const layer = (weights, side, norm) => {
    params += weights + 2 * norm;
    macs += weights * side * side;
  };
  for (const stage of range(3)) {
    const inside = width << stage;
    const out = basic ? inside : 256 << stage;
    const side = 32 >> stage;
    for (const n of range(N)) {
      const before = n || !stage ? side : 2 * side;
      if (basic) {
        // Its norms stand before the convolutions, and its projection has none.
        layer(9 * channels * out, side, channels);
        layer(9 * out * out, side, out);
        if (channels !== out) layer(channels * out, side, 0);
      } else {
        layer(channels * inside, before, inside);
        layer((9 * inside * inside) / paths, side, inside);
        layer(inside * out, side, out);
        if (!n) layer(channels * out, side, out);
      }
      channels = out;
    }
  }
  if (basic) params += 2 * channels;
  params += 10 * channels + 10;
  return { layers: basic ? 6 * N + 4 : 9 * N + 2, params, macs: macs + 10 * channels };
};

export const explain = (state) => {
  const { layers, params, macs } = bill(state);
  const { block, blocks, width, paths, budget } = state;
  const name =
    block === "basic"
      ? `${layers} layers of a Wide ResNet, ${width / 16} times the width of 2015’s`
      : `${layers} layers of a ResNeXt with ${many(paths, "path")} of ${width / paths} channels`;
  const part = params / (budget * 1e6);
  const spent =
    part > 1
      ? `${part < 1.1 ? "a little" : `${(part - 1).toFixed(1)} times the budget`} more than you have`
      : `${Math.max(1, Math.round(100 * part))} % of the budget`;
  const hint =
    block === "basic" && paths > 1
      ? " Paths are for bottlenecks: to split both layers of a pair would cut the block into separate networks."
      : ` ${many(3 * blocks, "block")}, one after another.`;
  return `${name}: ${short(params)} parameters and ${short(macs)} multiply-accumulates, ${spent}.${hint}`;
};

// --- picture --------------------------------------------------------------------------------------------------------

const TOP = 118;
const ROW = 40;

// Three stages, as long as they have blocks and as high as the root of their channels, cut into their paths.
const stages = ({ block, blocks, width, paths }, wide) => {
  const gap = 10;
  const long = ((wide - 2 * gap) / 3) * (0.12 + 0.88 * (blocks / 18));
  return range(3).map((stage) => {
    const tall = 4 + 1.25 * Math.sqrt(width << stage);
    const x = stage * (long + gap);
    const cuts = block === "basic" ? 1 : paths;
    return [
      svg("rect", { x, y: 50 - tall / 2, width: long, height: tall, class: "rb-box" }),
      range(cuts - 1).map((i) => {
        const y = 50 - tall / 2 + ((i + 1) * tall) / cuts;
        return svg("line", { x1: x, y1: y, x2: x + long, y2: y, class: "rb-cut" });
      }),
    ];
  });
};

const view = (state, width) => {
  const own = bill(state);
  const rows = [["yours", own.params, own.macs, null], ...PAPERS];
  const most = [1, 2].map((i) => Math.max(...rows.map((row) => row[i])));
  const part = own.params / (state.budget * 1e6);
  const room = width - 150;
  const bars = rows.map(([name, params, macs, error], i) => {
    const y = TOP + 22 + i * ROW;
    const says = error == null ? name : `${name}, ${error.toFixed(2)} % error`;
    return [
      svg("text", { x: 0, y: y - 3, class: i ? "" : "rb-own" }, says),
      [params, macs].map((value, j) => {
        const long = Math.max(1, (room * value) / most[j]);
        return [
          svg("rect", { x: 0, y: y + 1 + j * 9, width: long, height: 8, class: j ? "rb-macs" : "rb-params" }),
          j === 0 && svg("text", { x: room + 8, y: y + 12 }, `${short(params)}, ${short(macs)}`),
        ];
      }),
    ];
  });
  const said = `Three stages of ${many(state.blocks, "block")}, and bars of what this network and seven of papers cost.`;
  return {
    text: explain(state),
    picture: sized(width, TOP + 26 + rows.length * ROW, { role: "img", "aria-label": said }, [
      stages(state, width),
      svg("rect", {
        x: 0,
        y: 104,
        width: width * Math.min(1, part),
        height: 12,
        class: part > 1 ? "rb-over" : "rb-params",
        "data-spent": part.toFixed(4),
      }),
      svg("rect", { x: 0.5, y: 104, width: width - 1, height: 12, class: "rb-room" }),
      bars,
    ]),
  };
};

export const explore = panel(view, {
  kinds: { choosing, sliding },
  layout: (own) => [own.presets(), own.sliders, own.choices, own.picture, own.text],
});
