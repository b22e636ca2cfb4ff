import { el, many, range, sized, svg, tidy } from "../../widgets/static/core.js";
import { panel, picking, sliding } from "../../widgets/static/panel.js";

const SIDE = 190;
const [LEFT, BELOW] = [26, 24]; // room for the curve's axes

// --- arithmetic -----------------------------------------------------------------------------------------------------

const area = ([x1, y1, x2, y2]) => (x2 - x1) * (y2 - y1);

export const iou = (a, b) => {
  const wide = Math.min(a[2], b[2]) - Math.max(a[0], b[0]);
  const high = Math.min(a[3], b[3]) - Math.max(a[1], b[1]);
  const shared = Math.max(0, wide) * Math.max(0, high);
  return shared / (area(a) + area(b) - shared);
};

// The ten boxes, the first where it was moved to
export const placed = ({ boxes }, { x, y }) =>
  boxes.map((box, i) => (i ? box : [x, y, x + box[2] - box[0], y + box[3] - box[1], box[4]]));

// Of each box, the surest first: its number, and "kept", "dropped" or "unsure"
export const suppressed = (boxes, { overlap, least }) => {
  const order = range(boxes.length).sort((a, b) => boxes[b][4] - boxes[a][4] || a - b);
  const kept = [];
  return order.map((number) => {
    if (boxes[number][4] < least - 1e-9) return { number, fate: "unsure" };
    const free = kept.every((other) => iou(boxes[number], boxes[other]) <= overlap + 1e-9);
    if (free) kept.push(number);
    return { number, fate: free ? "kept" : "dropped" };
  });
};

// Those that are kept, the surest first, each with the object that it finds, or -1
export const judged = (boxes, objects, state) => {
  const free = new Set(range(objects.length));
  const kept = suppressed(boxes, state).filter(({ fate }) => fate === "kept");
  return kept.map(({ number }) => {
    const reach = (object) => iou(boxes[number], objects[object]);
    const good = [...free].filter((object) => reach(object) >= state.need - 1e-9);
    const found = good.sort((a, b) => reach(b) - reach(a))[0] ?? -1;
    free.delete(found);
    return { number, found };
  });
};

// [recall, precision] after each box, and the area under them, each raised to the best of any higher recall
export const curve = (found, objects) => {
  let right = 0;
  const points = found.map((own, i) => {
    right += own >= 0;
    return [right / objects, right / (i + 1)];
  });
  const raised = points.map((_, i) => Math.max(...points.slice(i).map(([, precision]) => precision)));
  const average = points.reduce((sum, [recall], i) => sum + (recall - (points[i - 1]?.[0] ?? 0)) * raised[i], 0);
  return { points, raised, average };
};

const two = (value) => value.toFixed(2);

export const explain = (state, data) => {
  const boxes = placed(data, state);
  const reach = data.objects.map((object) => iou(boxes[0], object));
  const best = reach.indexOf(Math.max(...reach));
  const { fate } = suppressed(boxes, state).find(({ number }) => number === 0);
  const end = { kept: "It stays.", dropped: "A surer box drops it.", unsure: "It is left out, too unsure." }[fate];
  const where = reach[best]
    ? `overlaps the ${["left", "middle", "right"][best]} object by ${two(reach[best])}`
    : "overlaps no object";
  return `Your box, of score ${two(boxes[0][4])}, ${where}. ${end}`;
};

export const score = (state, data) => {
  const found = judged(placed(data, state), data.objects, state).map((own) => own.found);
  const right = found.filter((own) => own >= 0).length;
  const { average } = curve(found, data.objects.length);
  const missed = data.objects.length - right;
  return `${found.length} of ${data.boxes.length} boxes left: ${right} right, ${found.length - right} wrong; ${missed ? many(missed, "object") : "no object"} missed. Average precision ${two(average)}.`;
};

// --- pictures -------------------------------------------------------------------------------------------------------

const frame = ([x1, y1, x2, y2], scale, attrs) =>
  svg("rect", { x: x1 * scale, y: y1 * scale, width: (x2 - x1) * scale, height: (y2 - y1) * scale, ...attrs });

const scene = (state, width, data) => {
  const [wide, high] = data.size;
  const scale = width / wide;
  const boxes = placed(data, state);
  const found = new Map(judged(boxes, data.objects, state).map((own) => [own.number, own.found]));
  const kind = ({ number, fate }) => (fate === "kept" ? (found.get(number) >= 0 ? "right" : "wrong") : fate);
  // What is kept lies on top, the surest last.
  const drawn = suppressed(boxes, state).reverse();
  drawn.sort((a, b) => (a.fate === "kept") - (b.fate === "kept"));
  return sized(width, high * scale, { "aria-hidden": "true" }, [
    data.objects.map((object) => frame(object, scale, { class: "tb-object" })),
    drawn
      .filter(({ fate }) => fate !== "unsure")
      .map((own) => [
        frame(boxes[own.number], scale, { class: `tb-box tb-${kind(own)}${own.number ? "" : " tb-own"}` }),
        svg(
          "text",
          {
            x: boxes[own.number][0] * scale + 3,
            y: boxes[own.number][1] * scale + 12,
            class: `tb-score tb-${kind(own)}`,
          },
          `${own.number ? "" : "yours "}${two(boxes[own.number][4])}`,
        ),
      ]),
  ]);
};

const drawn = (state, data) => {
  const found = judged(placed(data, state), data.objects, state).map((own) => own.found);
  const { points, raised } = curve(found, data.objects.length);
  const at = (recall, precision) => [
    LEFT + recall * (SIDE - LEFT - 10),
    SIDE - BELOW - precision * (SIDE - BELOW - 10),
  ];
  const said = (pairs) =>
    pairs
      .map((own) =>
        at(...own)
          .map((value) => tidy(value, 1).replace("−", "-"))
          .join(","),
      )
      .join("L");
  const steps = points.flatMap(([recall], i) => [
    [points[i - 1]?.[0] ?? 0, raised[i]],
    [recall, raised[i]],
  ]);
  const last = points.at(-1)?.[0] ?? 0;
  return sized(SIDE, SIDE, { "aria-hidden": "true" }, [
    points.length && svg("path", { d: `M${said([[0, 0], ...steps, [last, 0]])}Z`, class: "tb-area" }),
    svg("path", { d: `M${LEFT},10V${SIDE - BELOW}H${SIDE - 10}`, class: "tb-axes" }),
    points.map((own, i) => {
      const [cx, cy] = at(...own);
      return svg("circle", { cx, cy, r: 4, class: found[i] >= 0 ? "tb-right" : "tb-wrong" });
    }),
    svg("text", { x: SIDE - 10, y: SIDE - 8, "text-anchor": "end" }, "recall"),
    svg("text", { x: LEFT + 6, y: 12 }, "precision"),
    svg("text", { x: LEFT - 5, y: 16, "text-anchor": "end" }, "1"),
    svg("text", { x: LEFT - 5, y: SIDE - BELOW + 4, "text-anchor": "end" }, "0"),
  ]);
};

const KEYS_SHOWN = [
  ["tb-object", "an object"],
  ["tb-right", "right"],
  ["tb-wrong", "wrong"],
  ["tb-dropped", "suppressed"],
];

const view = (state, width, data) => ({
  text: explain(state, data),
  hint: score(state, data),
  picture: scene(state, width, data),
  parts: {
    curve: drawn(state, data),
    legend: KEYS_SHOWN.map(([kind, name]) =>
      el(
        "span",
        { class: "tb-key" },
        svg(
          "svg",
          { width: 16, height: 12, "aria-hidden": "true" },
          svg("rect", { x: 1, y: 1, width: 14, height: 10, class: kind === "tb-object" ? kind : `tb-box ${kind}` }),
        ),
        name,
      ),
    ),
  },
  place(px, py, wide) {
    const scale = wide / data.size[0];
    const [x1, y1, x2, y2] = data.boxes[0];
    return { x: Math.round(px / scale - (x2 - x1) / 2), y: Math.round(py / scale - (y2 - y1) / 2) };
  },
});

const limits = (_state, { size, boxes: [[x1, y1, x2, y2]] }) => ({
  x: { low: 0, high: size[0] - x2 + x1 },
  y: { low: 0, high: size[1] - y2 + y1 },
});

const layout = (own) => [
  own.presets(),
  own.sliders,
  own.picture,
  own.text,
  el("div", { class: "tb-row" }, own.part("curve"), own.part("legend", { class: "tb-legend" })),
  own.hint,
];

export const explore = panel(view, { kinds: { sliding, picking }, layout, limits });
