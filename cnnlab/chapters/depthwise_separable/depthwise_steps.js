import {
  arrows,
  button,
  clamp,
  clock,
  count,
  el,
  KEYS,
  many,
  range,
  say,
  sheet,
  signed,
  slider,
  svg,
} from "../../widgets/static/core.js";

// A filter for each channel slides, then 1 × 1 weights mix; beside it the standard convolution with the same numbers.
export const explore = (p) => {
  let [C, K, k, n] = p.start;
  let t = 1; // steps taken: the first half slides the filters, the second half mixes
  let width = 0;
  let geo;
  const clocked = clock(450, () => {
    if (t >= 2 * geo.P) clocked.stop();
    else go(t + 1);
  });
  const factor = (v) => (v < 0 ? `(${signed(v)})` : v);
  // The same small whole numbers on every page; tests make them again in Python.
  const mix = (s, a, b, c, m) => ((s + 73 * a + 179 * b + 283 * c + 31 * a * b + 17 * b * c + 41 * a * c) % 101) % m;
  const pixel = (c, i, j) => mix(3, c, i, j, 5);
  const tap = (c, u, v) => mix(11, c, u, v, 3) - 1;
  const weight = (f, c) => mix(66, f, c, f * f + 5 * c, 3) - 1;
  const sum = (list) => list.reduce((a, b) => a + b, 0);

  const measure = () => {
    const m = n - k + 1;
    const P = m * m;
    const place = (q) => [Math.floor(q / m), q % m];
    const pairs = (c, q) => {
      const [i, j] = place(q);
      return range(k * k).map((a) => {
        const u = Math.floor(a / k),
          v = a % k;
        return [pixel(c, i + u, j + v), tap(c, u, v)];
      });
    };
    const Kd = Math.min(K, 5);
    const mid = range(C).map((c) => range(P).map((q) => sum(pairs(c, q).map(([x, w]) => x * w))));
    const out = range(Kd).map((f) => range(P).map((q) => sum(range(C).map((c) => weight(f, c) * mid[c][q]))));
    return {
      m,
      P,
      place,
      pairs,
      mid,
      out,
      Cd: Math.min(C, 4),
      Kd,
      deep: C * k * k,
      point: C * K,
      whole: C * K * k * k,
    };
  };

  const bars = ["Depthwise, then pointwise", "Standard, at once"].map((name, i) => {
    const fill = el("i", { class: i ? "ds-whole" : "ds-two" });
    const text = el("b");
    return {
      fill,
      text,
      node: el(
        "div",
        { class: "ds-bar" },
        el("span", {}, name),
        text,
        el("div", { class: "ds-track", "aria-hidden": "true" }, fill),
      ),
    };
  });
  const result = say(175);
  const facts = el("dl", { class: "ds-facts" });
  const reading = el("div", { class: "ds-reading cx-hint", "data-room": 640 });
  const panel = (attrs) => svg("svg", { ...attrs, onpointerdown: (event) => point(event) });
  const two = panel({
    tabindex: 0,
    role: "application",
    ...KEYS,
    "aria-label": "Depthwise, then pointwise. The arrow keys step.",
    onkeydown: arrows((dx, dy) => {
      clocked.stop();
      go(t + dx + dy * geo.m);
    }),
  });
  const one = panel({ role: "img", "aria-label": "The standard convolution at the same place" });

  // One map of side × side cells. shade(i, j) is an opacity, text(i, j) a number to write into the cell.
  const map = (x, y, side, u, name, { shade, text, kind }) => {
    const paths = {};
    const texts = [];
    const cells = range(side * side).map((q) => [Math.floor(q / side), q % side]);
    if (shade)
      for (const [i, j] of cells) {
        const o = shade(i, j);
        paths[o] = `${paths[o] || ""}M${x + j * u} ${y + i * u}h${u}v${u}h${-u}z`;
      }
    const done = svg("path", { class: `${name} ds-done` });
    if (text && u > (kind && kind !== "input" ? 14 : 11))
      for (const [i, j] of cells)
        texts.push(
          svg("text", { x: x + (j + 0.5) * u, y: y + (i + 0.5) * u + 3.3, class: "ds-number" }, signed(text(i, j))),
        );
    const lines = range(side - 1)
      .map((i) => `M${x + (i + 1) * u} ${y}v${side * u}M${x} ${y + (i + 1) * u}h${side * u}`)
      .join("");
    const spot = svg("rect", { class: "ds-spot", rx: 2, "data-spot": kind });
    return {
      x,
      y,
      side,
      u,
      kind,
      done,
      texts,
      spot,
      nodes: [
        Object.entries(paths).map(([o, d]) => svg("path", { d, class: name, "fill-opacity": o })),
        done,
        svg("path", { d: lines, class: "ds-line" }),
        svg("rect", { x, y, width: side * u, height: side * u, class: `ds-frame ${name}` }),
        texts,
        spot,
      ],
    };
  };

  let maps = [];
  const layout = () => {
    const { m, Cd, Kd } = geo;
    const gap = 15;
    const head = 18;
    const least = 30;
    // One height whatever the sizes, so that nothing below moves; the largest cells that fit it and the width.
    const tall = 334;
    const span = (units, u) => units.reduce((all, w) => all + Math.max(least, w * u), (units.length - 1) * gap);
    const fits = (u) =>
      Math.max(Cd * (n * u + 10), Kd * (m * u + 10)) <= tall &&
      span([n, k, m, Cd, m], u) + (width >= 560 ? span([n, (Cd * k) / 2, m], u) + 26 : 0) <= width;
    const u =
      range(180)
        .map((i) => 20 - i / 10)
        .find(fits) || 2;
    const row = (i, of, side) => head + (tall / of) * (i + 0.5) - side / 2;
    const texts = (x, w, text) => svg("text", { x: x + w / 2, y: 10, class: "ds-head" }, text);
    const tone = (v) => (0.1 + 0.14 * Math.abs(v)).toFixed(2);
    const tapTone = (v) => (0.12 + 0.28 * Math.abs(v)).toFixed(2);
    maps = [];
    const build = (picture, columns) => {
      let x = 0;
      const nodes = [];
      for (const [name, w, fill] of columns) {
        const wide = Math.max(least, w * u);
        nodes.push(texts(x, wide, name));
        for (const own of fill(x + (wide - w * u) / 2)) {
          maps.push(own);
          nodes.push(own.nodes);
        }
        x += wide + gap;
      }
      sheet(picture, x - gap, head + tall);
      picture.replaceChildren(...nodes.flat(9));
    };
    const input = [
      "input",
      n,
      (x) =>
        range(Cd).map((c) =>
          map(x, row(c, Cd, n * u), n, u, `ds-c${c}`, {
            shade: (i, j) => tone(pixel(c, i, j)),
            text: (i, j) => pixel(c, i, j),
            kind: "input",
          }),
        ),
    ];
    const output = (kind) => [
      "output",
      m,
      (x) =>
        range(Kd).map((f) => map(x, row(f, Kd, m * u), m, u, "ds-o", { text: (i, j) => geo.out[f][i * m + j], kind })),
    ];
    const weights = (f, x) =>
      range(Cd).map((c) =>
        map(x + c * u, row(f, Kd, u), 1, u, `ds-c${c}`, {
          shade: () => tapTone(weight(f, c)),
          text: () => weight(f, c),
        }),
      );
    const bank = (f, x) =>
      range(Cd).map((c) =>
        map(x + (c * k * u) / 2, row(f, Kd, (k * u) / 2), k, u / 2, `ds-c${c}`, {
          shade: (i, j) => tapTone(weight(f, c) * tap(c, i, j)),
        }),
      );
    build(two, [
      input,
      [
        `${k} × ${k}`,
        k,
        (x) =>
          range(Cd).map((c) =>
            map(x, row(c, Cd, k * u), k, u, `ds-c${c}`, {
              shade: (i, j) => tapTone(tap(c, i, j)),
              text: (i, j) => tap(c, i, j),
            }),
          ),
      ],
      [
        "maps",
        m,
        (x) =>
          range(Cd).map((c) =>
            map(x, row(c, Cd, m * u), m, u, `ds-c${c}`, { text: (i, j) => geo.mid[c][i * m + j], kind: "middle" }),
          ),
      ],
      ["1 × 1", Cd, (x) => range(Kd).flatMap((f) => weights(f, x))],
      output("output"),
    ]);
    build(one, [
      input,
      [`${k} × ${k} × ${C}`, (Cd * k) / 2, (x) => range(Kd).flatMap((f) => bank(f, x))],
      output("whole"),
    ]);
    show();
  };

  // The first `cells` cells of a map as one path: whole rows, and the part of a row.
  const filled = ({ x, y, side, u }, cells) => {
    const [rows, rest] = [Math.floor(cells / side), cells % side];
    return (
      (rows ? `M${x} ${y}h${side * u}v${rows * u}h${-side * u}z` : "") +
      (rest ? `M${x} ${y + rows * u}h${rest * u}v${u}h${-rest * u}z` : "")
    );
  };
  const show = () => {
    const { P, deep, point: mixing, whole, place, pairs, mid, out, Cd, Kd } = geo;
    const first = t <= P;
    const q = (t - 1) % P;
    const [i, j] = place(q);
    const done = { middle: Math.min(t, P), output: Math.max(0, t - P), whole: Math.min(t, P) };
    for (const own of maps) {
      const { kind, x, y, u, spot } = own;
      if (!kind) continue;
      if (kind !== "input") {
        own.done.setAttribute("d", filled(own, done[kind]));
        own.texts.forEach((node, a) => node.toggleAttribute("hidden", a >= done[kind]));
      }
      const seen = { input: first, middle: true, output: !first, whole: true }[kind];
      spot.toggleAttribute("hidden", !seen);
      const size = (kind === "input" ? k : 1) * u;
      for (const [name, value] of Object.entries({ x: x + j * u, y: y + i * u, width: size, height: size }))
        spot.setAttribute(name, value);
    }
    const totals = [P * (deep + mixing), P * whole];
    const now = [done.middle * deep + done.output * mixing, done.whole * whole];
    bars.forEach(({ fill, text }, a) => {
      fill.style.width = `${(100 * now[a]) / Math.max(...totals)}%`;
      text.textContent = `${count(now[a])} of ${count(totals[a])}`;
    });
    const at = `row ${i + 1}, column ${j + 1}`;
    const lines = first
      ? range(Cd).map(
          (c) =>
            `Channel ${c + 1}: ${
              k < 4
                ? pairs(c, q)
                    .map(([x, w]) => `${x}·${factor(w)}`)
                    .join(" + ")
                : `${k * k} products`
            } = ${signed(mid[c][q])}`,
        )
      : range(Kd).map(
          (f) =>
            `Output ${f + 1}: ${range(C)
              .map((c) => `${factor(weight(f, c))}·${factor(mid[c][q])}`)
              .join(" + ")} = ${signed(out[f][q])}`,
        );
    const more = first ? C - Cd : K - Kd;
    if (more) lines.push(`and ${many(more, first ? "more channel" : "more output")}, counted but not drawn`);
    const said = first
      ? `Step 1, depthwise, at ${at}: ${C} × ${k * k} = ${count(deep)} multiplications. The standard convolution does ${count(whole)} here, and has its ${many(K, "output")}.`
      : `Step 2, pointwise, at ${at}: ${K} × ${C} = ${count(mixing)} multiplications, and the outputs are those of the standard convolution.`;
    const end = t === 2 * P ? ` All done: ${count(now[0])} multiplications against ${count(now[1])}.` : "";
    reading.setAttribute("aria-live", clocked.running ? "off" : "polite");
    reading.replaceChildren(el("p", {}, said + end), ...lines.map((line) => el("p", {}, line)));
    back.disabled = t <= 1;
    next.disabled = last.disabled = t >= 2 * P;
  };
  const go = (to) => {
    t = clamp(to, 1, 2 * geo.P);
    show();
  };
  const point = (event) => {
    const box = event.currentTarget.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    const own = maps.find(
      (o) =>
        o.kind &&
        o.kind !== "input" &&
        o.spot.ownerSVGElement === event.currentTarget &&
        x >= o.x &&
        y >= o.y &&
        x < o.x + o.side * o.u &&
        y < o.y + o.side * o.u,
    );
    if (!own) return;
    clocked.stop();
    go(
      (own.kind === "output" ? geo.P : 0) +
        1 +
        Math.floor((y - own.y) / own.u) * own.side +
        Math.floor((x - own.x) / own.u),
    );
  };

  const update = () => {
    clocked.stop();
    geo = measure();
    t = 1;
    const { m, P, deep, point: mixing, whole } = geo;
    const ratio = (deep + mixing) / whole;
    result.textContent =
      `${n} × ${n} × ${C} becomes ${m} × ${m} × ${K}. The two steps take ${count(P * deep)} + ${count(P * mixing)} = ${count(P * (deep + mixing))} multiplications, the standard convolution ${count(P * whole)}: ` +
      (ratio < 1 ? `${(100 * ratio).toFixed(1)} % of it.` : "here two steps cost more than one.");
    const rows = [
      ["Ratio 1/K + 1/k²", `1/${K} + 1/${k * k} = ${ratio.toFixed(3)}`],
      ["Weights, two steps", `${count(deep)} + ${count(mixing)} = ${count(deep + mixing)}`],
      ["Weights, standard", count(whole)],
    ];
    facts.replaceChildren(...rows.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));
    [C, K, k, n].forEach((value, a) => {
      sliders[a].value = value;
    });
    presets.forEach((node, a) => node.setAttribute("aria-pressed", String(p.presets[a][1]) === String([C, K, k, n])));
    if (width) layout();
  };
  const sliders = [
    [
      "C",
      "channels",
      "red",
      (v) => {
        C = v;
      },
    ],
    [
      "K",
      "filters",
      "violet",
      (v) => {
        K = v;
      },
    ],
    [
      "k",
      "kernel",
      "blue",
      (v) => {
        k = v;
        n = Math.max(n, k);
      },
    ],
    [
      "n",
      "size",
      "green",
      (v) => {
        n = v;
        k = Math.min(n, k);
      },
    ],
  ].map(([symbol, label, color, put], a) =>
    slider({
      label,
      symbol,
      color,
      min: 1,
      max: p.most[a],
      value: p.start[a],
      oninput: (v) => {
        put(v);
        update();
      },
    }),
  );
  const presets = p.presets.map(([name, own]) =>
    button(name, () => {
      [C, K, k, n] = own;
      update();
    }),
  );
  const back = button("Back", () => {
    clocked.stop();
    go(t - 1);
  });
  const next = button("Next", () => {
    clocked.stop();
    go(t + 1);
  });
  const last = button("Finish the step", () => {
    clocked.stop();
    go(t < geo.P ? geo.P : 2 * geo.P);
  });
  update();
  return {
    nodes: [
      el("div", { class: "cx-bar", role: "group", "aria-label": "Sizes to try" }, presets),
      el(
        "div",
        { class: "cx-controls" },
        sliders.map((control) => control.node),
      ),
      result,
      ...bars.map((bar) => bar.node),
      el("div", { class: "cx-bar" }, back, next, clocked.node, last),
      el("div", { class: "ds-panels" }, two, one),
      reading,
      facts,
    ],
    draw: (to) => {
      width = to;
      layout();
    },
  };
};
