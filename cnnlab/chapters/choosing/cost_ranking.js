import { clamp, count, el, listed, many, short } from "../../widgets/static/core.js";
import { choosing, panel, presses, pressing, sliding } from "../../widgets/static/panel.js";

// One operator: numbers in, weights, numbers out.
const cost = (name, params, macs, ops, field, formula, more = {}) => {
  const bytes = (pick) => 4 * ops.reduce((sum, op) => sum + pick(op), 0);
  const moved = bytes(([read, weights, wrote]) => read + weights + wrote);
  return {
    name,
    params,
    macs,
    activation_bytes: bytes((op) => op[2]),
    bytes_moved: moved,
    intensity: moved ? macs / moved : 0,
    receptive_field: field,
    formula,
    ...more,
  };
};
// Every convolution of a setting, in Python's order; one that does not fit says in `no` why.
export const table = ({ in_channels: C, out_channels: K, kernel: k, size: n, groups: g, dilation: d, frames: T }) => {
  const P = n * n;
  const M = Math.max(1, Math.floor((k ** 3 * C * K) / (k * k * C + k * K)));
  const one = (name, w, field, formula, more) => cost(name, w, w * P, [[C * P, w, K * P]], field, formula, more);
  const even = (span, what) => (span % 2 ? "" : `${what} has no middle, so no padding keeps the size`);
  const odd = even(k, `an even kernel of ${k}`);
  const bad = [
    ["in", C],
    ["out", K],
  ]
    .filter(([, c]) => c % g)
    .map(([way, c]) => `${c} channels ${way}`);
  const split = bad.length ? `${many(g, "group")} cannot share ${listed(bad)} evenly` : "";
  const dealt = g > 1 && g < C ? 1 : 0;
  const moved = [C * P * dealt, 0, C * P * dealt];
  return [
    one("standard", K * C * k * k, k, "K · C · k²", { no: odd }),
    one("pointwise", K * C, 1, "K · C"),
    cost(
      "spatial separable",
      K * C * k + K * K * k,
      (K * C * k + K * K * k) * P,
      [
        [C * P, K * C * k, K * P],
        [K * P, K * K * k, K * P],
      ],
      k,
      "K · C · k + K · K · k",
      { no: odd },
    ),
    cost(
      "flattened",
      K * C + 2 * K * k,
      (K * C + 2 * K * k) * P,
      [
        [C * P, K * C, K * P],
        [K * P, K * k, K * P],
        [K * P, K * k, K * P],
      ],
      k,
      "K · C + K · k + K · k",
      { no: odd },
    ),
    cost("depthwise", C * k * k, C * k * k * P, [[C * P, C * k * k, C * P]], k, "C · k²", { no: odd, out: C }),
    cost(
      "depthwise separable",
      C * k * k + K * C,
      (C * k * k + K * C) * P,
      [
        [C * P, C * k * k, C * P],
        [C * P, K * C, K * P],
      ],
      k,
      "C · k² + K · C",
      { no: odd },
    ),
    one("grouped", (K * C * k * k) / g, k, "K · C · k² / g", { no: odd || split }),
    cost("channel shuffle", 0, 0, [moved], 1, "0", { no: split, out: C }),
    one("dilated", K * C * k * k, d * (k - 1) + 1, "K · C · k²", {
      no: even(d * (k - 1) + 1, `a span of ${d * (k - 1) + 1}`),
    }),
    cost(
      "transposed",
      K * C * k * k,
      K * C * k * k * P,
      [[C * P, K * C * k * k, 4 * K * P]],
      Math.ceil(k / 2),
      "K · C · k²",
      { size: 2 },
    ),
    cost("3D", K * C * k ** 3, K * C * k ** 3 * P * T, [[C * P * T, K * C * k ** 3, K * P * T]], k, "K · C · k³", {
      no: odd,
      clip: 1,
    }),
    cost(
      "(2+1)D",
      M * C * k * k + K * M * k,
      (M * C * k * k + K * M * k) * P * T,
      [
        [C * P * T, M * C * k * k, M * P * T],
        [M * P * T, K * M * k, K * P * T],
      ],
      k,
      "M · C · k² + K · M · k",
      { no: odd, clip: 1, M },
    ),
    cost("global average pooling", 0, 0, [[C * P, 0, C]], "global", "0", { out: C }),
  ];
};

const value = (row, { by, size }) => (by === "receptive_field" && row[by] === "global" ? size : row[by]);

// A row's number in words, and how it compares with the standard convolution's.
export const shown = (row, by) => {
  if (by === "receptive_field") return row[by] === "global" ? "all" : `${row[by]} px`;
  return by.includes("bytes") ? short(row[by]).replace(/( [kMGTP])?$/, (unit) => `${unit || " "}B`) : short(row[by]);
};
export const times = (ratio) => {
  if (ratio === 0) return "none";
  if (Math.abs(ratio - 1) < 0.0005) return "same";
  const most = Math.max(ratio, 1 / ratio);
  return `${ratio > 1 ? "×" : "÷"} ${most < 1000 ? most.toFixed(most < 10 ? 2 : most < 100 ? 1 : 0) : short(most)}`;
};

// Those that fit from the least to the most, then those that do not.
const ranked = (rows, state) => [
  ...rows.filter((row) => !row.no).sort((a, b) => value(a, state) - value(b, state)),
  ...rows.filter((row) => row.no),
];

export const explain = (rows, state) => {
  const { in_channels: C, out_channels: K, kernel: k, size: n, dilation: d, by } = state;
  const gone = new Map();
  for (const row of rows) if (row.no) gone.set(row.no, [...(gone.get(row.no) || []), row.name]);
  const parts = [...gone].map(([why, names]) => `Left out: ${listed(names)}, because ${why}.`);
  const span = d * (k - 1) + 1;
  if (span > n && !rows.find((row) => row.name === "dilated").no)
    parts.push(`The dilated kernel spans ${span} of ${n} pixels: at every place some of its taps read padding.`);
  else if (k > n) parts.push("The kernel is wider than the picture: at every place some of its taps read padding.");
  if (C !== K) parts.push(`Depthwise, shuffle and pooling keep the ${C} channels and cannot give ${K}.`);
  if (k === 1) parts.push("With a kernel of 1 nobody looks at neighbors, and splitting the kernel only adds work.");
  const [base] = rows;
  if (!base.no) {
    const live = rows.filter((row) => !row.no);
    const dearer = live.filter((row) => value(row, state) > value(base, state)).map((row) => row.name);
    const less = live.filter((row) => value(row, state) < value(base, state)).length;
    parts.push(
      by === "receptive_field" || by === "intensity"
        ? `${many(dearer.length, "variant")} ${dearer.length === 1 ? "has" : "have"} more than the standard convolution, ${less} less.`
        : `${many(less, "variant")} cost less than the standard convolution${dearer.length ? `, and ${listed(dearer)} more` : ""}.`,
    );
  }
  return parts.join(" ");
};

export const describe = (row, state) => {
  if (row.no) return `${row.name}: left out, because ${row.no}.`;
  const { in_channels: C, out_channels: K, kernel: k, groups: g, dilation: d, frames: T } = state;
  const put = row.formula.replace(/[CKkgdMT]/g, (letter) => ({ C, K, k, g, d, T, M: row.M })[letter]);
  const notes = [
    row.clip && `on a clip of ${T} frames`,
    row.size && "it doubles the picture",
    row.out && `it keeps ${row.out} channels`,
    row.name === "channel shuffle" && !row.bytes_moved && "with one group there is nothing to move",
  ].filter(Boolean);
  return (
    `${row.name}: ${row.formula === "0" ? "no parameters" : `${row.formula} = ${put} = ${count(row.params)} parameters`}; ` +
    `${count(row.macs)} MACs for ${count(row.bytes_moved)} bytes moved${notes.length ? `; ${notes.join("; ")}` : ""}.`
  );
};

const draw = (rows, state) => {
  const order = ranked(rows, state);
  const base = rows[0].no ? null : value(rows[0], state);
  const log = (row) => (!row.no && base && value(row, state) ? Math.log10(value(row, state) / base) : 0);
  const low = Math.min(-1, ...order.map(log)) * 1.04;
  const high = Math.max(1, ...order.map(log)) * 1.04;
  const place = (x) => (100 * (clamp(x, low, high) - low)) / (high - low);
  const line = (row) => {
    const [x, ratio] = [value(row, state), base ? value(row, state) / base : 0];
    const [from, to] = row.no || !base ? [0, 0] : x ? [place(0), place(log(row))].sort((a, b) => a - b) : [0, place(0)];
    const pressed = String(row.name === state.chosen);
    return el(
      "li",
      { "data-name": row.name, "data-value": row.no ? "" : row[state.by], class: row.no && "cr-out" },
      el(
        "button",
        { type: "button", class: "cr-name", "aria-pressed": pressed, ...pressing({ chosen: row.name }, row.name) },
        row.name,
      ),
      el(
        "span",
        { class: "cr-bar", "aria-hidden": "true" },
        el("span", {
          class: `cr-fill ${!x ? "cr-none" : ratio > 1 ? "cr-more" : "cr-less"}`,
          style: `left:${from}%;width:${to - from}%`,
        }),
      ),
      el("span", { class: "cr-value" }, row.no ? "does not fit" : shown(row, state.by)),
      el("span", { class: "cr-ratio" }, row.no || !base ? "" : row.name === "standard" ? "× 1" : times(ratio)),
    );
  };
  return el("ol", { class: "cr-list", style: `--cr-one:${place(0)}%` }, order.map(line));
};

// All convolutions at once, ranked by one cost. The formulas are those that compare_convolutions counts on the layers.
const view = (state) => {
  const rows = table(state);
  const chosen = rows.find((row) => row.name === state.chosen);
  return { text: explain(rows, state), hint: describe(chosen, state), picture: draw(rows, state) };
};

export const explore = panel(view, {
  kinds: { choosing, sliding },
  presses,
  layout: (own) => [
    own.presets(),
    el("div", { class: "cr-controls" }, own.sliders),
    own.choices,
    own.picture,
    el(
      "p",
      { class: "cx-hint" },
      "To the left of the line: less than the standard convolution. To the right: more. Equal lengths are equal factors. Choose a name for its formula.",
    ),
    own.hint,
    own.text,
  ],
});
