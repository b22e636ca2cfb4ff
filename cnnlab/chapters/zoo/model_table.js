import { button, el, KEYS, many, say, short } from "../../widgets/static/core.js";

// All models as a table: sorts by any column, filters by a word.
export const explore = (p) => {
  const { heads, papers, rows } = p;
  const at = Object.fromEntries(heads.map(([field], i) => [field, i]));
  let by = p.sort;
  let way = 1;
  let word = "";
  const words = new Set(["name", "paper", "published_by"]);
  const cell = (field, value) => {
    if (value == null) return "–";
    if (field === "paper") return el("a", { href: papers[value][1], rel: "noopener", ...KEYS }, papers[value][0]);
    if (field === "params" || field === "macs") return short(value);
    if (field === "latency") return value < 10 ? value.toFixed(2) : value.toFixed(1);
    return typeof value === "number" && field !== "year" ? value.toFixed(2) : value;
  };
  const said = (row, i) => (heads[i][0] === "paper" ? papers[row[i]][0] : row[i]);
  const result = say(90);
  const body = el("tbody");
  const ths = heads.map(([field, text], i) =>
    el(
      "th",
      { scope: "col", class: words.has(field) ? "cx-text" : null },
      button(text, () => {
        way = by === i ? -way : words.has(field) || field === "year" ? 1 : -1;
        by = i;
        fill();
      }),
    ),
  );
  const fill = () => {
    const needle = word.trim().toLowerCase();
    const found = rows.filter(
      (row) => !needle || row.some((_, i) => String(said(row, i)).toLowerCase().includes(needle)),
    );
    const order = [...found].sort((a, b) => {
      const [x, y] = [said(a, by), said(b, by)];
      if (x == null || y == null) return (x == null) - (y == null);
      return way * (typeof x === "number" ? x - y : x.localeCompare(y, "en", { numeric: true }));
    });
    ths.forEach((th, i) => th.setAttribute("aria-sort", i !== by ? "none" : way > 0 ? "ascending" : "descending"));
    body.replaceChildren(
      ...order.map((row) =>
        el(
          "tr",
          {},
          row.map((value, i) =>
            el(
              i ? "td" : "th",
              { scope: i ? null : "row", class: words.has(heads[i][0]) ? "cx-text" : null },
              cell(heads[i][0], value),
            ),
          ),
        ),
      ),
    );
    const name = (row) => row[at.name];
    result.textContent = found.length
      ? `${many(found.length, "model")} of ${rows.length}, by ${heads[by][1]}: ${name(order[0])} first, ${name(order[order.length - 1])} last.`
      : `No model has “${word.trim()}” in its row.`;
  };
  const input = el("input", {
    type: "search",
    placeholder: "resnet, 2014, Howard …",
    ...KEYS,
    oninput: () => {
      word = input.value;
      fill();
    },
  });
  const quick = ["vgg", "inception", "resnet", "mobilenet", "2012"].map((text) =>
    button(text, () => {
      input.value = word = text;
      fill();
    }),
  );
  const scroll = el(
    "div",
    { class: "cx-scroll", tabindex: 0, role: "region", "aria-label": "Every model as a table" },
    el("table", {}, el("thead", {}, el("tr", {}, ths)), body),
  );
  fill();
  return {
    nodes: [
      el(
        "div",
        { class: "cx-bar" },
        el("label", { class: "cx-select" }, "Find", input),
        quick,
        button("all", () => {
          input.value = word = "";
          fill();
        }),
      ),
      el("div", { class: "cx-models" }, scroll),
      result,
    ],
    // What a word leaves out keeps its room.
    draw: () => {
      scroll.style.minHeight ||= `${scroll.offsetHeight}px`;
    },
  };
};
