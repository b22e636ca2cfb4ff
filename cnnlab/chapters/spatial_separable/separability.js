import { button, bytes, clamp, el, KEYS, range, say, slider, svg, tidy } from "../../widgets/static/core.js";

// A kernel to edit, its singular value decomposition as columns times rows, and a photo filtered by all terms and by a few.
export const explore = (p) => {
  const s = p.side;
  const photo = bytes(p.pixels);
  let weights = [...p.weights];
  let k = Math.sqrt(weights.length);
  let keep = p.terms;
  let shape = "";
  let angle = 30;
  let inputs = [];
  const percent = (v) => (v > 0.9995 || v < 0.0005 ? `${Math.round(100 * v)} %` : `${(100 * v).toFixed(1)} %`);

  // One-sided Jacobi: turn pairs of columns of a until all are at right angles; v collects the turns. a = u s v'.
  const decompose = () => {
    const a = range(k).map((j) => range(k).map((i) => weights[i * k + j]));
    const v = range(k).map((j) => range(k).map((i) => +(i === j)));
    const dot = (x, y) => x.reduce((sum, own, i) => sum + own * y[i], 0);
    const peak = dot(weights, weights);
    for (let sweep = 0, moved = true; moved && sweep < 40; sweep++) {
      moved = false;
      for (let i = 0; i < k; i++)
        for (let j = i + 1; j < k; j++) {
          const [x, y, z] = [dot(a[i], a[i]), dot(a[j], a[j]), dot(a[i], a[j])];
          if (Math.abs(z) <= 1e-15 * Math.sqrt(x * y) || Math.abs(z) < 1e-26 * peak) continue;
          moved = true;
          const t = (y - x) / (2 * z);
          const tan = (t < 0 ? -1 : 1) / (Math.abs(t) + Math.hypot(1, t));
          const cos = 1 / Math.hypot(1, tan);
          for (const m of [a, v])
            range(k).forEach((r) => {
              const [own, other] = [m[i][r], m[j][r]];
              m[i][r] = cos * (own - tan * other);
              m[j][r] = cos * (other + tan * own);
            });
        }
    }
    const terms = a
      .map((column, j) => ({ sigma: Math.sqrt(dot(column, column)), column, row: v[j] }))
      .sort((x, y) => y.sigma - x.sigma);
    const energy = terms.reduce((sum, t) => sum + t.sigma ** 2, 0);
    const real = terms.filter((t) => t.sigma > 1e-6 * terms[0].sigma);
    for (const t of terms) {
      t.share = energy ? t.sigma ** 2 / energy : 0;
      t.real = real.includes(t);
      if (!t.real) continue;
      // Column and row share the scale evenly, unless whole numbers do.
      const [down, along] = [t.column.map((c) => c / Math.sqrt(t.sigma)), t.row.map((r) => r * Math.sqrt(t.sigma))];
      const most = down.reduce((m, c) => (Math.abs(c) > Math.abs(m) + 1e-9 ? c : m), 0);
      const scaled = (to) => [down.map((c) => (c * to) / most), along.map((r) => (r * most) / to)];
      const near = (m) =>
        m.every((list) => list.some((x) => Math.abs(x) > 0.5) && list.every((x) => Math.abs(x - Math.round(x)) < 1e-6));
      const fine = range(12)
        .map((i) => i + 1)
        .find((to) => near(scaled(to)));
      [t.column, t.row] = scaled(fine || Math.abs(most));
      if (fine) [t.column, t.row] = [t.column.map(Math.round), t.row.map(Math.round)];
    }
    return { terms, rank: real.length };
  };

  const tint = (v, scale) => ({
    fill: `var(--cnnlab-${v < 0 ? "orange" : "blue"})`,
    "fill-opacity": (0.55 * Math.min(1, Math.abs(v) / scale)).toFixed(3),
  });
  const drawTerm = (t, number, scale) => {
    const u = k > 3 ? 26 : 36;
    const gap = 8;
    const side = (k + 1) * u + gap;
    const cell = (v, x, y, peak, name) => [
      svg("rect", { x: x + 1, y: y + 1, width: u - 2, height: u - 2, rx: 3, class: name }),
      svg("rect", { x: x + 1, y: y + 1, width: u - 2, height: u - 2, rx: 3, ...tint(v, peak) }),
      svg("text", { x: x + u / 2, y: y + u / 2 + 4 }, tidy(v)),
    ];
    const top = (list) => Math.max(...list.map(Math.abs));
    const kids = t.real && [
      t.column.map((c, i) => cell(c, 0, (i + 1) * u + gap, top(t.column), "sp-line")),
      t.row.map((r, j) => cell(r, (j + 1) * u + gap, 0, top(t.row), "sp-line")),
      t.column.map((c, i) => t.row.map((r, j) => cell(c * r, (j + 1) * u + gap, (i + 1) * u + gap, scale, "sp-cell"))),
      svg("text", { x: u / 2, y: u / 2 + 5 }, "×"),
    ];
    const said = `Term ${number}: the column ${t.column.map(tidy).join(", ")} times the row ${t.row.map(tidy).join(", ")}`;
    return el(
      "div",
      {
        class: `sp-term${number > keep ? " sp-off" : ""}`,
        "data-sigma": t.sigma,
        "data-share": t.share,
        "data-column": t.real ? t.column : null,
        "data-row": t.real ? t.row : null,
      },
      el("div", { class: "sp-head" }, el("b", {}, `term ${number}`), ` σ = ${tidy(t.sigma)}, ${percent(t.share)}`),
      el("div", { class: "sp-bar" }, el("i", { style: `width:${(100 * t.share).toFixed(2)}%` })),
      t.real &&
        svg(
          "svg",
          {
            class: k > 3 ? "sp-small" : null,
            viewBox: `0 0 ${side} ${side}`,
            role: "img",
            "aria-label": said,
            style: `width:${side}px`,
          },
          kids,
        ),
    );
  };

  const filtered = (kernel, canvas, scale, signed) => {
    const o = s - k + 1;
    canvas.width = canvas.height = o;
    const image = new ImageData(o, o);
    for (let y = 0; y < o; y++)
      for (let x = 0; x < o; x++) {
        let sum = 0;
        for (let i = 0; i < k; i++) for (let j = 0; j < k; j++) sum += kernel[i * k + j] * photo[(y + i) * s + x + j];
        const v = sum / scale;
        image.data.fill(signed ? 128 + 2 * v : v, 4 * (y * o + x), 4 * (y * o + x) + 3);
        image.data[4 * (y * o + x) + 3] = 255;
      }
    canvas.getContext("2d").putImageData(image, 0, 0);
  };
  const board = (label) => {
    const canvas = el("canvas", { role: "img", "aria-label": label });
    const caption = el("div", { class: "cx-hint" }, label);
    return { canvas, caption, node: el("div", { class: "sp-photo" }, canvas, caption) };
  };
  const [whole, part] = [board("the photo, by the kernel"), board("by the kept terms")];

  const explain = ({ terms, rank }) => {
    if (!rank) return "All weights are 0: rank 0, nothing to take apart. Type a number into a cell.";
    const kept = terms.slice(0, keep).reduce((sum, t) => sum + t.share, 0);
    const used = Math.min(keep, rank);
    const cost = `${used === 1 ? "A column and a row take" : `${used} columns and rows take`} ${used * 2 * k} multiplications for each pixel, the kernel ${k * k}.`;
    if (rank === 1) return `Rank 1: the kernel is one column times one row, so it is separable. ${cost}`;
    const error = Math.sqrt(Math.max(0, 1 - kept));
    return `Rank ${rank}: no single column times a row makes this kernel. ${
      used === rank
        ? `${rank === 2 ? "Both" : `All ${rank}`} terms together are exact. `
        : `${used === 1 ? "The best one keeps" : `The best ${used} keep`} ${percent(kept)} of its energy and leave${used === 1 ? "s" : ""} a relative error of ${error.toFixed(3)}. `
    }${cost}`;
  };

  const update = () => {
    const found = decompose();
    const { terms } = found;
    const peak = Math.max(1e-9, ...weights.map(Math.abs));
    inputs.forEach((input, i) => {
      const v = weights[i];
      input.style.background = `color-mix(in srgb, var(--cnnlab-${v < 0 ? "orange" : "blue"}) ${Math.round((45 * Math.abs(v)) / peak)}%, var(--cnnlab-paper))`;
    });
    result.textContent = explain(found);
    result.dataset.rank = found.rank;
    panel.replaceChildren(...terms.map((t, i) => drawTerm(t, i + 1, peak)));
    const few = range(k * k).map((n) =>
      terms.slice(0, keep).reduce((sum, t) => sum + (t.real ? t.column[(n / k) | 0] * t.row[n % k] : 0), 0),
    );
    const scale = weights.reduce((sum, v) => sum + Math.abs(v), 0) || 1;
    const signed = weights.some((v) => v < 0);
    filtered(weights, whole.canvas, scale, signed);
    filtered(few, part.canvas, scale, signed);
    part.caption.textContent = keep === 1 ? "by the first term alone" : `by the first ${keep} terms`;
    part.canvas.setAttribute("aria-label", `the photo, ${part.caption.textContent}`);
    presets.forEach((node, i) =>
      node.setAttribute("aria-pressed", String(!shape && String(p.presets[i][1]) === String(weights))),
    );
    shapes.forEach((node, i) => node.setAttribute("aria-pressed", String(p.turned[i] === shape)));
    turn.node.hidden = !shape;
  };
  const load = (to, name = "") => {
    const before = k;
    shape = name;
    weights = [...to];
    k = Math.sqrt(weights.length);
    if (k !== before || !inputs.length) {
      inputs = range(k * k).map((i) =>
        el("input", {
          type: "number",
          step: "any",
          inputmode: "decimal",
          ...KEYS,
          "aria-label": `weight, row ${Math.floor(i / k) + 1}, column ${(i % k) + 1}`,
          oninput: () => {
            weights[i] = clamp(+inputs[i].value || 0, -p.most, p.most);
            shape = "";
            update();
          },
        }),
      );
      grid.replaceChildren(...inputs);
      grid.style.setProperty("--k", k);
      terms.node.querySelector("input").max = k;
      terms.value = keep = Math.min(keep, k);
    }
    inputs.forEach((input, i) => {
      input.value = +weights[i].toFixed(2);
    });
    update();
  };
  const turned = (name) => {
    const a = (angle * Math.PI) / 180;
    load(
      range(25).map((n) => {
        const [x, y] = [(n % 5) - 2, ((n / 5) | 0) - 2];
        const [along, across] = [x * Math.cos(a) + y * Math.sin(a), y * Math.cos(a) - x * Math.sin(a)];
        const bell = (m, c) => Math.exp(-(along ** 2) / (2 * m * m) - across ** 2 / (2 * c * c));
        const height =
          name === "Gabor"
            ? bell(1.4, 1.4) * Math.cos((Math.PI * across) / 2)
            : name === "Long Gaussian"
              ? bell(1.8, 0.7)
              : bell(1, 1);
        return 10 * height;
      }),
      name,
    );
  };
  const result = say(225);
  const grid = el("div", { class: "sp-grid", role: "group", "aria-label": "Weights of the kernel" });
  const panel = el("div", {
    class: "sp-terms",
    tabindex: 0,
    role: "region",
    "aria-label": "Terms of the kernel",
    ...KEYS,
  });
  const presets = p.presets.map(([name, own]) => button(name, () => load(own)));
  const shapes = p.turned.map((name) => button(name, () => turned(name)));
  const terms = slider({
    label: "terms kept",
    symbol: "r",
    color: "green",
    min: 1,
    max: k,
    value: keep,
    oninput: (to) => {
      keep = to;
      update();
    },
  });
  const turn = slider({
    label: "angle",
    color: "violet",
    min: 0,
    max: 90,
    step: 5,
    value: angle,
    format: (v) => `${v}°`,
    oninput: (to) => {
      angle = to;
      turned(shape);
    },
  });
  load(p.weights);
  return {
    nodes: [
      el(
        "div",
        { class: "cx-bar", role: "group", "aria-label": "Kernels to try" },
        presets,
        shapes,
        button("Clear", () => load(weights.map(() => 0))),
      ),
      el("div", { class: "cx-controls" }, terms.node, turn.node),
      result,
      el(
        "div",
        { class: "sp-bench" },
        el("div", { class: "sp-kernel" }, grid, el("div", { class: "cx-hint" }, "kernel: change any number")),
        el("div", { class: "sp-photos" }, whole.node, part.node),
      ),
      el("p", { class: "cx-hint" }, "The kernel is the sum of these terms, the strongest first:"),
      panel,
    ],
    draw: () => {},
  };
};
