import { clamp, el, listed, many, range, signed, sized, svg } from "../../widgets/static/core.js";
import { gliding, panel, picking, sliding, stepping, toggling } from "../../widgets/static/panel.js";

// reads[i]: how many placements read the padded row i; used: how many rows the placements span.
export const measure = ({ size: n, kernel: k, stride: s, padding: pad, dilation: d }) => {
  const padded = n + 2 * pad;
  const reach = d * (k - 1) + 1;
  const out = padded < reach ? 0 : Math.floor((padded - reach) / s) + 1;
  const reads = range(padded).map(() => 0);
  for (const o of range(out)) for (const t of range(k)) reads[o * s + t * d]++;
  return { n, k, s, pad, d, padded, reach, out, reads, used: out ? (out - 1) * s + reach : 0 };
};

const formula = ({ n, k, s, pad, d, padded, reach, out }, colors) => {
  const sym = (name) => el("i", { style: `color:var(--cnnlab-${colors[name]})` }, name);
  const num = (name, value) => el("b", { style: `color:var(--cnnlab-${colors[name]})` }, value);
  const floor = (mark) => el("span", { class: "cx-floor" }, mark);
  const row = (top, bottom) => [
    floor("⌊"),
    el("span", { class: "cx-frac" }, el("span", {}, top), el("span", {}, bottom)),
    floor("⌋"),
    "+ 1",
  ];
  const term = (...kids) => el("span", { class: "cx-term" }, kids);
  return [
    term("out =", row([sym("n"), " + 2", sym("p"), " − ", sym("d"), "(", sym("k"), " − 1) − 1"], sym("s"))),
    term(
      "=",
      row([num("n", n), " + 2·", num("p", pad), " − ", num("d", d), "·(", num("k", k), " − 1) − 1"], num("s", s)),
    ),
    term("=", row(signed(padded - reach), s), out ? [" =", el("b", { class: "cx-out" }, out)] : []),
  ];
};

// What no placement reads: at the far end, and between the taps.
const unread = ({ n, pad, out, reads, used, padded }) => {
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

export const explain = (geo) => {
  const { n, k, pad, d, padded, reach, out } = geo;
  const kernel = `${k} × ${k} kernel${d > 1 && k > 1 ? `, spread over ${reach} × ${reach} by its dilation,` : ""}`;
  return out
    ? `A ${kernel} turns the ${n} × ${n} input into a ${out} × ${out} output. ${unread(geo)}`
    : `There is no output: the ${kernel} does not fit in an input of ${padded} × ${padded}` +
        (pad ? ", padding included. " : ". ") +
        `Pad by ${Math.ceil((reach - n) / 2)} or more${d > 1 ? ", lower the dilation" : ""} or take a smaller kernel.`;
};

// What the output at column x and row y reads.
export const tell = ({ k, s, d, pad, n, out }, x, y) => {
  if (!out) return "";
  const inside = (o) =>
    range(k)
      .map((t) => o * s + t * d - pad)
      .filter((i) => i >= 0 && i < n);
  const [rows, columns] = [inside(y), inside(x)];
  const zeros = k * k - rows.length * columns.length;
  const name = (word, list) => `${word}${list.length === 1 ? "" : "s"} ${listed(list.map((i) => i + 1))}`;
  return (
    `Output row ${y + 1}, column ${x + 1} ` +
    (rows.length && columns.length
      ? `reads ${name("row", rows)} and ${name("column", columns)} of the input`
      : "reads nothing of the input") +
    (zeros ? `; ${zeros} of its ${k * k} taps ${zeros === 1 ? "falls" : "fall"} on padding.` : ".")
  );
};

// Where things stand, in pixels: side by side when there is room, one above the other on a phone.
const place = ({ padded, out, reach }, width) => {
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

const square = (x, y, side, name, more) =>
  svg("rect", { x: x + 1, y: y + 1, width: side - 2, height: side - 2, rx: 3, class: name, ...more });

const still = ({ n, k, pad, padded, out, reads, d }, { cell, left, top, to }, counts, hatch) => {
  const most = Math.max(1, ...reads) ** 2;
  const cells = range(padded ** 2).map((i) => {
    const [x, y] = [i % padded, Math.floor(i / padded)];
    const real = Math.min(x, y) >= pad && Math.max(x, y) < pad + n;
    const at = [left + x * cell, top + y * cell];
    const read = reads[x] * reads[y];
    const text = counts ? read : real ? "" : 0;
    const shade = { style: real && counts && `fill-opacity:${0.08 + (0.8 * read) / most}` };
    return [
      square(...at, cell, real ? "cx-real" : "cx-pad", shade),
      out && !read && square(...at, cell, real ? "cx-unread" : "cx-unread cx-harmless", { fill: `url(#${hatch})` }),
      text !== "" &&
        cell > 15 &&
        svg("text", { x: at[0] + cell / 2, y: at[1] + cell / 2 + 4, class: "cx-count" }, text),
    ];
  });
  const results = range(out ** 2).map((i) =>
    square(to.x + (i % out) * cell, to.y + Math.floor(i / out) * cell, cell, "cx-result"),
  );
  const toobig = range(out ? 0 : k * k).map((i) =>
    square(left + (i % k) * d * cell, top + Math.floor(i / k) * d * cell, cell, "cx-tap cx-toobig"),
  );
  const title = (x, y, words) => svg("text", { x, y: y - 9, "text-anchor": "middle" }, words);
  return [
    cells.flat().filter((node) => node),
    results,
    toobig,
    title(left + (padded * cell) / 2, top, `input ${n} × ${n}${pad ? `, padded to ${padded} × ${padded}` : ""}`),
    out ? title(to.x + (out * cell) / 2, to.y, `output ${out} × ${out}`) : [],
  ];
};

const moving = ({ k, s, d, reach, out }, { beside, cell, left, top, to }, at) => {
  if (!out) return [];
  const [x, y, r] = [left + at.x * s * cell, top + at.y * s * cell, reach * cell];
  const [ox, oy] = [to.x + at.x * cell, to.y + at.y * cell];
  const beam = beside
    ? [x + r, y, ox, oy, ox, oy + cell, x + r, y + r]
    : [x, y + r, ox, oy, ox + cell, oy, x + r, y + r];
  return [
    ...range(k * k).map((t) => square(x + (t % k) * d * cell, y + Math.floor(t / k) * d * cell, cell, "cx-tap")),
    svg("polygon", { points: beam.join(" "), class: "cx-beam" }),
    square(x - 1, y - 1, r + 2, "cx-window"),
    square(ox, oy, cell, "cx-now"),
  ];
};

// Output size of a convolution: sliders, the formula with its numbers, and the kernel moving over the padded input.
const view = (state, width, hatch, colors) => {
  const geo = measure(state);
  const at = place(geo, width);
  const over = svg("g", { style: "pointer-events:none" });
  const turned = { id: hatch, width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" };
  return {
    parts: { formula: formula(geo, colors) },
    text: geo.out ? explain(geo) : el("span", { class: "cx-no" }, explain(geo)),
    hint: tell(geo, state.x, state.y),
    picture: sized(width, at.height, {}, [
      svg("defs", {}, svg("pattern", turned, svg("line", { y2: 6, class: "cx-hatch" }))),
      svg("g", {}, still(geo, at, state.counts, hatch)),
      over,
    ]),
    glide: (now) => over.replaceChildren(...moving(geo, at, now)),
    place: (px, py) => {
      const [x, y] = [Math.floor((px - at.to.x) / at.cell), Math.floor((py - at.to.y) / at.cell)];
      return Math.min(x, y) >= 0 && Math.max(x, y) < geo.out ? { x, y } : null;
    },
  };
};

export const explore = panel(view, {
  kinds: { picking, sliding, stepping, toggling },
  also: [gliding],
  // The hatching of this copy: what a picture refers to by name needs one of its own.
  decode: () => `cx${Math.random()}`,
  limits: (state) => {
    const sides = { low: 0, high: Math.max(0, measure(state).out - 1) };
    return { x: sides, y: sides };
  },
  settle: (_state, moved) => moved === "preset" && { x: 0, y: 0 },
  steps: (state) => {
    const { out } = measure(state);
    return {
      count: out ** 2,
      at: state.y * out + state.x,
      to: (number) => ({ x: number % out, y: Math.floor(number / out) }),
    };
  },
  layout: (own) => [
    own.sliders,
    own.part("formula", { class: "cx-formula" }),
    own.text,
    own.picture,
    own.hint,
    own.bar(own.steps, "counts"),
    own.presets(el("span", { class: "cx-hint" }, "Try")),
  ],
});
