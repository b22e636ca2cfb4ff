import { el, listed, range, sized, svg, tidy } from "../../widgets/static/core.js";
import { panel, sliding } from "../../widgets/static/panel.js";

// [key, name, color]
export const WALKERS = [
  ["sgd", "SGD", "blue"],
  ["momentum", "momentum", "orange"],
  ["rmsprop", "RMSProp", "green"],
  ["adam", "Adam", "violet"],
  ["adamw", "AdamW", "red"],
];
const DECAY = 0.1; // of AdamW
const LOST = 50; // so far out nobody comes back

// --- arithmetic -----------------------------------------------------------------------------------------------------

// The lowest point, and where the walks begin: in the valley's own directions, along it and up its side.
const LOWEST = [1.2, 0.4];
const BEGIN = [-2.4, 1];

const turned = ([u, v], tilt) => {
  const [c, s] = [Math.cos((tilt * Math.PI) / 180), Math.sin((tilt * Math.PI) / 180)];
  return [c * u - s * v, s * u + c * v];
};
const off = ([x, y], tilt) => turned([x - LOWEST[0], y - LOWEST[1]], -tilt);
export const begin = (tilt) => turned(BEGIN, tilt).map((part, i) => LOWEST[i] + part);
export const height = (at, { stretch, tilt }) => {
  const [u, v] = off(at, tilt);
  return (u * u) / stretch / 2 + (v * v) / 2;
};
export const slope = (at, { stretch, tilt }) => {
  const [u, v] = off(at, tilt);
  return turned([u / stretch, v], tilt);
};

// Two numbers for each step, the same for all walkers and on all machines: sums of twelve uniform ones less six.
export const shakes = (steps) => {
  let seed = 20141222;
  const uniform = () => {
    seed = (seed * 16807) % 2147483647;
    return seed / 2147483647;
  };
  const normal = () => range(12).reduce((sum) => sum + uniform(), -6);
  return range(steps).map(() => [normal(), normal()]);
};

// The five rules for one weight, with torch's defaults: w, its gradient g, its memory m and s, the step t from 1.
const RULES = {
  sgd: (w, g, _own, rate) => w - rate * g,
  momentum: (w, g, own, rate) => {
    own.m = 0.9 * own.m + g;
    return w - rate * own.m;
  },
  rmsprop: (w, g, own, rate) => {
    own.s = 0.99 * own.s + 0.01 * g * g;
    return w - (rate * g) / (Math.sqrt(own.s) + 1e-8);
  },
  adam: (w, g, own, rate, t) => {
    own.m = 0.9 * own.m + 0.1 * g;
    own.s = 0.999 * own.s + 0.001 * g * g;
    const m = own.m / (1 - 0.9 ** t);
    return w - (rate * m) / (Math.sqrt(own.s / (1 - 0.999 ** t)) + 1e-8);
  },
  adamw: (w, g, own, rate, t) => RULES.adam(w * (1 - rate * DECAY), g, own, rate, t),
};

export const walk = (state, name) => {
  const { tilt, noise, steps } = state;
  const own = [0, 1].map(() => ({ m: 0, s: 0 }));
  const path = [begin(tilt)];
  for (const [i, shake] of shakes(steps).entries()) {
    const at = path[i];
    const g = slope(at, state);
    const next = at.map((w, j) => RULES[name](w, g[j] + noise * shake[j], own[j], state[name], i + 1));
    path.push(next);
    if (Math.hypot(...next) > LOST) break;
  }
  return path;
};

export const explain = (state, walks) => {
  const first = height(begin(state.tilt), state);
  const ends = WALKERS.map(([name, said]) => {
    const path = walks[name];
    const lost = path.length <= state.steps || height(path[path.length - 1], state) > first;
    return { said, lost, high: height(path[path.length - 1], state) };
  });
  const held = ends.filter(({ lost }) => !lost).sort((a, b) => a.high - b.high);
  const gone = ends.filter(({ lost }) => lost).map(({ said }) => said);
  const part = ({ said, high }) => `${said} ${high / first < 5e-4 ? "under 0.1" : tidy((100 * high) / first, 1)} %`;
  const left = held.length
    ? `Of the height at the start is left after ${state.steps} steps: ${listed(held.map(part))}.`
    : "Nobody is lower than at the start.";
  return `${left}${gone.length && held.length ? ` Higher than at the start: ${listed(gone)}.` : ""}`;
};

// --- picture --------------------------------------------------------------------------------------------------------

const MAP = 300;
const CURVES = 130;
const GAP = 34;

const valley = ({ stretch, tilt }, [cx, cy], scale) =>
  range(7).map((i) => {
    const high = 0.012 * 3.2 ** i;
    return svg("ellipse", {
      cx,
      cy,
      rx: Math.sqrt(2 * high * stretch) * scale,
      ry: Math.sqrt(2 * high) * scale,
      transform: `rotate(${-tilt} ${cx} ${cy})`,
      class: "op-line",
    });
  });

const view = (state, width) => {
  const walks = Object.fromEntries(WALKERS.map(([name]) => [name, walk(state, name)]));
  const scale = Math.min(width / 4.6, MAP / 3.4);
  // The middle of the picture is a little uphill of the lowest point.
  const [x, y] = [(a) => width / 2 + (a - 0.5) * scale, (b) => MAP / 2 - (b - LOWEST[1] + 0.35) * scale];
  const dot = (at, r, kind) => svg("circle", { cx: x(at[0]), cy: y(at[1]), r, class: kind });
  const first = height(begin(state.tilt), state);
  const low = -5; // powers of ten, of the first height
  const right = width - 34;
  const at = (i) => 34 + (i * (right - 34)) / state.steps;
  const up = (high) => {
    const power = Math.log10(Math.max(high / first, 1e-9));
    return MAP + GAP + CURVES * (1 - (power - low) / (1 - low));
  };
  const lines = WALKERS.map(([name, , color]) => {
    const style = `stroke:var(--cnnlab-${color})`;
    const own = walks[name];
    const points = own.map((one) => one.map((_, i) => [x, y][i](one[i]).toFixed(1)).join()).join(" ");
    return { name, style, fill: `fill:var(--cnnlab-${color})`, own, points };
  });
  const frame = { x: 0, y: 0, width, height: MAP };
  return {
    text: explain(state, walks),
    picture: sized(
      width,
      MAP + GAP + CURVES + 24,
      { role: "img", "aria-label": "The valley from above with five walks, and their heights by step." },
      svg(
        "svg",
        { ...frame, style: "overflow:hidden" },
        valley(state, [x(LOWEST[0]), y(LOWEST[1])], scale),
        lines.map(({ name, style, points }) => svg("polyline", { points, style, class: "op-walk", "data-walk": name })),
        lines.map(({ fill, own }) => {
          const [a, b] = own[own.length - 1];
          return svg("circle", { cx: x(a), cy: y(b), r: 5, style: fill });
        }),
        dot(begin(state.tilt), 6, "op-begin"),
        dot(LOWEST, 3.5, "op-lowest"),
        dot([0, 0], 3.5, "op-zero"),
        svg("text", { x: x(0) + 7, y: y(0) - 5 }, "0, 0"),
      ),
      svg("rect", { ...frame, x: 0.5, y: 0.5, width: width - 1, class: "op-frame" }),
      svg("text", { x: 0, y: MAP + GAP - 12 }, "height, as a share of the first; by step"),
      [1, 0.01, 0.0001].map((share) => [
        svg("line", { x1: 34, x2: right, y1: up(share * first), y2: up(share * first), class: "op-line" }),
        svg("text", { x: 0, y: up(share * first) + 4 }, share === 1 ? "1" : share === 0.01 ? "10⁻²" : "10⁻⁴"),
      ]),
      svg(
        "svg",
        { x: 0, y: MAP + GAP, width, height: CURVES, style: "overflow:hidden" },
        lines.map(({ own, style }) => {
          const points = own.map((one, i) => `${at(i).toFixed(1)},${(up(height(one, state)) - MAP - GAP).toFixed(1)}`);
          return svg("polyline", { points: points.join(" "), style, class: "op-walk" });
        }),
      ),
      svg("text", { x: 34, y: MAP + GAP + CURVES + 16, "text-anchor": "middle" }, "0"),
      svg("text", { x: right, y: MAP + GAP + CURVES + 16, "text-anchor": "middle" }, state.steps),
    ),
  };
};

// What shapes the surface, and below it the five rates
const rows = (own) =>
  [["stretch", "tilt", "noise", "steps"], WALKERS.map(([name]) => name)].map((names) =>
    el("div", { class: "cx-controls op-controls" }, names.map(own.control)),
  );

export const explore = panel(view, {
  kinds: { sliding },
  layout: (own) => [own.presets(), own.picture, own.text, rows(own)],
});
