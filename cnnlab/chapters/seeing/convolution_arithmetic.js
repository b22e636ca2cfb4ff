import {
  arrows,
  button,
  clamp,
  clock,
  el,
  glider,
  hint,
  KEYS,
  listed,
  many,
  range,
  say,
  sheet,
  svg,
  toggle,
} from "../../widgets/static/core.js";
import { controls } from "../../widgets/static/panel.js";

// Output size of a convolution: sliders, the formula with its numbers, and the kernel moving over the padded input.
export const explore = (p) => {
  const state = { ...p.state };
  const color = Object.fromEntries(p.controls.map((own) => [own.symbol, own.color]));
  const own = controls(p, state, (preset) => {
    if (preset) at.x = at.y = 0;
    update();
  });
  const formula = el("div", { class: "cx-formula" });
  const result = say(p.room);
  const reading = hint(135);
  const hatch = `cx${Math.random().toString(36).slice(2)}`;
  const grid = svg("g");
  const moving = svg("g", { style: "pointer-events:none" });
  const picture = svg(
    "svg",
    {
      tabindex: 0,
      role: "application",
      ...KEYS,
      "aria-label": "Kernel placements. The arrow keys move the kernel over the input.",
      onkeydown: arrows((dx, dy) => {
        timer.stop();
        place(at.x + dx, at.y + dy);
      }),
    },
    svg(
      "defs",
      {},
      svg(
        "pattern",
        { id: hatch, width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" },
        svg("line", { y2: 6, class: "cx-hatch" }),
      ),
    ),
    grid,
    moving,
  );
  const glide = glider();
  const at = { x: 0, y: 0 };
  let from = { x: 0, y: 0 };
  let width = 0;
  let counts = false;
  let geo;

  const measure = () => {
    const { size: n, kernel: k, stride: s, padding: pad, dilation: d } = state;
    const padded = n + 2 * pad;
    const reach = d * (k - 1) + 1;
    const out = padded < reach ? 0 : Math.floor((padded - reach) / s) + 1;
    const reads = range(padded).map(() => 0);
    for (const o of range(out)) for (const t of range(k)) reads[o * s + t * d]++;
    return { n, k, s, pad, d, padded, reach, out, reads, used: out ? (out - 1) * s + reach : 0 };
  };

  const sym = (name) => el("i", { style: `color:var(--cnnlab-${color[name] || "ink"})` }, name);
  const num = (name, value) => el("b", { style: `color:var(--cnnlab-${color[name]})` }, value);
  const floor = (mark) => el("span", { class: "cx-floor" }, mark);
  const row = (top, bottom) => [
    floor("⌊"),
    el("span", { class: "cx-frac" }, el("span", {}, top), el("span", {}, bottom)),
    floor("⌋"),
    "+ 1",
  ];
  const writeFormula = () => {
    const { n, k, s, pad, d, padded, reach, out } = geo;
    const term = (...kids) => el("span", { class: "cx-term" }, ...kids);
    formula.replaceChildren(
      term("out =", row([sym("n"), " + 2", sym("p"), " − ", sym("d"), "(", sym("k"), " − 1) − 1"], sym("s"))),
      term(
        "=",
        row([num("n", n), " + 2·", num("p", pad), " − ", num("d", d), "·(", num("k", k), " − 1) − 1"], num("s", s)),
      ),
      term(
        "=",
        row([String(padded - reach).replace("-", "−")], [s]),
        out ? [" =", el("b", { class: "cx-out" }, out)] : [],
      ),
    );
  };

  // What no placement reads: at the far end, and between the taps.
  const unread = () => {
    const { n, pad, out, reads, used, padded } = geo;
    const end = padded - used;
    const lost = clamp(end - pad, 0, n);
    const gaps = reads.slice(pad, Math.min(used, pad + n)).filter((count) => !count).length;
    const words = [];
    if (lost)
      words.push(
        `The last ${lost === 1 ? "column and the last row are" : `${lost} columns and rows are`} never read: the stride has no room for another step.`,
      );
    else if (end)
      words.push(
        `The last ${end === 1 ? "column and row" : `${end} columns and rows`} of padding ${end === 1 ? "is" : "are"} never read; no pixel is lost.`,
      );
    if (gaps)
      words.push(`${many(gaps, "column")} and as many rows between the taps are never read: the steps jump over them.`);
    return words.join(" ") || `Every pixel is read${out > 1 ? "" : ", all in one placement"}.`;
  };

  const writeResult = () => {
    const { n, k, pad, d, padded, reach, out } = geo;
    const kernel = `${k} × ${k} kernel${d > 1 && k > 1 ? `, spread over ${reach} × ${reach} by its dilation,` : ""}`;
    result.textContent = out
      ? `A ${kernel} turns the ${n} × ${n} input into a ${out} × ${out} output. ${unread()}`
      : `There is no output: the ${kernel} does not fit in an input of ${padded} × ${padded}` +
        (pad ? ", padding included. " : ". ") +
        `Pad by ${Math.ceil((reach - n) / 2)} or more${d > 1 ? ", lower the dilation" : ""} or take a smaller kernel.`;
    result.classList.toggle("cx-no", !out);
  };

  const writeReading = () => {
    const { k, s, d, pad, n, out } = geo;
    if (!out) return reading.replaceChildren();
    const taps = (o) => range(k).map((t) => o * s + t * d - pad);
    const inside = (list) => list.filter((i) => i >= 0 && i < n);
    const [rows, columns] = [taps(at.y), taps(at.x)].map(inside);
    const zeros = k * k - rows.length * columns.length;
    const name = (word, list) => `${word}${list.length === 1 ? "" : "s"} ${listed(list.map((i) => i + 1))}`;
    reading.textContent =
      `Output row ${at.y + 1}, column ${at.x + 1} ` +
      (rows.length && columns.length
        ? `reads ${name("row", rows)} and ${name("column", columns)} of the input`
        : "reads nothing of the input") +
      (zeros ? `; ${zeros} of its ${k * k} taps ${zeros === 1 ? "falls" : "fall"} on padding.` : ".");
  };

  // Where things stand, in pixels: side by side when there is room, one above the other on a phone.
  const layout = () => {
    const { padded, out, reach } = geo;
    const beside = width >= 520;
    const gap = beside ? 64 : 40;
    const shown = Math.max(padded, out ? 0 : reach);
    // One height whatever the sizes, so that nothing below moves.
    const height = beside ? 366 : 540;
    const most = beside
      ? Math.min(330 / shown, (width - gap) / (shown + out))
      : Math.min(width / shown, (height - 44 - (out ? gap : 0)) / (shown + out));
    const cell = Math.floor(10 * Math.min(34, most)) / 10;
    const big = shown * cell;
    const small = out * cell;
    const left = Math.max(0, (width - (beside ? big + (out ? gap + small : 0) : big)) / 2);
    const top = beside ? (height - 36 - big) / 2 + 34 : (height - 44 - big - (out ? gap + small : 0)) / 2 + 34;
    const to = beside
      ? { x: left + big + gap, y: top + (big - small) / 2 }
      : { x: (width - small) / 2, y: top + big + gap };
    return { beside, cell, left, top, to, height };
  };

  const drawStill = () => {
    const { n, k, pad, padded, out, reads, d } = geo;
    const { cell, left, top, to, height } = geo.at;
    sheet(picture, width, height);
    const cells = [];
    const most = Math.max(1, ...reads) ** 2;
    for (const y of range(padded))
      for (const x of range(padded)) {
        const real = Math.min(x, y) >= pad && Math.max(x, y) < pad + n;
        const box = { x: left + x * cell + 1, y: top + y * cell + 1, width: cell - 2, height: cell - 2, rx: 3 };
        const read = reads[x] * reads[y];
        cells.push(
          svg("rect", {
            ...box,
            class: real ? "cx-real" : "cx-pad",
            style: real && counts && `fill-opacity:${0.08 + (0.8 * read) / most}`,
          }),
        );
        if (out && !read)
          cells.push(
            svg("rect", { ...box, class: real ? "cx-unread" : "cx-unread cx-harmless", fill: `url(#${hatch})` }),
          );
        const text = counts ? read : real ? "" : 0;
        if (text !== "" && cell > 15)
          cells.push(svg("text", { x: box.x + cell / 2 - 1, y: box.y + cell / 2 + 3, class: "cx-count" }, text));
      }
    for (const y of range(out))
      for (const x of range(out))
        cells.push(
          svg("rect", {
            x: to.x + x * cell + 1,
            y: to.y + y * cell + 1,
            width: cell - 2,
            height: cell - 2,
            rx: 3,
            class: "cx-result",
            onpointerenter: () => {
              timer.stop();
              place(x, y);
            },
            onpointerdown: () => {
              timer.stop();
              place(x, y);
            },
          }),
        );
    if (!out)
      for (const y of range(k))
        for (const x of range(k))
          cells.push(
            svg("rect", {
              x: left + x * d * cell + 1,
              y: top + y * d * cell + 1,
              width: cell - 2,
              height: cell - 2,
              rx: 3,
              class: "cx-tap cx-toobig",
            }),
          );
    const title = (x, y, words) => svg("text", { x, y: y - 9, "text-anchor": "middle" }, words);
    cells.push(
      title(left + (padded * cell) / 2, top, `input ${n} × ${n}${pad ? `, padded to ${padded} × ${padded}` : ""}`),
    );
    if (out) cells.push(title(to.x + (out * cell) / 2, to.y, `output ${out} × ${out}`));
    grid.replaceChildren(...cells);
  };

  const drawMoving = (fx, fy) => {
    const { k, s, d, reach, out } = geo;
    const { beside, cell, left, top, to } = geo.at;
    if (!out) return moving.replaceChildren();
    const [x, y, r] = [left + fx * s * cell, top + fy * s * cell, reach * cell];
    const [ox, oy] = [to.x + fx * cell, to.y + fy * cell];
    const beam = beside
      ? [x + r, y, ox, oy, ox, oy + cell, x + r, y + r]
      : [x, y + r, ox, oy, ox + cell, oy, x + r, y + r];
    const box = (bx, by, side, name) =>
      svg("rect", { x: bx + 1, y: by + 1, width: side - 2, height: side - 2, rx: 3, class: name });
    moving.replaceChildren(
      ...range(k * k).map((t) => box(x + (t % k) * d * cell, y + Math.floor(t / k) * d * cell, cell, "cx-tap")),
      svg("polygon", { points: beam.join(" "), class: "cx-beam" }),
      box(x - 1, y - 1, r + 2, "cx-window"),
      box(ox, oy, cell, "cx-now"),
    );
  };
  const place = (x, y) => {
    if (!geo.out) return;
    at.x = clamp(x, 0, geo.out - 1);
    at.y = clamp(y, 0, geo.out - 1);
    const [a, b] = [{ ...from }, { ...at }];
    reading.setAttribute("aria-live", timer.running ? "off" : "polite");
    writeReading();
    glide(170, (t) => {
      from = { x: a.x + (b.x - a.x) * t, y: a.y + (b.y - a.y) * t };
      drawMoving(from.x, from.y);
    });
  };
  const step = (by) => {
    const all = geo.out ** 2;
    const next = (at.y * geo.out + at.x + by + all) % all;
    place(next % geo.out, Math.floor(next / geo.out));
  };
  const timer = clock(650, () => step(1));
  const back = button("Back", () => {
    timer.stop();
    step(-1);
  });
  const forth = button("Next", () => {
    timer.stop();
    step(1);
  });

  const update = () => {
    geo = measure();
    writeFormula();
    writeResult();
    if (!geo.out) timer.stop();
    for (const node of [timer.node, back, forth]) node.disabled = !geo.out;
    at.x = clamp(at.x, 0, Math.max(0, geo.out - 1));
    at.y = clamp(at.y, 0, Math.max(0, geo.out - 1));
    from = { ...at };
    writeReading();
    if (!width) return;
    geo.at = layout();
    drawStill();
    glide(0, () => drawMoving(at.x, at.y));
  };
  update();
  return {
    nodes: [
      own.sliders,
      formula,
      result,
      picture,
      reading,
      el(
        "div",
        { class: "cx-bar" },
        timer.node,
        back,
        forth,
        toggle("Reads per cell", false, (on) => {
          counts = on;
          update();
        }),
      ),
      own.presets(el("span", { class: "cx-hint" }, "Try")),
    ],
    draw: (to) => {
      width = to;
      update();
    },
  };
};
