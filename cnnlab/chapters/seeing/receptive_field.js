import {
  arrows,
  button,
  clamp,
  el,
  KEYS,
  many,
  range,
  say,
  select,
  sheet,
  svg,
  toggle,
} from "../../widgets/static/core.js";

// A stack of layers as a pyramid seen from the side: one unit, the cone of pixels under it, and how many paths reach each.
export const explore = (p) => {
  let layers = p.layers.map((layer) => [...layer]);
  let paths = true;
  let width = 0;
  let geo;
  const at = { l: 0, i: 0 };
  const result = say(258);
  const list = el("div", { class: "cx-layers" });
  const grid = svg("g");
  const names = svg("g", { class: "cx-names" });
  const cone = svg("g", { style: "pointer-events:none" });
  const picture = svg(
    "svg",
    {
      tabindex: 0,
      role: "application",
      ...KEYS,
      style: "margin-top:.75rem",
      "aria-label": "Units by layer, the input at the bottom. Left and right choose a unit, up and down a layer.",
      onkeydown: arrows((dx, dy) => (dy ? climb(-dy) : choose(at.l, at.i + dx))),
    },
    grid,
    cone,
    names,
  );

  // r and j by the recursion; n: units per layer when no layer pads; first: the middle of unit 0, in pixels.
  const measure = () => {
    const sizes = (top) => layers.reduceRight((n, [k, s, d]) => [(n[0] - 1) * s + d * (k - 1) + 1, ...n], [top]);
    const top = [7, 5, 3].find((count) => sizes(count)[0] <= 41) || 1;
    const rows = [{ r: 1, j: 1, first: 0.5 }];
    for (const [k, s, d] of layers) {
      const { r, j, first } = rows[rows.length - 1];
      rows.push({ r: r + (k - 1) * d * j, j: j * s, first: first + ((k - 1) * d * j) / 2 });
    }
    sizes(top).forEach((n, l) => {
      rows[l].n = n;
    });
    return rows;
  };

  // counts[m]: unit of layer m -> number of paths from the chosen unit down to it
  const follow = (l, i) => {
    const counts = [];
    counts[l] = new Map([[i, 1]]);
    for (let m = l; m > 0; m--) {
      const [k, s, d] = layers[m - 1];
      counts[m - 1] = new Map();
      for (const [unit, ways] of counts[m])
        for (const t of range(k)) {
          const below = unit * s + t * d;
          counts[m - 1].set(below, (counts[m - 1].get(below) || 0) + ways);
        }
    }
    return counts;
  };

  const climb = (by) => {
    const l = clamp(at.l + by, 1, layers.length);
    const x = geo[at.l].first + at.i * geo[at.l].j;
    choose(l, Math.round((x - geo[l].first) / geo[l].j));
  };
  const choose = (l, i) => {
    at.l = clamp(l, 1, layers.length);
    at.i = clamp(i, 0, geo[at.l].n - 1);
    drawCone();
  };

  const TALL = 24;
  const BARS = 72;
  const HEIGHT = 390; // whatever the layers, so that nothing below moves
  const place = () => {
    const n = geo[0].n;
    const u = Math.min(36, width / n);
    const left = (width - u * n) / 2;
    const gap = Math.min(86, (HEIGHT - 20 - TALL - BARS) / layers.length);
    const top = (l) => HEIGHT - TALL - BARS - l * gap;
    const x = (l, i) => left + (geo[l].first + i * geo[l].j) * u;
    const wide = (l) => Math.max(1, Math.min(u * geo[l].j * 0.84, 48));
    return { u, left, top, x, wide, lumped: n > 160 };
  };

  const drawGrid = () => {
    const { top, x, wide, lumped } = geo.at;
    const labels = [];
    const parts = geo.flatMap(({ n }, l) => {
      const name = l ? `layer ${l}${layers[l - 1][3] ? `: ${layers[l - 1][3]}` : ""}` : "input pixels";
      labels.push(svg("text", { x: 0, y: top(l) - 6 }, name));
      const kind = l ? "cx-unit" : "cx-unit cx-pixel";
      const touch = (i) => ({ onpointerenter: () => l && choose(l, i), onpointerdown: () => l && choose(l, i) });
      if (lumped) {
        const under = (event) =>
          Math.round(
            ((event.clientX - picture.getBoundingClientRect().left - geo.at.left) / geo.at.u - geo[l].first) / geo[l].j,
          );
        const take = (event) => l && choose(l, under(event));
        return [
          svg("rect", {
            x: x(l, 0) - 1,
            y: top(l),
            width: Math.max(2, x(l, n - 1) - x(l, 0) + 2),
            height: TALL,
            class: kind,
            rx: 2,
            onpointermove: take,
            onpointerdown: take,
          }),
        ];
      }
      return range(n).map((i) =>
        svg("rect", {
          x: x(l, i) - wide(l) / 2,
          y: top(l),
          width: wide(l),
          height: TALL,
          class: kind,
          rx: Math.min(4, wide(l) / 4),
          "data-l": l,
          "data-i": i,
          ...touch(i),
        }),
      );
    });
    sheet(picture, width, HEIGHT);
    grid.replaceChildren(...parts.flat());
    names.replaceChildren(...labels);
  };

  const drawCone = () => {
    const counts = follow(at.l, at.i);
    const { r, j } = geo[at.l];
    const pixels = counts[0];
    const total = layers.slice(0, at.l).reduce((all, [k]) => all * k, 1);
    const most = Math.max(...pixels.values());
    const edge = pixels.get(Math.min(...pixels.keys()));
    const even = [...pixels.values()].every((ways) => ways === most);
    result.textContent =
      `A unit of layer ${at.l} sees ${many(r, "input pixel")} across (r = ${r}); the window of the next unit starts ${many(j, "pixel")} further on (j = ${j}). ` +
      (pixels.size < r ? `Only ${pixels.size} of the ${r} are read: the field has holes. ` : "") +
      (even
        ? `Each ${pixels.size < r ? "of them " : ""}is reached along ${many(most, "path")}.`
        : `${total} paths lead down: ${most} to the pixel reached most, ${edge} to each edge.`);
    if (!width) return;
    const { top, x, wide, lumped, u } = geo.at;
    const parts = [];
    const ends = (l) => [Math.min(...counts[l].keys()), Math.max(...counts[l].keys())];
    const sides = range(at.l + 1).map((l) =>
      ends(l).map((i, side) => [x(l, i) + ((side ? 1 : -1) * wide(l)) / 2, top(l)]),
    );
    const outline = [
      ...sides.flatMap(([[a, y]]) => [
        [a, y + TALL],
        [a, y],
      ]),
      ...sides.reverse().flatMap(([, [b, y]]) => [
        [b, y],
        [b, y + TALL],
      ]),
    ];
    parts.push(svg("polygon", { points: outline.join(" "), class: "cx-cone" }));
    if (!lumped)
      for (const m of range(at.l)) {
        const [k, s, d] = layers[m];
        for (const unit of counts[m + 1].keys())
          for (const t of range(k))
            parts.push(
              svg("line", {
                x1: x(m + 1, unit),
                y1: top(m + 1) + TALL,
                x2: x(m, unit * s + t * d),
                y2: top(m),
                class: "cx-ray",
              }),
            );
      }
    for (const l of range(at.l + 1)) {
      const peak = Math.max(...counts[l].values());
      for (const [i, ways] of counts[l]) {
        parts.push(
          svg("rect", {
            x: x(l, i) - wide(l) / 2,
            y: top(l),
            width: wide(l),
            height: TALL,
            rx: lumped ? 0 : Math.min(4, wide(l) / 4),
            "data-lit": l,
            class: l === at.l ? "cx-lit cx-chosen" : l ? "cx-lit" : "cx-lit cx-seen",
            style: `fill-opacity:${l === at.l ? 1 : 0.4 + (0.55 * ways) / peak}`,
          }),
        );
        if (!l && paths) {
          const high = (ways / most) * (BARS - 22);
          parts.push(
            svg("rect", {
              x: x(0, i) - wide(0) / 2,
              y: top(0) + TALL + 4,
              width: wide(0),
              height: high,
              class: "cx-path",
              "data-paths": ways,
            }),
          );
          if (u > 15)
            parts.push(svg("text", { x: x(0, i), y: top(0) + TALL + high + 15, "text-anchor": "middle" }, ways));
        }
      }
    }
    cone.replaceChildren(...parts);
  };

  const pick = (layer, field, name, number) =>
    select({
      label: `${name} of layer ${number}`,
      hidden: true,
      value: layer[field],
      options: p.choices[field].map((value) => [value, value]),
      onchange: (to) => {
        layer[field] = to;
        layer[3] = "";
        presets.value = null;
        update();
      },
    }).node;
  const b = (...kids) => el("b", {}, kids);
  let sums = [];
  const writeList = () => {
    sums = layers.map(() => el("span", { class: "cx-sum" }));
    const head = ["l", "k", "s", "d"].map((text) => el("i", {}, text));
    list.replaceChildren(
      ...head,
      ...layers.flatMap((layer, n) => [
        el("span", { class: "cx-number" }, n + 1),
        ...["kernel", "stride", "dilation"].map((name, field) => pick(layer, field, name, n + 1)),
        sums[n],
      ]),
    );
  };
  const writeSums = () =>
    layers.forEach(([k, s, d], l) =>
      sums[l].replaceChildren(
        `r = ${geo[l].r} + (${k} − 1)·${d}·${geo[l].j} = `,
        b(geo[l + 1].r),
        `,  j = ${geo[l].j}·${s} = `,
        b(geo[l + 1].j),
      ),
    );

  const update = (fresh) => {
    geo = measure();
    if (fresh) writeList();
    writeSums();
    more.disabled = layers.length >= p.most;
    less.disabled = layers.length < 2;
    at.l = layers.length;
    at.i = Math.floor(geo[at.l].n / 2);
    if (width) {
      geo.at = place();
      drawGrid();
    }
    drawCone();
  };
  const more = button("Add a layer", () => {
    layers.push([3, 1, 1, ""]);
    presets.value = null;
    update(true);
  });
  const less = button("Remove the last", () => {
    layers.pop();
    presets.value = null;
    update(true);
  });
  const presets = select({
    label: "Stack",
    options: [...p.presets.map(([name, stack]) => [stack, name]), [null, "your own"]],
    value: null,
    onchange: (stack) => {
      if (!stack) return;
      layers = stack.map((layer) => [...layer]);
      update(true);
    },
  });
  presets.value = (p.presets.find(([, stack]) => JSON.stringify(stack) === JSON.stringify(p.layers)) || [])[1];
  const sub = (name, index) => [el("i", {}, name), el("sub", {}, index)];
  update(true);
  return {
    nodes: [
      el(
        "div",
        { class: "cx-bar" },
        presets.node,
        more,
        less,
        toggle("Paths per pixel", true, (on) => {
          paths = on;
          if (width) drawGrid();
          drawCone();
        }),
      ),
      picture,
      result,
      el(
        "p",
        { class: "cx-rule" },
        sub("r", "l"),
        " = ",
        sub("r", "l−1"),
        " + (",
        sub("k", "l"),
        " − 1)·",
        sub("d", "l"),
        "·",
        sub("j", "l−1"),
        ",   ",
        sub("j", "l"),
        " = ",
        sub("j", "l−1"),
        "·",
        sub("s", "l"),
      ),
      list,
    ],
    draw: (to) => {
      width = to;
      geo.at = place();
      drawGrid();
      drawCone();
    },
  };
};
