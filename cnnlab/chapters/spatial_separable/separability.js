import { button, bytes, el, KEYS, percent, range, sized, svg, tidy } from "../../widgets/static/core.js";
import { painting, panel, sliding, typing } from "../../widgets/static/panel.js";

// One-sided Jacobi: turn pairs of columns of a until all are at right angles; v collects the turns. a = u s v'.
export const decompose = (weights) => {
  const k = Math.sqrt(weights.length);
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

// One of the kernels that turn, at an angle in degrees: 5 × 5 with a peak of 10.
export const turned = (name, degrees) => {
  const a = (degrees * Math.PI) / 180;
  return range(25).map((n) => {
    const [x, y] = [(n % 5) - 2, ((n / 5) | 0) - 2];
    const [along, across] = [x * Math.cos(a) + y * Math.sin(a), y * Math.cos(a) - x * Math.sin(a)];
    const bell = (m, c) => Math.exp(-(along ** 2) / (2 * m * m) - across ** 2 / (2 * c * c));
    const height = {
      Gabor: bell(1.4, 1.4) * Math.cos((Math.PI * across) / 2),
      "Long Gaussian": bell(1.8, 0.7),
      "Round Gaussian": bell(1, 1),
    };
    return 10 * height[name];
  });
};

// The sum of the first terms, as weights row by row.
export const kept = (terms, count) => {
  const k = terms.length;
  return range(k * k).map((n) =>
    terms.slice(0, count).reduce((sum, t) => sum + (t.real ? t.column[(n / k) | 0] * t.row[n % k] : 0), 0),
  );
};

// A photo of side × side filtered by a kernel whose weights' sizes add up to scale: gray, as RGBA.
export const filtered = (photo, side, kernel, scale, signed) => {
  const k = Math.sqrt(kernel.length);
  const o = side - k + 1;
  const data = new Uint8ClampedArray(4 * o * o).fill(255);
  for (let y = 0; y < o; y++)
    for (let x = 0; x < o; x++) {
      let sum = 0;
      for (let i = 0; i < k; i++) for (let j = 0; j < k; j++) sum += kernel[i * k + j] * photo[(y + i) * side + x + j];
      const v = sum / scale;
      data.fill(signed ? 128 + 2 * v : v, 4 * (y * o + x), 4 * (y * o + x) + 3);
    }
  return { width: o, height: o, data };
};

export const explain = ({ terms, rank }, keep) => {
  const k = terms.length;
  if (!rank) return "All weights are 0: rank 0, nothing to take apart. Type a number into a cell.";
  const energy = terms.slice(0, keep).reduce((sum, t) => sum + t.share, 0);
  const used = Math.min(keep, rank);
  const cost = `${used === 1 ? "A column and a row take" : `${used} columns and rows take`} ${used * 2 * k} multiplications for each pixel, the kernel ${k * k}.`;
  if (rank === 1) return `Rank 1: the kernel is one column times one row, so it is separable. ${cost}`;
  const error = Math.sqrt(Math.max(0, 1 - energy));
  return `Rank ${rank}: no single column times a row makes this kernel. ${
    used === rank
      ? `${rank === 2 ? "Both" : `All ${rank}`} terms together are exact. `
      : `${used === 1 ? "The best one keeps" : `The best ${used} keep`} ${percent(100 * energy)} of its energy and leave${used === 1 ? "s" : ""} a relative error of ${error.toFixed(3)}. `
  }${cost}`;
};

const hue = (v) => `var(--cnnlab-${v < 0 ? "orange" : "blue"})`;

// A term as its column, its row and their product.
const drawTerm = (t, number, off, scale, k) => {
  const u = k > 3 ? 26 : 36;
  const gap = 8;
  const side = (k + 1) * u + gap;
  const cell = (v, x, y, peak, name) => {
    const box = { x: x + 1, y: y + 1, width: u - 2, height: u - 2, rx: 3 };
    const opacity = (0.55 * Math.min(1, Math.abs(v) / peak)).toFixed(3);
    return [
      svg("rect", { ...box, class: name }),
      svg("rect", { ...box, fill: hue(v), "fill-opacity": opacity }),
      svg("text", { x: x + u / 2, y: y + u / 2 + 4 }, tidy(v)),
    ];
  };
  const top = (list) => Math.max(...list.map(Math.abs));
  const said = `Term ${number}: the column ${t.column.map((v) => tidy(v)).join(", ")} times the row ${t.row.map((v) => tidy(v)).join(", ")}`;
  const parts = () => [
    t.column.map((c, i) => cell(c, 0, (i + 1) * u + gap, top(t.column), "sp-line")),
    t.row.map((r, j) => cell(r, (j + 1) * u + gap, 0, top(t.row), "sp-line")),
    t.column.map((c, i) => t.row.map((r, j) => cell(c * r, (j + 1) * u + gap, (i + 1) * u + gap, scale, "sp-cell"))),
    svg("text", { x: u / 2, y: u / 2 + 5 }, "×"),
  ];
  return el(
    "div",
    { class: `sp-term${off ? " sp-off" : ""}` },
    el("div", { class: "sp-head" }, el("b", {}, `term ${number}`), ` σ = ${tidy(t.sigma)}, ${percent(100 * t.share)}`),
    el("div", { class: "sp-bar" }, el("i", { style: `width:${(100 * t.share).toFixed(2)}%` })),
    t.real && sized(side, side, { class: k > 3 ? "sp-small" : null, role: "img", "aria-label": said }, parts().flat(9)),
  );
};

// A kernel to edit, its singular value decomposition as columns times rows, and a photo filtered by all terms and by a few.
const view = ({ weights, terms: keep }, _width, { photo, side }) => {
  const found = decompose(weights);
  const peak = Math.max(1e-9, ...weights.map(Math.abs));
  const scale = weights.reduce((sum, v) => sum + Math.abs(v), 0) || 1;
  const signed = weights.some((v) => v < 0);
  const shade = (v) => `color-mix(in srgb, ${hue(v)} ${Math.round((45 * Math.abs(v)) / peak)}%, var(--cnnlab-paper))`;
  return {
    text: explain(found, keep),
    cells: { weights: weights.map((v) => ({ style: `background:${shade(v)}` })) },
    images: {
      whole: filtered(photo, side, weights, scale, signed),
      part: filtered(photo, side, kept(found.terms, keep), scale, signed),
    },
    parts: {
      caption: keep === 1 ? "by the first term alone" : `by the first ${keep} terms`,
      terms: found.terms.map((t, i) => drawTerm(t, i + 1, i >= keep, peak, found.terms.length)),
    },
  };
};

// A kernel that turns follows its angle until a weight is typed or another kernel chosen.
export const settle = ({ shape, angle, weights, clear }, moved) => {
  if (clear) return { weights: weights.map(() => 0), shape: "", clear: false };
  if (moved === "weights") return { shape: "" };
  return shape ? { weights: turned(shape, angle) } : {};
};

const REGION = { class: "sp-terms", tabindex: 0, role: "region", "aria-label": "Terms of the kernel", ...KEYS };

export const explore = panel(view, {
  kinds: { sliding, typing },
  also: [painting],
  decode: ({ side, pixels }) => ({ side, photo: bytes(pixels) }),
  settle,
  limits: ({ weights, shape }) => ({ terms: { high: Math.sqrt(weights.length) }, angle: { hidden: !shape } }),
  layout: (own) => {
    const clear = button("Clear", () => own.set({ clear: true }));
    const photo = (name, label, caption) =>
      el("div", { class: "sp-photo" }, own.part(name, { role: "img", "aria-label": label }, "canvas"), caption);
    return [
      own.bar(own.presets(), clear),
      own.sliders,
      own.text,
      el(
        "div",
        { class: "sp-bench" },
        el(
          "div",
          { class: "sp-kernel" },
          own.control("weights"),
          el("div", { class: "cx-hint" }, "kernel: change any number"),
        ),
        el(
          "div",
          { class: "sp-photos" },
          photo("whole", "the photo, by the kernel", el("div", { class: "cx-hint" }, "the photo, by the kernel")),
          photo("part", "the photo, by the kept terms", own.part("caption", { class: "cx-hint" })),
        ),
      ),
      el("p", { class: "cx-hint" }, "The kernel is the sum of these terms, the strongest first:"),
      own.part("terms", REGION),
    ];
  },
});
