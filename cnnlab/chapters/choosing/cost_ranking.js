import { button, choice, clamp, count, el, hint, listed, many, say, slider } from "../../widgets/static/core.js";

// All convolutions at once, ranked by one cost. The formulas are those that compare_convolutions counts on the layers.
export const explore = (p) => {
  const at = [...p.start];
  let by = p.by;
  let chosen = "depthwise separable";
  let now = [];
  const NAMES = { C: 0, K: 1, k: 2, n: 3, g: 4, d: 5, T: 6 };
  const said = say(410);
  const detail = hint(215);
  const list = el("ol", { class: "cr-list" });
  const short = (x) => {
    const unit = [
      [1e15, " P"],
      [1e12, " T"],
      [1e9, " G"],
      [1e6, " M"],
      [1e4, " k", 1e3],
    ].find(([from]) => x >= from);
    return unit
      ? (x / (unit[2] || unit[0])).toPrecision(3) + unit[1]
      : Number.isInteger(x)
        ? count(x)
        : x.toPrecision(3);
  };

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
      intensity: macs / moved,
      receptive_field: field,
      formula,
      ...more,
    };
  };
  const table = () => {
    const [C, K, k, n, g, d, T] = at;
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

  const value = (row) => (by === "receptive_field" && row[by] === "global" ? at[3] : row[by]);
  const unit = () => ({ activation_bytes: "B", bytes_moved: "B" })[by] || "";
  const shown = (row) => {
    if (by === "receptive_field") return row[by] === "global" ? "all" : `${row[by]} px`;
    return unit() ? short(row[by]).replace(/( [kMGTP])?$/, (m) => `${m || " "}B`) : short(row[by]);
  };
  const times = (r) =>
    r === 0
      ? "none"
      : Math.abs(r - 1) < 0.0005
        ? "same"
        : r > 1
          ? `× ${r < 10 ? r.toFixed(2) : r.toFixed(r < 100 ? 1 : 0)}`
          : `÷ ${1 / r < 10 ? (1 / r).toFixed(2) : (1 / r).toFixed(1 / r < 100 ? 1 : 0)}`;

  const explain = () => {
    const [C, K, k, n, , d] = at;
    const gone = new Map();
    for (const row of now) if (row.no) gone.set(row.no, [...(gone.get(row.no) || []), row.name]);
    const parts = [...gone].map(([why, names]) => `Left out: ${listed(names)}, because ${why}.`);
    const span = d * (k - 1) + 1;
    if (span > n && !now.find((row) => row.name === "dilated").no)
      parts.push(`The dilated kernel spans ${span} of ${n} pixels: at every place some of its taps read padding.`);
    else if (k > n) parts.push(`The kernel is wider than the picture: at every place some of its taps read padding.`);
    if (C !== K) parts.push(`Depthwise, shuffle and pooling keep the ${C} channels and cannot give ${K}.`);
    if (k === 1) parts.push("With a kernel of 1 nobody looks at neighbors, and splitting the kernel only adds work.");
    const live = now.filter((row) => !row.no);
    const base = live.find((row) => row.name === "standard");
    if (base) {
      const dearer = live.filter((row) => value(row) > value(base)).map((row) => row.name);
      const less = live.filter((row) => value(row) < value(base)).length;
      parts.push(
        by === "receptive_field" || by === "intensity"
          ? `${many(dearer.length, "variant")} ${dearer.length === 1 ? "has" : "have"} more than the standard convolution, ${less} less.`
          : `${many(less, "variant")} cost less than the standard convolution${dearer.length ? `, and ${listed(dearer)} more` : ""}.`,
      );
    }
    return parts.join(" ");
  };

  const describe = () => {
    const row = now.find((one) => one.name === chosen);
    if (row.no) {
      detail.textContent = `${chosen}: left out, because ${row.no}.`;
      return;
    }
    const put = row.formula.replace(/[CKkgdMT]/g, (s) => (s === "M" ? row.M : at[NAMES[s]]));
    const notes = [
      row.clip && `on a clip of ${at[6]} frames`,
      row.size && "it doubles the picture",
      row.out && `it keeps ${row.out} channels`,
      row.name === "channel shuffle" && !row.bytes_moved && "with one group there is nothing to move",
    ].filter(Boolean);
    detail.textContent =
      `${chosen}: ${row.formula === "0" ? "no parameters" : `${row.formula} = ${put} = ${count(row.params)} parameters`}; ` +
      `${count(row.macs)} MACs for ${count(row.bytes_moved)} bytes moved${notes.length ? `; ${notes.join("; ")}` : ""}.`;
  };

  const rows = new Map(
    table().map(({ name }) => {
      const bar = el("span", { class: "cr-fill" });
      const number = el("span", { class: "cr-value" });
      const ratio = el("span", { class: "cr-ratio" });
      const pick = button(
        name,
        () => {
          chosen = name;
          update();
        },
        { class: "cr-name" },
      );
      const node = el(
        "li",
        { "data-name": name },
        pick,
        el("span", { class: "cr-bar", "aria-hidden": "true" }, bar),
        number,
        ratio,
      );
      return [name, { node, bar, number, ratio, pick }];
    }),
  );

  const update = () => {
    now = table();
    const live = now.filter((row) => !row.no).sort((a, b) => value(a) - value(b));
    const base = now[0].no ? null : value(now[0]);
    const logs = live.map((row) => (base && value(row) ? Math.log10(value(row) / base) : 0));
    const low = Math.min(-1, ...logs) * 1.04;
    const high = Math.max(1, ...logs) * 1.04;
    const place = (x) => (100 * (clamp(x, low, high) - low)) / (high - low);
    list.style.setProperty("--cr-one", `${place(0)}%`);
    for (const row of [...live, ...now.filter((one) => one.no)]) {
      const own = rows.get(row.name);
      const x = value(row);
      const r = base ? x / base : 0;
      own.node.dataset.value = row.no ? "" : row[by];
      own.node.classList.toggle("cr-out", !!row.no);
      own.pick.setAttribute("aria-pressed", row.name === chosen);
      own.number.textContent = row.no ? "does not fit" : shown(row);
      own.ratio.textContent = row.no || !base ? "" : row.name === "standard" ? "× 1" : times(r);
      const ends =
        row.no || !base ? [0, 0] : x ? [place(0), place(Math.log10(r))].sort((a, b) => a - b) : [0, place(0)];
      own.bar.style.left = `${ends[0]}%`;
      own.bar.style.width = `${Math.max(ends[1] - ends[0], 0)}%`;
      own.bar.className = `cr-fill ${!x ? "cr-none" : r > 1 ? "cr-more" : "cr-less"}`;
    }
    const order = [...live, ...now.filter((one) => one.no)].map((row) => rows.get(row.name).node);
    // Moving a node takes the focus away from a button in it, so nothing moves that is in its place.
    const focus = document.activeElement;
    order.forEach((node, i) => {
      if (list.children[i] !== node) list.insertBefore(node, list.children[i] || null);
    });
    if (focus !== document.activeElement && list.contains(focus)) focus.focus();
    said.textContent = explain();
    describe();
    presets.forEach((node, i) => node.setAttribute("aria-pressed", String(p.presets[i][1]) === String(at)));
  };

  const labels = [
    ["in", "C", "blue"],
    ["out", "K", "blue"],
    ["kernel", "k", "orange"],
    ["picture", "n", "green"],
    ["groups", "g", "violet"],
    ["dilation", "d", "red"],
    ["frames", "T", "teal"],
  ];
  const sliders = labels.map(([label, symbol, color], i) =>
    slider({
      label,
      symbol,
      color,
      min: 0,
      max: p.offered[i].length - 1,
      value: p.offered[i].indexOf(at[i]),
      format: (step) => String(p.offered[i][step]),
      oninput: (step) => {
        at[i] = p.offered[i][step];
        update();
      },
    }),
  );
  const presets = p.presets.map(([name, own]) =>
    button(name, () => {
      own.forEach((to, i) => {
        at[i] = to;
        sliders[i].value = p.offered[i].indexOf(to);
      });
      update();
    }),
  );
  const measure = choice({
    label: "Ranked by",
    options: p.measures,
    value: by,
    onchange: (to) => {
      by = to;
      update();
    },
  });
  update();
  return {
    nodes: [
      el("div", { class: "cx-bar", role: "group", "aria-label": "Layers to try" }, presets),
      el(
        "div",
        { class: "cx-controls cr-controls" },
        sliders.map((control) => control.node),
      ),
      el("div", { class: "cx-bar" }, measure.node),
      list,
      el(
        "p",
        { class: "cx-hint cr-key" },
        "To the left of the line: less than the standard convolution. To the right: more. Equal lengths are equal factors. Choose a name for its formula.",
      ),
      detail,
      said,
    ],
    draw: () => {},
  };
};
