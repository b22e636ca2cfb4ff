import {
  arrows,
  button,
  clamp,
  count,
  el,
  hint,
  KEYS,
  range,
  say,
  sheet,
  signed,
  slider,
  svg,
  toggle,
} from "../../widgets/static/core.js";

// A stack of dilated 3 × 3 layers from above: the pixels that one output reads, along how many paths, and the holes.
export const explore = (p) => {
  let rates = [...p.rates];
  let beside = false;
  let width = 0;
  let geo;
  const at = { x: 1, y: 0 };
  const result = say(250);
  const reading = hint(220);
  const facts = el("dl", { class: "dg-facts" });
  const cells = svg("g");
  const mark = svg("rect", { class: "dg-mark" });
  const picture = svg(
    "svg",
    {
      tabindex: 0,
      role: "application",
      ...KEYS,
      "aria-label": "Pixels around one output. The arrow keys choose a pixel.",
      onkeydown: arrows((dx, dy) => pick(at.x + dx, at.y + dy)),
      onpointermove: (event) => point(event),
      onpointerdown: (event) => point(event),
    },
    cells,
    mark,
  );

  // ways[s + o]: in how many ways one tap of each layer adds up to the distance o
  const measure = () => {
    let ways = [1];
    for (const d of rates) {
      const wider = range(ways.length + 2 * d).map(() => 0);
      ways.forEach((w, i) =>
        [0, d, 2 * d].forEach((t) => {
          wider[i + t] += w;
        }),
      );
      ways = wider;
    }
    const s = (ways.length - 1) / 2;
    const to = (o) => ways[s + o] || 0;
    const offsets = range(2 * s + 1).map((i) => i - s);
    const line = offsets.filter(to).length;
    const both = offsets.filter((o) => to(o) && to(o - 1)).length;
    return {
      s,
      to,
      offsets,
      field: 2 * s + 1,
      read: line * line,
      shared: both * line,
      all: (2 * s + 1) ** 2,
      most: Math.max(...ways) ** 2,
      least: Math.min(...ways.filter(Boolean)) ** 2,
    };
  };
  // Every choice of one tap per layer that adds up to o
  const sums = (o, layers = rates) => {
    if (!layers.length) return o ? [] : [[]];
    const [d, ...rest] = layers;
    return [-d, 0, d].flatMap((t) => sums(o - t, rest).map((own) => [t, ...own]));
  };
  const gcd = (a, b) => (b ? gcd(b, a % b) : a);

  const explain = () => {
    const { field, read, all, most, least } = geo;
    const g = rates.reduce(gcd);
    if (read === all)
      return (
        `One output reads every pixel of its ${field} × ${field} field, ` +
        (most === 1
          ? "each along exactly one path: nothing is missed and nothing is read twice."
          : `along ${least === most ? most : `${least} to ${count(most)}`} paths. There is no hole.`)
      );
    let seen = 1;
    const jump = [...rates].sort((a, b) => a - b).find((d) => d > seen || ((seen += 2 * d), false));
    return (
      `One output reads ${count(read)} of the ${count(all)} pixels of its ${field} × ${field} field: ${Math.round((100 * read) / all)} %. ` +
      (g > 1
        ? `Every rate is a multiple of ${g}, so the outputs form ${g * g} grids, and no grid ever reads a pixel of another.`
        : seen === 1
          ? "No rate is 1, so at the least the pixels next to the field's edge are out of reach."
          : `Rate ${jump} steps farther than the ${seen} pixels that the smaller rates span, and leaves holes.`)
    );
  };

  const add = (o, way) => {
    const found = sums(o);
    if (!found.length) return `no choice of taps adds up to ${signed(o)} ${way}`;
    const shown = found
      .slice(0, 3)
      .map((taps) => taps.map((t, i) => (i ? (t < 0 ? ` − ${-t}` : ` + ${t}`) : signed(t))).join(""))
      .join(", or ");
    return `${way} ${signed(o)} is ${shown}${found.length > 3 ? `, and ${found.length - 3} more` : ""}`;
  };
  const tell = () => {
    const { x, y } = at;
    const side = (n, more, less) => n && `${Math.abs(n)} ${n > 0 ? more : less}`;
    const where = [side(x, "right", "left"), side(y, "down", "up")].filter(Boolean).join(" and ") || "at the center";
    const paths = geo.to(x) * geo.to(y);
    const outside = Math.max(Math.abs(x), Math.abs(y)) > geo.s;
    reading.textContent = `Pixel ${where}: ${
      outside
        ? "outside the field."
        : paths
          ? `${count(paths)} path${paths === 1 ? "" : "s"} (${geo.to(x)} × ${geo.to(y)}). One tap of each layer: ${add(x, "across")}; ${add(y, "down")}.`
          : `a hole. Whichever tap each layer takes, ${[!geo.to(x) && add(x, "across"), !geo.to(y) && add(y, "down")].filter(Boolean).join(", and ")}.`
    }`;
  };

  const pick = (x, y) => {
    const { half, u } = geo.at;
    at.x = clamp(x, -half, half);
    at.y = clamp(y, -half, half);
    for (const [name, value] of Object.entries({ x: (at.x + half) * u, y: (at.y + half) * u, width: u, height: u }))
      mark.setAttribute(name, value);
    tell();
  };
  const point = (event) => {
    const box = picture.getBoundingClientRect();
    const place = (from, start) => Math.floor((from - start) / geo.at.u) - geo.at.half;
    pick(place(event.clientX, box.left), place(event.clientY, box.top));
  };

  const drawGrid = () => {
    const { s, to, offsets, most } = geo;
    const wide = [17, 29, 43, 57, 75].find((side) => side >= geo.field + 2);
    const side = Math.min(width, 374);
    const u = side / wide;
    const half = (wide - 1) / 2;
    geo.at = { u, half };
    const gap = u > 9 ? 1 : 0.5;
    const square = (x, y, inset = 0) => {
      const w = (u - 2 * gap - 2 * inset).toFixed(2);
      return `M${((x + half) * u + gap + inset).toFixed(2)} ${((y + half) * u + gap + inset).toFixed(2)}h${w}v${w}h-${w}z`;
    };
    // One path element for all the pixels with the same number of ways to them.
    const groups = new Map();
    const numbers = [];
    for (const y of offsets)
      for (const x of offsets) {
        const w = to(x) * to(y);
        if (!groups.has(w)) groups.set(w, []);
        groups.get(w).push(square(x, y));
        if (u > 19)
          numbers.push(svg("text", { x: (x + half + 0.5) * u, y: (y + half + 0.5) * u + 3.5, class: "dg-count" }, w));
      }
    const parts = [...groups].map(([w, own]) =>
      svg("path", {
        d: own.join(""),
        "data-ways": w,
        "data-cells": own.length,
        class: w ? "dg-read" : "dg-hole",
        style: w && `fill-opacity:${(0.2 + 0.5 * Math.sqrt(w / most)).toFixed(3)}`,
      }),
    );
    const box = (x, y, size, name) =>
      svg("rect", { x: (x + half) * u, y: (y + half) * u, width: size * u, height: size * u, class: name, rx: 2 });
    parts.push(box(-s, -s, 2 * s + 1, "dg-field"), ...numbers);
    if (beside)
      parts.push(
        svg("path", {
          class: "dg-other",
          style: `stroke-width:${u > 9 ? 2 : 1}`,
          d: offsets
            .flatMap((y) => offsets.filter((x) => to(x) * to(y)).map((x) => square(x + 1, y, u > 9 ? 1 : 0.5)))
            .join(""),
        }),
      );
    parts.push(box(0, 0, 1, "dg-here"));
    cells.replaceChildren(...parts);
    sheet(picture, side, side);
    pick(at.x, at.y);
  };

  const update = () => {
    geo = measure();
    const { field, read, all, shared } = geo;
    const n = rates.length;
    result.textContent =
      explain() +
      (beside
        ? ` The next output to the right reads ${count(read)} pixels too; the two share ${shared ? count(shared) : "none"}.`
        : "");
    const rows = [
      ["Field", `${field} × ${field}`],
      ["Pixels read", `${count(read)} of ${count(all)}`],
      ["Paths", count(9 ** n)],
      ["Shared with the neighbor", count(shared)],
      ["Weights, whatever the rates", `${n} · 9 = ${9 * n}`],
    ];
    facts.replaceChildren(...rows.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));
    sliders.forEach((control, i) => {
      control.node.hidden = i >= n;
      if (i < n) control.value = rates[i];
    });
    more.disabled = n >= p.most[0];
    less.disabled = n < 2;
    presets.forEach((node, i) => node.setAttribute("aria-pressed", String(p.presets[i][1]) === String(rates)));
    if (width) drawGrid();
  };
  const sliders = range(p.most[0]).map((i) =>
    slider({
      label: `layer ${i + 1}`,
      symbol: "d",
      color: "blue",
      min: 1,
      max: p.most[1],
      value: 1,
      oninput: (to) => {
        rates[i] = to;
        update();
      },
    }),
  );
  const more = button("Add a layer", () => {
    rates.push(1);
    update();
  });
  const less = button("Remove the last", () => {
    rates.pop();
    update();
  });
  const presets = p.presets.map(([name, own]) =>
    button(name, () => {
      rates = [...own];
      update();
    }),
  );
  update();
  return {
    nodes: [
      el("div", { class: "cx-bar", role: "group", "aria-label": "Stacks to try" }, presets),
      el(
        "div",
        { class: "cx-controls dg-rates" },
        sliders.map((control) => control.node),
      ),
      el(
        "div",
        { class: "cx-bar" },
        more,
        less,
        toggle("The neighbor's pixels", false, (on) => {
          beside = on;
          update();
        }),
      ),
      result,
      el("div", { class: "dg-row" }, picture, el("div", { class: "dg-side" }, facts, reading)),
    ],
    draw: (to) => {
      width = to;
      drawGrid();
    },
  };
};
