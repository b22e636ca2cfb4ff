import { chapterLink, el, KEYS, many, short } from "../../widgets/static/core.js";
import { panel, presses, pressing, searching, toggling } from "../../widgets/static/panel.js";
import { ordered, table } from "../../widgets/static/table.js";

const WORDS = ["name", "paper", "published_by"];

const cell = (field, value) => {
  if (value == null) return "–";
  if (field === "params" || field === "macs") return short(value);
  if (field === "latency") return value.toFixed(value < 10 ? 2 : 1);
  return typeof value === "number" && field !== "year" && field !== "size" ? value.toFixed(2) : value;
};

// The columns, the last of which are told below the table, and for each row what is looked through: its words and its year.
export const decode = ({ heads, below, papers, rows, extra, chapters = {} }) => {
  const at = Object.fromEntries(heads.map(([field], i) => [field, i]));
  const marked = new Set(extra.map((i) => rows[i]));
  const paper = (row) => papers[row[at.paper]] ?? [null, null]; // a network of one's own may have none, or no address
  const columns = heads.map(([field, text], i) => ({
    text,
    words: WORDS.includes(field),
    up: field === "year",
    value: (row) => (field === "paper" ? paper(row)[0] : row[i]),
    cell: (row) => (field === "name" && marked.has(row) ? `${row[0]} *` : cell(field, row[i])),
    // Its button tells what the columns have no room for.
    press: field === "name" ? (row) => pressing({ chosen: row[0] }, `row ${row[0]}`) : null,
  }));
  const searched = columns.filter((column) => column.words || column.up);
  const said = (row) => searched.map((column) => column.value(row) ?? "").join("\n");
  const texts = new Map(rows.map((row) => [row, said(row).toLowerCase()]));
  const chapter = new Map(Object.entries(chapters).flatMap(([name, indices]) => indices.map((i) => [rows[i], name])));
  return { rows, columns, at, paper, chapter, shown: heads.length - below, marked, texts };
};

// What a row's paper is, what it printed, and where.
export const told = (row, { at, paper, chapter }) => {
  const [title, address] = paper(row);
  const figures = [
    row[at.published1] != null && `${row[at.published1].toFixed(2)} % top-1`,
    row[at.published5] != null && `${row[at.published5].toFixed(2)} % top-5`,
  ].filter(Boolean);
  if (title == null) return [el("b", {}, row[0]), ": no paper."];
  const link = chapterLink(chapter.get(row), "Its chapter");
  const where = row[at.published_by] ? ` (${row[at.published_by]})` : "";
  return [
    el("b", {}, row[0]),
    ": ",
    address == null ? title : el("a", { href: address, rel: "noopener", ...KEYS }, title),
    figures.length ? `. It printed ${figures.join(" and ")}${where}.` : ". It printed no accuracy of this network.",
    ...(link ? [" ", link, "."] : []),
  ];
};

// The rows that hold every word, in the order of a column.
export const found = ({ word, extra, by, down }, { rows, columns, marked, texts }) => {
  const needles = word.toLowerCase().split(/\s+/);
  const fits = (row) => (extra || !marked.has(row)) && needles.every((needle) => texts.get(row).includes(needle));
  return ordered(rows.filter(fits), columns[by], down);
};

// All models as a table: sorts by any column, filters by words.
const view = (state, _width, data) => {
  const rows = found(state, data);
  const { columns, marked } = data;
  const chosen = data.rows.find(([name]) => name === state.chosen);
  const word = state.word.trim();
  const star = marked.size ? " * saw other pictures than ImageNet’s first." : "";
  return {
    text: rows.length
      ? `${many(rows.length, "model")} of ${data.rows.length}, by ${columns[state.by].text}: ${rows[0][0]} first, ${rows[rows.length - 1][0]} last.${star}`
      : `No model has ${word.includes(" ") ? "all of " : ""}“${word}” in its row.`,
    parts: {
      // What a word leaves out keeps its room.
      models: el(
        "div",
        { style: `min-height:min(29.9rem, ${(2 + 2.06 * data.rows.length).toFixed(1)}rem)` },
        table(columns.slice(0, data.shown), rows, state),
      ),
      paper: chosen ? told(chosen, data) : "Choose a model’s name for its paper and what it printed.",
    },
  };
};

export const explore = panel(view, {
  kinds: { searching, toggling },
  presses,
  decode,
  layout: (own) => [
    own.bar(own.presets(own.control("word")), own.choices),
    own.part("models", { class: "cx-scroll", tabindex: 0, role: "region", "aria-label": "Every model as a table" }),
    own.text,
    own.part("paper", { class: "cx-paper-of", "aria-live": "polite" }),
  ],
});
