import { el } from "./core.js";
import { pressing } from "./panel.js";

// A table that sorts by any column, for views whose state has `by`, the place of a column, and `down`.
// A head is { text, value(row), cell(row), words, press }: words sort from the start and stand at the left; `press(row)`,
// of the first, has the attributes of a button around a row's name.

// What is not known comes last, whichever way.
export const ordered = (rows, { value }, down) =>
  [...rows].sort((a, b) => {
    const [x, y] = [value(a), value(b)];
    if (x == null || y == null) return (x == null) - (y == null);
    return (down ? -1 : 1) * (typeof x === "number" ? x - y : x.localeCompare(y, "en", { numeric: true }));
  });

export const table = (heads, rows, { by, down }) => {
  const side = (head) => (head.words ? "cx-text" : null);
  const column = (head, i) =>
    el(
      "th",
      { scope: "col", class: side(head), "aria-sort": i !== by ? "none" : down ? "descending" : "ascending" },
      el(
        "button",
        { type: "button", ...pressing({ by: i, down: i === by ? !down : !head.words && !head.up }, `column ${i}`) },
        head.text,
      ),
    );
  // A name may break behind its underscores.
  const broken = (name) => name.split(/(?<=_)/).flatMap((piece, i) => (i ? [el("wbr"), piece] : piece));
  const name = (head, row) => {
    const words = broken(head.cell(row));
    return head.press ? el("button", { type: "button", ...head.press(row) }, words) : words;
  };
  const line = (row) =>
    el(
      "tr",
      {},
      heads.map((head, i) =>
        el(i ? "td" : "th", { scope: i ? null : "row", class: side(head) }, i ? head.cell(row) : name(head, row)),
      ),
    );
  return el("table", {}, el("thead", {}, el("tr", {}, heads.map(column))), el("tbody", {}, rows.map(line)));
};
