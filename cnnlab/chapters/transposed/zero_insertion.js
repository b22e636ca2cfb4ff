import {
  arrows,
  button,
  choice,
  clamp,
  clock,
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
  tidy,
  toggle,
} from "../../widgets/static/core.js";

// A transposed convolution in two ways: zeros between the pixels and a convolution, or one stamp for each pixel.
export const explore = (p) => {
  const fields = [
    ["n", "input", "blue"],
    ["k", "kernel", "orange"],
    ["s", "stride", "green"],
    ["p", "padding", "violet"],
    ["o", "output padding", "red"],
  ];
  const color = Object.fromEntries(fields.map(([symbol, , own]) => [symbol, own]));
  const state = Object.fromEntries(fields.map(([symbol], i) => [symbol, p.values[i]]));
  let pixels = "numbers";
  let weights = "ones";
  let stamps = false;
  let shown = "values";
  let width = 0;
  let geo;
  const at = { x: 0, y: 0 };
  const controls = fields.map(([symbol, label, own], i) =>
    slider({
      label,
      symbol,
      color: own,
      min: p.limits[i][0],
      max: p.limits[i][1],
      value: state[symbol],
      oninput: (to) => {
        state[symbol] = to;
        update();
      },
    }),
  );
  const formula = el("div", { class: "cx-formula" });
  const result = say(330);
  const reading = hint(135);
  const grid = svg("g");
  const moving = svg("g", { style: "pointer-events:none" });
  const picture = svg(
    "svg",
    {
      tabindex: 0,
      role: "application",
      ...KEYS,
      onkeydown: arrows((dx, dy) => {
        timer.stop();
        place(at.x + dx, at.y + dy);
      }),
    },
    grid,
    moving,
  );
  const tidy4 = (value) => tidy(value, 4);
  const orList = (all) => (all.length < 2 ? all.join("") : `${all.slice(0, -1).join(", ")} or ${all[all.length - 1]}`);
  const distinct = (values) => [...new Set(values.map(tidy4))].sort((a, b) => a - b);

  const measure = () => {
    // What these sliders allow: no input pixel cut away, some output left, an output padding below the stride.
    state.o = Math.min(state.o, state.s - 1);
    const { n, k, s, o } = state;
    const most = Math.min(k - 1, Math.floor((s * (n - 1) + k + o - 1) / 2), p.limits[3][1]);
    state.p = Math.min(state.p, most);
    [n, k, s, state.p, o].forEach((value, i) => {
      if (i > 2) controls[i].node.lastChild.max = i > 3 ? s - 1 : most;
      controls[i].value = value;
    });
    const pad = state.p;
    const out = s * (n - 1) - 2 * pad + k + o;
    const border = k - 1 - pad;
    const wide = s * (n - 1) + 1 + 2 * border + o;
    const X = (i, j) => (pixels === "ones" ? 1 : p.pixels[i][j]);
    const hat = (u) => Math.max(0, 1 - Math.abs(u - (k - 1) / 2) / s);
    const W = (u, v) => (weights === "ones" ? 1 : weights === "triangle" ? hat(u) * hat(v) : p.weights[u][v]);
    // Which taps of which pixels reach output r, along one axis.
    const taps = range(out).map((r) =>
      range(k)
        .map((u) => [(r + pad - u) / s, u])
        .filter(([i]) => Number.isInteger(i) && i >= 0 && i < n),
    );
    const terms = (r, c) => taps[r].flatMap(([i, u]) => taps[c].map(([j, v]) => [X(i, j), W(u, v), i, j]));
    const value = range(out).map((r) => range(out).map((c) => terms(r, c).reduce((sum, [x, w]) => sum + x * w, 0)));
    const count = range(out).map((r) => range(out).map((c) => taps[r].length * taps[c].length));
    // Away from the border, outputs differ only by where they stand between the stamps.
    const phase = (u) => range(k).filter((t) => t % s === u);
    const pairs = range(s * s).map((f) => [phase(f % s), phase(Math.floor(f / s))]);
    const overlaps = distinct(pairs.map(([a, b]) => a.length * b.length));
    const flat = distinct(
      pairs.map(([a, b]) => a.reduce((sum, u) => sum + b.reduce((part, v) => part + W(u, v), 0), 0)),
    );
    return { n, k, s, pad, o, out, border, wide, X, W, terms, value, count, overlaps, flat };
  };

  const writeFormula = () => {
    const { n, k, s, pad, o, out } = geo;
    const b = (name, text) => el("b", { style: `color:var(--cnnlab-${color[name]})` }, text);
    const sum = (...five) => [
      b("s", five[0]),
      "(",
      b("n", five[1]),
      " − 1) − 2",
      five[5],
      b("p", five[2]),
      " + ",
      b("k", five[3]),
      " + ",
      b("o", five[4]),
    ];
    formula.replaceChildren(
      el("span", {}, "out = ", sum("s", "n", "p", "k", "o", "")),
      el("span", {}, "= ", sum(s, n, pad, k, o, "·")),
      el("span", {}, "= ", el("b", { class: "cx-out" }, out)),
    );
  };

  const writeResult = () => {
    const { n, k, s, out, border, o, overlaps, flat } = geo;
    const zeros = [
      s > 1 && `${many(s - 1, "zero")} between neighboring pixels`,
      border && `${border} on each side`,
      o && `${o} more at the right and bottom`,
    ].filter(Boolean);
    const even = overlaps.length === 1;
    const gaps = overlaps[0] === "0";
    result.textContent =
      `${n} × ${n} pixels become ${out} × ${out}. ` +
      (zeros.length ? `Zeros to insert: ${listed(zeros)}. ` : "No zeros to insert. ") +
      (even
        ? `Inside, ${many(+overlaps[0], "stamp")} ${overlaps[0] === "1" ? "falls" : "fall"} on every output pixel: ${s} divides ${k}, so the overlap is even. `
        : `Inside, ${orList(overlaps)} stamps fall on an output pixel: ${gaps ? `the kernel is smaller than the stride and leaves gaps. ` : `${s} does not divide ${k}, so the overlap is a checkerboard. `}`) +
      (flat.length === 1
        ? `With these weights a flat input of ones comes out flat, ${flat[0]} everywhere inside.`
        : `With these weights a flat input of ones comes out as ${listed(flat)}, by turns.`);
  };

  const writeReading = () => {
    const { s, k, pad, out, X, terms, value } = geo;
    if (stamps) {
      const span = (i, word) => {
        const [a, b] = [Math.max(0, i * s - pad) + 1, Math.min(out, i * s - pad + k)];
        return a > b ? null : a === b ? `${word} ${a}` : `${word}s ${a} to ${b}`;
      };
      const [rows, columns] = [span(at.y, "row"), span(at.x, "column")];
      reading.textContent =
        `Input row ${at.y + 1}, column ${at.x + 1} holds ${X(at.y, at.x)}: it adds ${X(at.y, at.x)} times the kernel to ` +
        (rows && columns ? `${rows}, ${columns} of the output.` : "nothing that the padding leaves.");
      return;
    }
    const all = terms(at.y, at.x);
    reading.textContent =
      `Output row ${at.y + 1}, column ${at.x + 1}: ${all.length} of the ${k * k} taps ${all.length === 1 ? "meets a pixel" : "meet pixels"}, ` +
      `the rest zeros. ` +
      (all.length
        ? `${all
            .slice(0, 9)
            .map(([x, w]) => `${x}·${tidy4(w)}`)
            .join(" + ")} = ${tidy4(value[at.y][at.x])}`
        : "The sum is 0.");
  };

  // Side by side when there is room, one above the other on a phone; the kernel stands between.
  const layout = () => {
    const { n, wide, out, k } = geo;
    const first = stamps ? n : wide;
    const beside = width >= 520;
    const gap = beside ? 26 : 34;
    // One height whatever the sizes, so that nothing below moves.
    const height = beside ? 354 : 640;
    const most = beside
      ? Math.min((width - 2 * gap) / (first + out + k * 0.8), (height - 34) / Math.max(first, out))
      : Math.min(
          Math.min(width, 320) / Math.max(first, out),
          (height - 30 - 2 * gap - 13 * k) / (first + out),
          (height - 30 - 2 * gap) / (first + out + 0.8 * k),
        );
    const cell = Math.floor(10 * Math.min(32, most)) / 10;
    const tap = Math.max(13, Math.min(24, Math.floor(cell * 0.8)));
    const total = first * cell + out * cell + k * tap + 2 * gap;
    const middle = (height - 34) / 2 + 24;
    const left = Math.max(0, (width - total) / 2);
    const center = (size) => (width - size) / 2;
    const boxes = beside
      ? [
          [left, middle - (first * cell) / 2],
          [left + first * cell + gap, middle - (k * tap) / 2],
          [left + first * cell + 2 * gap + k * tap, middle - (out * cell) / 2],
        ]
      : [
          [center(first * cell), 24],
          [center(k * tap), 24 + first * cell + gap],
          [center(out * cell), 24 + first * cell + 2 * gap + k * tap],
        ];
    return { cell, tap, boxes, height };
  };

  const cellAt = ([left, top], x, y, cell, name, text, more) => [
    svg("rect", {
      x: left + x * cell + 1,
      y: top + y * cell + 1,
      width: cell - 2,
      height: cell - 2,
      rx: 3,
      class: name,
      ...more,
    }),
    text != null &&
      cell > 13 &&
      svg(
        "text",
        {
          x: left + (x + 0.5) * cell,
          y: top + (y + 0.5) * cell + 4,
          class: "cx-count",
          style: `font-size:${clamp(cell * (text.length > 2 ? 0.37 : 0.5), 6, 13)}px`,
        },
        text,
      ),
  ];

  const drawStill = () => {
    const { n, k, s, out, border, wide, X, W, value, count } = geo;
    const { cell, tap, boxes, height } = geo.at;
    sheet(picture, width, height);
    const cells = [];
    const title = ([left, top], size, words) =>
      cells.push(
        svg("text", { x: clamp(left + size / 2, 70, width - 70), y: top - 8, "text-anchor": "middle" }, words),
      );
    const pick = (x, y) => ({
      onpointerenter: () => {
        timer.stop();
        place(x, y);
      },
      onpointerdown: () => {
        timer.stop();
        place(x, y);
      },
    });
    if (stamps)
      for (const y of range(n))
        for (const x of range(n)) cells.push(cellAt(boxes[0], x, y, cell, "cx-real", String(X(y, x)), pick(x, y)));
    else
      for (const y of range(wide))
        for (const x of range(wide)) {
          const [i, j] = [(y - border) / s, (x - border) / s];
          const real = Number.isInteger(i) && Number.isInteger(j) && Math.min(i, j) >= 0 && Math.max(i, j) < n;
          const between = Math.min(x, y) >= border && Math.max(x, y) <= border + s * (n - 1);
          cells.push(
            cellAt(
              boxes[0],
              x,
              y,
              cell,
              real ? "cx-real" : between ? "cx-between" : "cx-around",
              real ? String(X(i, j)) : "0",
            ),
          );
        }
    title(boxes[0], (stamps ? n : wide) * cell, stamps ? `input ${n} × ${n}` : `with zeros ${wide} × ${wide}`);
    const turn = (u) => (stamps ? u : k - 1 - u);
    for (const u of range(k))
      for (const v of range(k)) cells.push(cellAt(boxes[1], v, u, tap, "cx-tap", tidy(W(turn(u), turn(v)))));
    title(boxes[1], k * tap, stamps || k < 2 ? "kernel" : "kernel, turned");
    const what = shown === "values" ? value : count;
    const top = Math.max(1e-9, ...what.flat());
    for (const y of range(out))
      for (const x of range(out))
        cells.push(
          cellAt(boxes[2], x, y, cell, "cx-result", tidy(what[y][x]), {
            style: `fill-opacity:${0.06 + (0.6 * what[y][x]) / top}`,
            "data-v": tidy4(value[y][x]),
            "data-n": count[y][x],
            ...(stamps ? {} : pick(x, y)),
          }),
        );
    title(boxes[2], out * cell, shown === "values" ? `output ${out} × ${out}` : `stamps on each of ${out} × ${out}`);
    grid.replaceChildren(...cells.flat().filter(Boolean));
    picture.setAttribute(
      "aria-label",
      stamps
        ? "Input, kernel and output. The arrow keys choose the input pixel that stamps."
        : "Input with zeros, kernel and output. The arrow keys choose the output pixel.",
    );
  };

  const drawMoving = () => {
    const { k, s, pad, out, terms } = geo;
    const { cell, boxes } = geo.at;
    const frame = ([left, top], x, y, across, down, name) =>
      across > 0 &&
      down > 0 &&
      svg("rect", {
        x: left + x * cell,
        y: top + y * cell,
        width: across * cell,
        height: down * cell,
        rx: 4,
        class: name,
      });
    const cut = (i) => [clamp(i * s - pad, 0, out), clamp(i * s - pad + k, 0, out)];
    const [[x0, x1], [y0, y1]] = [cut(at.x), cut(at.y)];
    moving.replaceChildren(
      ...(stamps
        ? [frame(boxes[0], at.x, at.y, 1, 1, "cx-now"), frame(boxes[2], x0, y0, x1 - x0, y1 - y0, "cx-window")]
        : [
            ...terms(at.y, at.x).map(([, , i, j]) =>
              frame(boxes[0], geo.border + j * s, geo.border + i * s, 1, 1, "cx-hit"),
            ),
            frame(boxes[0], at.x, at.y, k, k, "cx-window"),
            frame(boxes[2], at.x, at.y, 1, 1, "cx-now"),
          ]
      ).filter(Boolean),
    );
  };

  const places = () => (stamps ? geo.n : geo.out);
  const place = (x, y) => {
    at.x = clamp(x, 0, places() - 1);
    at.y = clamp(y, 0, places() - 1);
    reading.setAttribute("aria-live", timer.running ? "off" : "polite");
    writeReading();
    if (width) drawMoving();
  };
  const step = (by) => {
    const all = places() ** 2;
    const next = (at.y * places() + at.x + by + all) % all;
    place(next % places(), Math.floor(next / places()));
  };
  const timer = clock(650, () => step(1));
  const update = () => {
    geo = measure();
    writeFormula();
    writeResult();
    if (width) {
      geo.at = layout();
      drawStill();
    }
    place(at.x, at.y);
  };
  const kernels = choice({
    label: "Kernel",
    value: weights,
    options: [
      ["ones", "Ones"],
      ["triangle", "Triangle"],
      ["numbers", "Numbers"],
    ],
    onchange: (to) => {
      weights = to;
      update();
    },
  });
  const tries = p.presets.map(([name, values]) =>
    button(name, () => {
      fields.forEach(([symbol], i) => {
        state[symbol] = values[i];
      });
      kernels.value = weights = values[5];
      at.x = at.y = 0;
      update();
    }),
  );
  const bar = (...kids) => el("div", { class: "cx-bar" }, kids);
  update();
  return {
    nodes: [
      bar(
        choice({
          label: "See it as",
          value: false,
          options: [
            [false, "Zeros, then convolve"],
            [true, "Stamps"],
          ],
          onchange: (to) => {
            stamps = to;
            timer.stop();
            at.x = at.y = 0;
            update();
          },
        }).node,
      ),
      el(
        "div",
        { class: "cx-controls" },
        controls.map((control) => control.node),
      ),
      formula,
      result,
      picture,
      reading,
      bar(
        timer.node,
        button("Back", () => {
          timer.stop();
          step(-1);
        }),
        button("Next", () => {
          timer.stop();
          step(1);
        }),
        toggle("Count stamps", false, (on) => {
          shown = on ? "counts" : "values";
          update();
        }),
      ),
      bar(
        kernels.node,
        choice({
          label: "Input",
          value: pixels,
          options: [
            ["numbers", "Numbers"],
            ["ones", "All ones"],
          ],
          onchange: (to) => {
            pixels = to;
            update();
          },
        }).node,
      ),
      el(
        "div",
        { class: "cx-bar", role: "group", "aria-label": "Settings to try" },
        el("span", { class: "cx-hint" }, "Try"),
        tries,
      ),
    ],
    draw: (to) => {
      width = to;
      update();
    },
  };
};
