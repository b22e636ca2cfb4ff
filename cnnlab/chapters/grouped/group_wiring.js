import {
  arrows,
  button,
  choice,
  clamp,
  count,
  el,
  hint,
  KEYS,
  listed,
  many,
  range,
  say,
  sheet,
  slider,
  svg,
} from "../../widgets/static/core.js";

// Grouped layers as wires between channels, with or without a shuffle between two layers.
export const explore = (p) => {
  const COLORS = ["blue", "orange", "green", "red", "violet", "teal", "gold", "grey"];
  let [channels, groups, layers, shuffle] = p.start;
  let width = 0;
  let view;
  const at = { layer: layers, channel: 0 };
  const result = say(125);
  const reading = hint(110);
  const facts = el("dl", { class: "gw-facts" });
  const picture = svg("svg", {
    tabindex: 0,
    role: "application",
    ...KEYS,
    "aria-label": "Channels and wires. Left and right choose a channel, up and down a layer.",
    onkeydown: arrows((dx, dy) => pick(at.layer + dy, at.channel + dx)),
    onpointerdown: (event) => point(event),
  });

  const divisors = () =>
    range(channels)
      .map((i) => i + 1)
      .filter((n) => channels % n === 0);
  const members = () => channels / groups;
  const groupOf = (c) => Math.floor(c / members());
  // The channel that a shuffle brings to a place
  const dealt = (place) => (place % groups) * members() + Math.floor(place / groups);

  // ways[l][c]: along how many paths channel c of layer l reaches the chosen one. before[l]: the same for the places that layer l reads.
  const trace = (layer, channel) => {
    const ways = [];
    const before = [];
    let now = range(channels).map((c) => +(c === channel));
    ways[layer] = now;
    for (let l = layer; l > 0; l--) {
      const sums = range(groups).map((g) => now.reduce((sum, w, c) => sum + (groupOf(c) === g ? w : 0), 0));
      before[l] = range(channels).map((c) => sums[groupOf(c)]);
      now = before[l];
      if (shuffle && l > 1) {
        now = [];
        before[l].forEach((w, place) => {
          now[dealt(place)] = w;
        });
      }
      ways[l - 1] = now;
    }
    return { ways, before };
  };
  const reached = (layer, channel) => trace(layer, channel).ways[0].filter(Boolean).length;
  // Networks that share no channel: inputs joined by a common output, followed as in a flood
  const separate = () => {
    const lines = range(channels).map((c) => trace(layers, c).ways[0]);
    const home = range(channels).map(() => -1);
    let found = 0;
    for (const first of range(channels)) {
      if (home[first] >= 0) continue;
      const open = [first];
      home[first] = found;
      while (open.length) {
        const one = open.pop();
        for (const line of lines)
          if (line[one])
            line.forEach((w, c) => {
              if (w && home[c] < 0) {
                home[c] = found;
                open.push(c);
              }
            });
      }
      found++;
    }
    return found;
  };

  const explain = () => {
    const m = members();
    const each = reached(layers, 0);
    const share = `${count(layers * channels * m)} weights where full layers have ${count(layers * channels * channels)}`;
    if (groups === 1)
      return `One group is an ordinary convolution: after a single layer every output sees all ${channels} inputs.`;
    if (groups === channels)
      return `Depthwise: ${channels} groups of one channel. No output ever sees a second input, and ${shuffle ? "shuffling groups of one moves nothing" : "no number of layers changes that"}.`;
    if (each === channels)
      return `Everything reaches everything: each output sees all ${channels} inputs, with ${share}.`;
    if (!shuffle)
      return `Each output sees ${each} of the ${channels} inputs, and more layers will not change that: these are ${groups} separate networks side by side.`;
    let needed = 1;
    let span = m;
    while (span < channels) {
      span *= m;
      needed++;
    }
    return layers === 1
      ? `Each output sees ${each} of the ${channels} inputs. A shuffle stands between two layers, so it takes a second one to matter.`
      : `Each output sees ${each} of the ${channels} inputs, not all yet. A further layer reaches ${m} times as many, so it takes ${needed} layers.`;
  };

  const tell = () => {
    const ways = view.ways[0];
    const inputs = range(channels).filter((c) => ways[c]);
    const paths = ways.reduce((a, b) => a + b, 0);
    reading.textContent = `Channel ${at.channel} of layer ${at.layer}: reached by ${inputs.length === channels ? `all ${channels} inputs` : `${many(inputs.length, "input")} of ${channels}, ${inputs.length === 1 ? "channel" : "channels"} ${listed(inputs)}`}, along ${many(paths, "path")}.`;
    const rows = [
      ["Weights, 1 × 1 kernels", `${layers} · ${channels} · ${members()} = ${count(layers * channels * members())}`],
      ["In full layers", count(layers * channels * channels)],
      ["Inputs that reach it", `${inputs.length} of ${channels}`],
      ["Paths to it", count(paths)],
      ["Separate networks", view.networks],
    ];
    facts.replaceChildren(...rows.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));
  };

  const pick = (layer, channel) => {
    at.layer = clamp(layer, 1, layers);
    at.channel = clamp(channel, 0, channels - 1);
    Object.assign(view, trace(at.layer, at.channel));
    tell();
    if (width) drawWires();
  };
  const point = (event) => {
    const box = picture.getBoundingClientRect();
    const { left, u, rows } = view.geo;
    const y = event.clientY - box.top;
    const nearest = rows
      .filter((row) => row.layer && !row.places)
      .reduce((a, b) => (Math.abs(a.y - y) <= Math.abs(b.y - y) ? a : b));
    pick(nearest.layer, Math.floor((event.clientX - box.left - left) / u));
  };

  const drawWires = () => {
    const left = 58;
    // Beside the words where there is room for 16 channels; one height whatever the layers, so that nothing below moves.
    const u = Math.min((width - left - (width > 640 ? 246 : 0)) / channels, 46);
    const r = Math.min(9, u * 0.36);
    const tall = Math.min(120, 392 / (layers + (shuffle ? 0.7 * (layers - 1) : 0)));
    // Rows from the input down; a row of places holds shuffled channels.
    const rows = [{ layer: 0, y: 14 }];
    for (let l = 1; l <= layers; l++) {
      let y = rows[rows.length - 1].y;
      if (shuffle && l > 1) rows.push({ layer: l - 1, places: true, y: (y += 0.7 * tall) });
      rows.push({ layer: l, y: y + tall });
    }
    const x = (c) => left + (c + 0.5) * u;
    view.geo = { left, u, rows };
    const color = (g) => `var(--cnnlab-${COLORS[g % COLORS.length]})`;
    const line = (a, ya, b, yb) => `M${x(a).toFixed(1)} ${ya + r}L${x(b).toFixed(1)} ${yb - r}`;
    const wires = [];
    const lit = [];
    const dots = [];
    rows.forEach((row, i) => {
      const above = rows[i - 1];
      const own = (_c) => (row.places ? view.before[row.layer + 1] : view.ways[row.layer]) || [];
      if (row.places)
        range(channels).forEach((place) => {
          const d = line(dealt(place), above.y, place, row.y);
          wires.push(svg("path", { d, style: `stroke:${color(groupOf(dealt(place)))}` }));
          if (own()[place]) lit.push(d);
        });
      else if (i)
        range(groups).forEach((g) => {
          const inside = range(members()).map((n) => g * members() + n);
          const all = inside.flatMap((to) => inside.map((from) => [to, line(from, above.y, to, row.y)]));
          wires.push(
            svg("path", { d: all.map(([, d]) => d).join(""), "data-wires": all.length, style: `stroke:${color(g)}` }),
          );
          lit.push(...all.filter(([to]) => own()[to]).map(([, d]) => d));
        });
      const name = row.places ? "shuffled" : row.layer ? `layer ${row.layer}` : "input";
      dots.push(svg("text", { x: 0, y: row.y + 4 }, name));
      range(channels).forEach((c) => {
        const channel = row.places ? dealt(c) : c;
        const ways = own()[c] || 0;
        dots.push(
          svg("circle", {
            cx: x(c),
            cy: row.y,
            r,
            class: ways ? "gw-on" : "gw-off",
            style: `fill:${color(groupOf(channel))}`,
            "data-row": i,
            "data-channel": channel,
            "data-ways": ways,
          }),
        );
        if (r >= 7)
          dots.push(svg("text", { x: x(c), y: row.y + 3.5, class: `gw-number ${ways ? "gw-lit" : ""}` }, channel));
        if (!row.places && row.layer === at.layer && c === at.channel)
          dots.push(svg("circle", { cx: x(c), cy: row.y, r: r + 3, class: "gw-mark" }));
      });
    });
    sheet(picture, Math.ceil(left + u * channels), 420);
    picture.replaceChildren(
      svg("g", { class: "gw-wires" }, wires),
      svg("path", { class: "gw-path", "data-lit": lit.length, d: lit.join("") }),
      ...dots,
    );
  };

  const update = () => {
    view = { networks: separate() };
    result.textContent = explain();
    const own = divisors();
    group.node.querySelector("input").max = own.length - 1;
    group.value = own.indexOf(groups);
    depth.value = layers;
    size.value = channels;
    mix.setAttribute("aria-pressed", shuffle);
    presets.forEach((node, i) =>
      node.setAttribute("aria-pressed", String(p.presets[i][1]) === String([channels, groups, layers, shuffle])),
    );
    pick(at.layer, at.channel);
  };
  const group = slider({
    label: "groups",
    symbol: "g",
    color: "blue",
    min: 0,
    max: 9,
    value: 0,
    format: (i) => divisors()[i] ?? "",
    oninput: (i) => {
      groups = divisors()[i];
      update();
    },
  });
  const depth = slider({
    label: "layers",
    color: "green",
    min: 1,
    max: p.most,
    value: layers,
    oninput: (to) => {
      const last = at.layer === layers;
      layers = to;
      if (last) at.layer = to;
      update();
    },
  });
  const size = choice({
    label: "Channels",
    options: p.channels.map((n) => [n, String(n)]),
    value: channels,
    onchange: (to) => {
      channels = to;
      groups = divisors()
        .filter((n) => n <= groups)
        .pop();
      update();
    },
  });
  const mix = button(
    "Shuffle between layers",
    () => {
      shuffle = !shuffle;
      update();
    },
    { "aria-pressed": String(shuffle) },
  );
  const presets = p.presets.map(([name, own]) =>
    button(name, () => {
      [channels, groups, layers, shuffle] = own;
      at.layer = layers;
      update();
    }),
  );
  update();
  return {
    nodes: [
      el("div", { class: "cx-bar", role: "group", "aria-label": "Wirings to try" }, presets),
      el("div", { class: "cx-controls" }, group.node, depth.node),
      el("div", { class: "cx-bar" }, size.node, mix),
      result,
      el("div", { class: "gw-row" }, picture, el("div", { class: "gw-side" }, facts, reading)),
    ],
    draw: (to) => {
      width = to;
      drawWires();
    },
  };
};
