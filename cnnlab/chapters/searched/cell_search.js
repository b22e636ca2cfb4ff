import { clamp, count, many, range, short, sized, svg } from "../../widgets/static/core.js";
import { choosing, panel, sliding } from "../../widgets/static/panel.js";

const ORDER = "0ia13";
const WORDS = { 0: "nothing", i: "as it is", a: "average", 1: "1 × 1", 3: "3 × 3" };

// --- arithmetic -----------------------------------------------------------------------------------------------------

// The drawing that stands for all that compute the same, as in cells.py.
export const canonical = (cell) => {
  const [first, second, direct] = cell;
  const through = first === "0" || second === "0" ? "0" : (first + second).replace("i", "");
  if (through.length === 2) return cell;
  const [one, other] = [through, direct].sort((a, b) => ORDER.indexOf(a) - ORDER.indexOf(b));
  return one === "0" ? `00${other}` : `${one}i${other}`;
};

const mean = (values) => values.reduce((sum, own) => sum + own, 0) / values.length;

// All drawings by the cell that they stand for, and how many there are of each.
const drawings = range(125).map((n) => ORDER[Math.floor(n / 25)] + ORDER[Math.floor(n / 5) % 5] + ORDER[n % 5]);

export const measure = ({ first, second, direct, trials }, { cells }) => {
  const cell = canonical(first + second + direct);
  const alike = drawings.filter((own) => canonical(own) === cell);
  const [params, macs, seeds] = cells[cell] || [0, 0, []];
  const known = Object.values(cells).every((own) => own[2].length);
  const worth = (own) => (cells[own] ? mean(cells[own][2]) : 0.1);
  if (!known) return { cell, alike: alike.length, params, macs, known };
  const accuracy = worth(cell);
  const better = Object.keys(cells).filter((own) => worth(own) > accuracy).length;
  // Of the 125 drawings, those that are worth as much or more: a random search needs one of them.
  const good = drawings.filter((own) => worth(canonical(own)) >= accuracy).length;
  const chance = 1 - (1 - good / drawings.length) ** trials;
  return { cell, alike: alike.length, params, macs, known, accuracy, seeds, rank: better + 1, good, chance };
};

const share = (value, decimals = 1) => `${(100 * value).toFixed(decimals)} %`;

export const explain = (state, data) => {
  const own = measure(state, data);
  if (own.cell === "000")
    return "Nothing gets from the input to the output: the network can only guess. A search does not know that before it has tried.";
  const others = own.alike - 1;
  const same = others ? `${many(others, "other drawing")} compute${others === 1 ? "s" : ""} the same` : "No other drawing computes the same";
  const bill = `${same}. ${count(own.params)} parameters, ${short(own.macs)} multiply-accumulates.`;
  if (!own.known) return `${bill} It has not been trained yet.`;
  const seeds = own.seeds.map((one) => (100 * one).toFixed(1)).join(", ");
  return `${bill} It got ${share(own.accuracy)} right (by seed ${seeds}): number ${own.rank} of ${Object.keys(data.cells).length}.`;
};

export const expect = (state, data) => {
  const own = measure(state, data);
  if (!own.known) return "Where a random search would end is known once every cell is trained.";
  return `${many(own.good, "drawing")} of 125 ${own.good === 1 ? "is" : "are"} worth as much or more: a random search of ${many(state.trials, "trial")} meets one with a chance of ${share(own.chance, 0)}.`;
};

// --- picture --------------------------------------------------------------------------------------------------------

const TALL = 190;

const drawn = ({ first, second, direct }, x, wide) => {
  const nodes = { input: [x + 34, 140], middle: [x + wide / 2, 34], output: [x + wide - 34, 140] };
  const edges = [
    [first, nodes.input, nodes.middle, -1],
    [second, nodes.middle, nodes.output, 1],
    [direct, nodes.input, nodes.output, 0],
  ];
  return [
    edges.map(([letter, [x1, y1], [x2, y2], side]) => [
      svg("line", { x1, y1, x2, y2, class: letter === "0" ? "cs-none" : "cs-edge" }),
      svg(
        "text",
        {
          x: (x1 + x2) / 2 + 12 * side,
          y: side ? (y1 + y2) / 2 - 4 : y1 + 30,
          "text-anchor": side < 0 ? "end" : side ? "start" : "middle",
          class: letter === "0" ? "" : "cs-name",
        },
        WORDS[letter],
      ),
    ]),
    Object.entries(nodes).map(([name, [cx, cy]]) => [
      svg("circle", { cx, cy, r: 10, class: "cs-node" }),
      svg("text", { x: cx, y: name === "middle" ? cy - 16 : cy + 26, "text-anchor": "middle" }, name),
    ]),
  ];
};

const cloud = (own, { cells }, x, top, wide, trials) => {
  const all = Object.entries(cells).map(([name, [, macs, seeds]]) => [name, macs, mean(seeds)]);
  const [low, high] = [Math.min(...all.map((one) => one[2])), Math.max(...all.map((one) => one[2]))];
  const most = Math.max(...all.map((one) => one[1]));
  const floor = top + 150;
  const across = (macs) => x + 6 + (wide - 12) * (macs / most);
  const up = (value) => floor - 8 - 116 * ((clamp(value, low, high) - low) / (high - low || 1));
  // What the best of so many drawings is worth in the median: half of all searches end there or above.
  const worths = drawings.map((name) => (cells[canonical(name)] ? mean(cells[canonical(name)][2]) : 0.1)).sort((a, b) => a - b);
  const half = worths[Math.min(124, Math.ceil(125 * 0.5 ** (1 / trials)) - 1)];
  return [
    svg("text", { x, y: top + 10 }, `right, ${share(low, 0)} to ${share(high, 0)}; dashes: median of such searches`),
    svg("line", { x1: x, x2: x + wide, y1: floor, y2: floor, class: "cx-floor" }),
    svg("line", { x1: x, x2: x + wide, y1: up(half), y2: up(half), class: "cs-half" }),
    all.map(([name, macs, value]) =>
      svg("circle", { cx: across(macs), cy: up(value), r: name === own.cell ? 6.5 : 3.2, class: name === own.cell ? "cs-own" : "cs-dot" }),
    ),
    svg("text", { x: x + wide, y: floor + 16, "text-anchor": "end" }, `multiply-accumulates, to ${short(most)}`),
  ];
};

const view = (state, width, data) => {
  const own = measure(state, data);
  const beside = width >= 560;
  const wide = beside ? width / 2 - 20 : width;
  const tall = beside || !own.known ? TALL : 2 * TALL;
  const said = own.known ? `The cell, and all cells by cost and accuracy; this one is number ${own.rank || "none"}` : "The cell";
  return {
    text: explain(state, data),
    hint: expect(state, data),
    picture: sized(width, tall, { role: "img", "aria-label": said, "data-cell": own.cell }, [
      drawn(state, 0, Math.min(wide, 380)),
      own.known && cloud(own, data, beside ? width / 2 + 10 : 0, beside ? 4 : TALL + 4, wide, state.trials),
    ]),
  };
};

export const explore = panel(view, {
  kinds: { choosing, sliding },
  layout: (own) => [own.presets(), own.choices, own.sliders, own.picture, own.text, own.hint],
});
