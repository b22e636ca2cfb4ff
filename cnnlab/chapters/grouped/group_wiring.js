import { count, el, listed, many, range, sized, svg } from "../../widgets/static/core.js";
import { choosing, panel, picking, sliding, toggling } from "../../widgets/static/panel.js";

const COLORS = ["blue", "orange", "green", "red", "violet", "teal", "gold", "grey"];
const LEFT = 58;
// One height whatever the layers, so that nothing below moves.
const HEIGHT = 420;

// --- arithmetic -----------------------------------------------------------------------------------------------------

export const divisors = (channels) =>
  range(channels)
    .map((i) => i + 1)
    .filter((n) => channels % n === 0);
const groupOf = ({ channels, groups }, c) => Math.floor((c * groups) / channels);
const membersOf = ({ channels, groups }, g) => range(channels / groups).map((n) => (g * channels) / groups + n);

// The channel that a shuffle brings to a place
export const dealt = ({ channels, groups }, place) =>
  (place % groups) * (channels / groups) + Math.floor(place / groups);

// ways[l][c]: along how many paths channel c of layer l reaches the chosen one. before[l]: the same for the places that
// layer l reads.
export const trace = (state, layer, channel) => {
  const all = range(state.channels);
  const ways = [];
  const before = [];
  let now = all.map((c) => +(c === channel));
  ways[layer] = now;
  for (let l = layer; l > 0; l--) {
    const sums = range(state.groups).map((g) => membersOf(state, g).reduce((sum, c) => sum + now[c], 0));
    before[l] = all.map((c) => sums[groupOf(state, c)]);
    now = before[l];
    if (state.shuffle && l > 1) {
      now = [];
      before[l].forEach((w, place) => {
        now[dealt(state, place)] = w;
      });
    }
    ways[l - 1] = now;
  }
  return { ways, before };
};

// How many networks share no channel: inputs joined by a common output get one name, until nothing changes.
export const networks = (state) => {
  const home = range(state.channels);
  for (const c of range(state.channels)) {
    const joined = new Set(trace(state, state.layers, c).ways[0].flatMap((w, i) => (w ? home[i] : [])));
    const first = Math.min(...joined);
    home.forEach((own, i) => {
      if (joined.has(own)) home[i] = first;
    });
  }
  return new Set(home).size;
};

export const explain = (state) => {
  const { channels, groups, layers, shuffle } = state;
  const m = channels / groups;
  const each = trace(state, layers, 0).ways[0].filter(Boolean).length;
  const share = `${count(layers * channels * m)} weights where full layers have ${count(layers * channels * channels)}`;
  if (groups === 1)
    return `One group is an ordinary convolution: after a single layer every output sees all ${channels} inputs.`;
  if (groups === channels)
    return `Depthwise: ${channels} groups of one channel. No output ever sees a second input, and ${shuffle ? "shuffling groups of one moves nothing" : "no number of layers changes that"}.`;
  if (each === channels)
    return `Everything reaches everything: each output sees all ${channels} inputs, with ${share}.`;
  if (!shuffle)
    return `Each output sees ${each} of the ${channels} inputs, and more layers will not change that: these are ${groups} separate networks side by side.`;
  if (layers === 1)
    return `Each output sees ${each} of the ${channels} inputs. A shuffle stands between two layers, so it takes a second one to matter.`;
  let needed = 1;
  while (m ** needed < channels) needed++;
  return `Each output sees ${each} of the ${channels} inputs, not all yet. A further layer reaches ${m} times as many, so it takes ${needed} layers.`;
};

export const chosen = ({ channels, layer, channel }, ways) => {
  const inputs = range(channels).filter((c) => ways[c]);
  const said =
    inputs.length === channels
      ? `all ${channels} inputs`
      : `${many(inputs.length, "input")} of ${channels}, ${inputs.length === 1 ? "channel" : "channels"} ${listed(inputs)}`;
  const paths = ways.reduce((a, b) => a + b, 0);
  return `Channel ${channel} of layer ${layer}: reached by ${said}, along ${many(paths, "path")}.`;
};

export const facts = (state, ways) => {
  const { channels, groups, layers } = state;
  const m = channels / groups;
  return [
    ["Weights, 1 × 1 kernels", `${layers} · ${channels} · ${m} = ${count(layers * channels * m)}`],
    ["In full layers", count(layers * channels * channels)],
    ["Inputs that reach it", `${ways.filter(Boolean).length} of ${channels}`],
    ["Paths to it", count(ways.reduce((a, b) => a + b, 0))],
    ["Separate networks", networks(state)],
  ];
};

// Groups divide the channels; another wiring is looked at from its last layer.
export const limits = ({ channels, layers }) => ({
  groups: { values: divisors(channels) },
  layer: { low: 1, high: layers },
  channel: { low: 0, high: channels - 1 },
});
export const settle = ({ layers }, moved) => (moved === "layers" || moved === "preset" ? { layer: layers } : {});

// --- picture --------------------------------------------------------------------------------------------------------

// Rows from the input down; a row of places holds shuffled channels.
const lay = ({ channels, layers, shuffle }, width) => {
  // Beside the words where there is room for 16 channels
  const u = Math.min((width - LEFT - (width > 640 ? 286 : 0)) / channels, 46);
  const tall = Math.min(120, 392 / (layers + (shuffle ? 0.7 * (layers - 1) : 0)));
  const rows = [{ layer: 0, y: 14 }];
  for (let l = 1; l <= layers; l++) {
    let y = rows[rows.length - 1].y;
    if (shuffle && l > 1) rows.push({ layer: l - 1, places: true, y: (y += 0.7 * tall) });
    rows.push({ layer: l, y: y + tall });
  }
  return { u, r: Math.min(9, u * 0.36), rows };
};

const wiring = (state, { ways, before }, { u, r, rows }) => {
  const { channels, groups } = state;
  const x = (c) => LEFT + (c + 0.5) * u;
  const color = (g) => `var(--cnnlab-${COLORS[g % COLORS.length]})`;
  const line = (a, ya, b, yb) => `M${x(a).toFixed(1)} ${ya + r}L${x(b).toFixed(1)} ${yb - r}`;
  const wires = [];
  const lit = [];
  const dots = [];
  rows.forEach((row, i) => {
    const above = rows[i - 1];
    const own = (row.places ? before[row.layer + 1] : ways[row.layer]) || [];
    const holds = (c) => (row.places ? dealt(state, c) : c);
    if (row.places)
      range(channels).forEach((place) => {
        const d = line(holds(place), above.y, place, row.y);
        wires.push(svg("path", { d, style: `stroke:${color(groupOf(state, holds(place)))}` }));
        if (own[place]) lit.push(d);
      });
    else if (i)
      range(groups).forEach((g) => {
        const inside = membersOf(state, g);
        const all = inside.flatMap((to) => inside.map((from) => [to, line(from, above.y, to, row.y)]));
        const d = all.map(([, one]) => one).join("");
        wires.push(svg("path", { d, "data-wires": all.length, style: `stroke:${color(g)}` }));
        lit.push(...all.filter(([to]) => own[to]).map(([, one]) => one));
      });
    const name = row.places ? "shuffled" : row.layer ? `layer ${row.layer}` : "input";
    dots.push(svg("text", { x: 0, y: row.y + 4 }, name));
    range(channels).forEach((c) => {
      const on = own[c] || 0;
      dots.push(
        svg("circle", {
          cx: x(c),
          cy: row.y,
          r,
          class: on ? "gw-on" : "gw-off",
          style: `fill:${color(groupOf(state, holds(c)))}`,
          "data-row": i,
          "data-channel": holds(c),
          "data-ways": on,
        }),
        r >= 7 && svg("text", { x: x(c), y: row.y + 3.5, class: `gw-number ${on ? "gw-lit" : ""}` }, holds(c)),
        !row.places &&
          row.layer === state.layer &&
          c === state.channel &&
          svg("circle", { cx: x(c), cy: row.y, r: r + 3, class: "gw-mark" }),
      );
    });
  });
  return sized(
    Math.ceil(LEFT + u * channels),
    HEIGHT,
    {},
    svg("g", { class: "gw-wires" }, wires),
    svg("path", { class: "gw-path", "data-lit": lit.length, d: lit.join("") }),
    dots,
  );
};

// Grouped layers as wires between channels, with or without a shuffle between two layers.
export const view = (state, width) => {
  const traced = trace(state, state.layer, state.channel);
  const place = width && lay(state, width);
  return {
    text: explain(state),
    hint: chosen(state, traced.ways[0]),
    facts: facts(state, traced.ways[0]),
    picture: width && wiring(state, traced, place),
    // The nearest layer under the pointer, and the channel in it
    place: (px, py) => ({
      channel: Math.floor((px - LEFT) / place.u),
      layer: place.rows
        .filter((row) => row.layer && !row.places)
        .reduce((a, b) => (Math.abs(a.y - py) <= Math.abs(b.y - py) ? a : b)).layer,
    }),
  };
};

const layout = (own) => [
  own.presets(),
  own.sliders,
  own.choices,
  own.text,
  el("div", { class: "cx-row gw-row" }, own.picture, el("div", { class: "cx-side" }, own.facts, own.hint)),
];

export const explore = panel(view, { kinds: { choosing, picking, sliding, toggling }, layout, limits, settle });
