import { clamp, el, KEYS, listed, many, percent, range, short, sized, svg } from "../../widgets/static/core.js";
import { choosing, listing, panel, picking, presses, toggling } from "../../widgets/static/panel.js";
import { ordered, table } from "../../widgets/static/table.js";

const FIELDS = ["name", "family", "year", "params", "macs", "acc1", "acc5", "size", "latency", "extra", "recipes"];
const WORDS = {
  params: "parameters",
  macs: "MACs per image",
  latency: "milliseconds per image",
  acc1: "top-1 accuracy",
  acc5: "top-5 accuracy",
};

export const decode = (data) => ({
  ...data,
  rows: data.rows.map((row) => Object.fromEntries(FIELDS.map((field, i) => [field, row[i]]))),
});

// --- what is shown ---------------------------------------------------------------------------------------------------

const cost = (row, { x }) => row[x];
// A row's accuracies by recipe: [place of the recipe, percent], of those that may be shown.
const accuracies = (row, { y, extra }, recipes) =>
  recipes
    .map(([recipe], i) => [i, row.recipes[i]?.[y === "acc1" ? 0 : 1], recipe])
    .filter(([, value, recipe]) => value != null && (extra || recipe !== "extra"));
export const accuracy = (row, state, { recipes }) => {
  if (state.recipe === "best" || state.recipe === "compare") {
    return row.extra && !state.extra ? null : row[state.y];
  }
  return accuracies(row, state, recipes).find(([, , recipe]) => recipe === state.recipe)?.[1];
};

// The rows that have a point, by number.
export const shown = (state, data) =>
  range(data.rows.length).filter((i) => {
    const row = data.rows[i];
    const compared = state.recipe !== "compare" || accuracies(row, state, data.recipes).length > 1;
    return cost(row, state) > 0 && accuracy(row, state, data) != null && compared;
  });

// Those of them that no other beats, cheapest first.
export const frontier = (state, data) => {
  const up = (i) => accuracy(data.rows[i], state, data);
  let best = -Infinity;
  return shown(state, data)
    .sort((a, b) => cost(data.rows[a], state) - cost(data.rows[b], state) || up(b) - up(a))
    .filter((i) => up(i) > best && ((best = up(i)), true));
};

const chosen = (state, data) => (shown(state, data).includes(state.at) ? state.at : frontier(state, data).pop());

// Left and right go by cost, up and down by accuracy.
export const walk = (state, dx, dy, data) => {
  const by = (i) => (dx ? cost(data.rows[i], state) : -accuracy(data.rows[i], state, data));
  const order = shown(state, data).sort((a, b) => by(a) - by(b) || a - b);
  return order[clamp(order.indexOf(chosen(state, data)) + (dx || dy), 0, order.length - 1)];
};

// --- in words --------------------------------------------------------------------------------------------------------

export const tell = (i, state, data) => {
  const row = data.rows[i];
  const every = accuracies(row, { ...state, extra: true }, data.recipes);
  return (
    `${row.name} (${row.family}${row.year ? `, ${row.year}` : ""}): ` +
    (state.recipe === "compare"
      ? listed(every.map(([k, value]) => `${percent(value)} (${data.recipes[k][1]})`))
      : state.recipe === "best"
        ? `${percent(row.acc1)} top-1${row.acc5 == null ? "" : `, ${percent(row.acc5)} top-5`}`
        : `${percent(accuracy(row, state, data))} ${WORDS[state.y]}`) +
    `; ${short(row.params)} parameters, ${short(row.macs)} MACs` +
    (row.size ? ` at ${row.size} × ${row.size} pixels` : "") +
    (row.latency ? `, ${short(row.latency)} ms` : "") +
    (row.extra && state.recipe === "best" ? "; it saw other pictures first." : ".")
  );
};

// What one recipe gives over another, network by network, in the order of the recipes.
const gains = (rows, state, data) => {
  const pairs = {};
  for (const row of rows) {
    const every = accuracies(row, state, data.recipes);
    every.slice(1).forEach(([k, value], n) => {
      const [from, before] = every[n];
      const of = (pairs[`${from} ${k}`] ||= []);
      of.push(value - before);
    });
  }
  return Object.entries(pairs).map(([key, of]) => ({ key: key.split(" "), of }));
};

export const summary = (state, data) => {
  const all = shown(state, data);
  if (!all.length) return "No network has such an accuracy.";
  const rows = all.map((i) => data.rows[i]);
  const point = (value) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(1)}`;
  if (state.recipe === "compare") {
    const said = gains(rows, state, data)
      .sort((a, b) => b.of.length - a.of.length)
      .slice(0, 2)
      .map(({ key: [from, to], of }) => {
        const mean = of.reduce((sum, value) => sum + value, 0) / of.length;
        const ends = `${point(Math.min(...of))} to ${point(Math.max(...of))}`;
        return `From ${data.recipes[from][1]} to ${data.recipes[to][1]}: ${point(mean)} points on average (${ends}, ${many(of.length, "network")}).`;
      });
    return `${many(all.length, "network")} by more than one recipe, at the same size and cost. ${said.join(" ")}`;
  }
  const best = frontier(state, data);
  const up = (row) => accuracy(row, state, data);
  const top = data.rows[best[best.length - 1]];
  const mine = rows.filter((row) => row.family === state.family).map(up);
  return (
    `${many(all.length, "model")}. ${best.length} of them ${best.length === 1 ? "is" : "are"} on the frontier: no model with as few ${WORDS[state.x]} is more accurate. ` +
    `${top.name} leads with ${percent(up(top))} ${WORDS[state.y]}.` +
    (mine.length
      ? ` ${state.family} has ${many(mine.length, "model")}, from ${percent(Math.min(...mine))} to ${percent(Math.max(...mine))}.`
      : "")
  );
};

// --- the picture -----------------------------------------------------------------------------------------------------

const text = (x, y, anchor, label, extra) => svg("text", { x, y, "text-anchor": anchor, ...extra }, label);

// A logarithmic axis of costs, a linear one of percent, and their mesh.
const axes = (state, xs, ys, width) => {
  const height = width < 520 ? 360 : 430;
  const box = { left: 42, right: width - 12, top: 20, bottom: height - 46 };
  const [low, high] = [Math.log10(Math.min(...xs)) - 0.08, Math.log10(Math.max(...xs)) + 0.12];
  const [floor, roof] = [Math.floor(Math.min(...ys) / 5) * 5, Math.max(...ys) + 1.5];
  const px = (value) => box.left + ((Math.log10(value) - low) / (high - low)) * (box.right - box.left);
  const py = (value) => box.bottom - ((value - floor) / (roof - floor)) * (box.bottom - box.top);
  const line = (x1, y1, x2, y2) => svg("line", { x1, y1, x2, y2, class: "cx-mesh" });
  const decade = (box.right - box.left) / (high - low);
  const marks = decade < 90 ? [1] : decade < 165 ? [1, 3] : [1, 2, 5];
  const columns = range(14)
    .flatMap((power) => marks.map((mark) => mark * 10 ** power))
    .filter((value) => Math.log10(value) >= low && Math.log10(value) <= high);
  const lines = range(Math.floor((roof - floor) / 5) + 1).map((i) => floor + 5 * i);
  const mesh = [
    columns.map((value) => [
      line(px(value), box.top, px(value), box.bottom),
      text(px(value), box.bottom + 18, "middle", short(value).replace(/\.0+(?= |$)/, "")),
    ]),
    lines.map((value) => [
      line(box.left, py(value), box.right, py(value)),
      text(box.left - 8, py(value) + 4, "end", value),
    ]),
    text((box.left + box.right) / 2, height - 8, "middle", `${WORDS[state.x]} (log scale)`, { class: "cx-axis" }),
    text(box.left + 4, box.top - 2, "start", `${WORDS[state.y]}, %`, { class: "cx-axis" }),
  ];
  return { box, px, py, mesh, height };
};

// Names where there is room for them, the first ones first.
const names = (labels, taken, box, width) => {
  const put = [];
  for (const { x, y, name, own } of labels) {
    const wide = name.length * 6.3;
    const places = [
      [-8, -8, "end"],
      [9, 14, "start"],
      [9, 4, "start"],
      [-9, 14, "end"],
      [-9, 4, "end"],
      [0, -10, "middle"],
      [8, -8, "start"],
      [0, 19, "middle"],
    ];
    for (const [dx, dy, anchor] of places) {
      const left = x + dx - { end: wide, middle: wide / 2, start: 0 }[anchor];
      const room = [left, y + dy - 10, left + wide, y + dy + 2];
      const hits = (other) => room[0] < other[2] && other[0] < room[2] && room[1] < other[3] && other[1] < room[3];
      if (left < box.left || room[2] > width || room[1] < box.top + 6 || room[3] > box.bottom || taken.some(hits))
        continue;
      taken.push(room);
      put.push(text(x + dx, y + dy, anchor, name, { class: own ? "cx-name cx-own" : "cx-name" }));
      break;
    }
  }
  return put;
};

const tip = (row, { x, y }, width, height) =>
  el(
    "div",
    {
      class: "cx-tip",
      "aria-hidden": "true",
      style: `${x > width / 2 ? `right:${Math.max(0, width - x + 14)}px` : `left:${x + 14}px`};top:${clamp(y - 72, 0, height - 150)}px`,
    },
    el("b", {}, row.name),
    [
      [row.family, row.year],
      ["top-1", percent(row.acc1)],
      ["top-5", row.acc5 == null ? "–" : percent(row.acc5)],
      ["parameters", short(row.params)],
      ["MACs", short(row.macs)],
      ["image", row.size ? `${row.size} px` : "–"],
    ].map((pair) =>
      el(
        "div",
        {},
        pair.map((said) => el("span", {}, said)),
      ),
    ),
  );

const legend = (state, data, mine) => {
  const dot = (look) => svg("rect", { x: 1.5, y: 1.5, width: 9, height: 9, rx: 4.5, class: look });
  const key = (look, words) =>
    el("span", { class: "cx-key" }, sized(12, 12, { "aria-hidden": "true" }, dot(look)), words);
  const saw = state.extra && data.rows.some((row) => row.extra);
  return state.recipe === "compare"
    ? data.recipes
        .filter(([recipe]) => state.extra || recipe !== "extra")
        .map(([recipe, label]) => key(`cx-by-${recipe}`, label))
    : [
        state.frontier && key("cx-best", "on the frontier"),
        mine.length > 0 && key("cx-mine", state.family),
        key("cx-spot", state.family || state.frontier ? "the others" : "a network"),
        saw && state.recipe === "best" && key("cx-spot cx-extra", "extra pictures"),
      ];
};

const chart = (state, data, width) => {
  const { rows, recipes } = data;
  const compare = state.recipe === "compare";
  const all = shown(state, data);
  const up = (i) => accuracy(rows[i], state, data);
  const every = (i) => accuracies(rows[i], state, recipes);
  const ys = compare ? all.flatMap((i) => every(i).map(([, value]) => value)) : all.map(up);
  const xs = all.map((i) => cost(rows[i], state));
  const { box, px, py, mesh, height } = axes(state, xs, ys, width);
  const at = (i) => ({ x: px(cost(rows[i], state)), y: py(up(i)) });
  const best = state.frontier && !compare ? frontier(state, data) : [];
  const mine = all
    .filter((i) => rows[i].family === state.family)
    .sort((a, b) => cost(rows[a], state) - cost(rows[b], state));
  const now = chosen(state, data);
  const stairs = best.map((i, n) => (n ? `H${at(i).x}V${at(i).y}` : `M${at(i).x} ${at(i).y}`)).join("");
  const look = (i) =>
    (compare ? " cx-any" : rows[i].family === state.family ? " cx-mine" : "") +
    (best.includes(i) ? " cx-best" : "") +
    (rows[i].extra && state.recipe === "best" ? " cx-extra" : "") +
    (i === now && state.picked ? " cx-at" : "");
  const spot = (i) =>
    svg("circle", {
      cx: at(i).x,
      cy: at(i).y,
      r: 5.5,
      tabindex: i === now ? 0 : -1,
      role: "img",
      "aria-label": tell(i, state, data),
      "data-key": `point ${i}`,
      ...KEYS,
      class: `cx-spot${look(i)}`,
    });
  const marks = (i) => {
    const ends = every(i).map(([, value]) => py(value));
    const { x } = at(i);
    return [
      svg("line", {
        x1: x,
        x2: x,
        y1: Math.min(...ends),
        y2: Math.max(...ends),
        class: `cx-between${mine.includes(i) ? " cx-kin-line" : ""}`,
      }),
      every(i).map(([, value, recipe]) =>
        svg("circle", { cx: x, cy: py(value), r: 4.5, class: `cx-mark cx-by-${recipe}`, "data-of": i }),
      ),
    ];
  };
  const labels = [...new Set([...mine, ...best])].map((i) => ({ ...at(i), name: rows[i].name, own: mine.includes(i) }));
  const taken = (compare ? all : [...mine, ...best]).map(at).map(({ x, y }) => [x - 5, y - 5, x + 5, y + 5]);
  const order = [...all.filter((i) => i !== now), ...all.filter((i) => i === now)];
  const picture = sized(
    width,
    height,
    { role: "group", "aria-label": "Points" },
    mesh.flat(9),
    stairs && svg("path", { d: `${stairs}H${box.right}`, class: "cx-frontier" }),
    !compare && svg("polyline", { points: mine.map((i) => [at(i).x, at(i).y]).join(" "), class: "cx-kin-line" }),
    compare && svg("g", { style: "pointer-events:none" }, all.map(marks).flat(9)),
    svg("g", {}, order.map(spot)),
    svg("g", { style: "pointer-events:none" }, names(labels, taken, box, width)),
  );
  // The nearest point within a finger's width.
  const place = (x, y) => {
    const far = (i) => Math.hypot(at(i).x - x, at(i).y - y);
    const [near] = [...all].sort((a, b) => far(a) - far(b));
    return far(near) < 28 ? { at: near, picked: true, hover: true } : { hover: false };
  };
  return {
    picture: el(
      "div",
      { class: `cx-stage${state.hover ? " cx-hover" : ""}` },
      picture,
      tip(rows[now], at(now), width, height),
    ),
    parts: { legend: legend(state, data, mine) },
    focus: `point ${now}`,
    place,
    leave: { hover: false },
  };
};

// --- the table -------------------------------------------------------------------------------------------------------

const heads = (timed) => {
  const plain = (value) => value ?? "–";
  const hundredths = (value) => value?.toFixed(2) ?? "–";
  return [
    ["model", "name", plain, { words: true }],
    ["top-1 %", "acc1", hundredths],
    ["parameters", "params", short],
    ["MACs", "macs", short],
    timed && ["ms", "latency", hundredths],
    ["top-5 %", "acc5", hundredths],
    ["pixels", "size", plain],
    ["year", "year", plain],
  ]
    .filter(Boolean)
    .map(([words, field, said, more]) => ({
      text: words,
      value: (row) => row[field],
      cell: (row) => said(row[field]) + (field === "name" && row.extra ? " *" : ""),
      ...more,
    }));
};

// Models as points: accuracy against cost on a log axis. Names, a family in color, the Pareto frontier, one network's accuracies by recipe, a table.
const view = (state, width, data) => {
  const columns = heads(data.timed);
  const some = shown(state, data).length > 0;
  const drawn = some ? chart(state, data, width) : { picture: [], parts: { legend: [] } };
  const rows = () => table(columns, ordered(data.rows, columns[state.by], state.down), state);
  return {
    ...drawn,
    text: some && state.picked ? tell(chosen(state, data), state, data) : summary(state, data),
    parts: { ...drawn.parts, ...(state.open && { table: rows() }) },
  };
};

export const explore = panel(view, {
  decode,
  presses,
  kinds: { choosing, listing, picking, toggling },
  move: (state, dx, dy, _shift, _name, data) => ({ at: walk(state, dx, dy, data), picked: true }),
  // A control's change asks for the summary again.
  settle: (state, moved) => (moved in state ? { picked: false, hover: false } : {}),
  layout: (own) => {
    const fill = (open) => own.set({ open });
    addEventListener("beforeprint", () => fill(true)); // paper has the numbers, though nobody has opened them
    return [
      own.choices,
      own.picture,
      own.part("legend", { class: "cx-legend" }),
      own.text,
      el(
        "details",
        { class: "cx-table", ontoggle: (event) => fill(event.target.open) },
        el("summary", { ...KEYS }, "All numbers as a table"),
        own.part("table", { class: "cx-scroll", tabindex: 0, role: "region", "aria-label": "Table of models" }),
      ),
    ];
  },
});
