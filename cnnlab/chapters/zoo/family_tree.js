import { arrows, button, clamp, el, KEYS, listed, many, range, say, svg } from "../../widgets/static/core.js";

// Papers by year as a list, with arcs in the margin to what each builds on. The chosen one opens and its relatives light up.
export const explore = (p) => {
  const [TITLE, YEAR, PAPER, URL, IDEA, PARENTS, MODELS] = range(7);
  const { rows } = p;
  let at = p.selected;
  let width = 0;
  const ROW = 34;
  const children = rows.map((_, i) => range(rows.length).filter((k) => rows[k][PARENTS].includes(i)));
  const reach = (i, next) => {
    const seen = new Set();
    const go = (k) => next(k).forEach((n) => seen.has(n) || (seen.add(n), go(n)));
    go(i);
    return seen;
  };
  const names = (list) => (list.length ? listed(list.map((i) => rows[i][TITLE])) : "");

  const arcs = svg("svg", { "aria-hidden": "true", class: "cx-arcs" });
  const buttons = rows.map((_row, i) => button([], () => pick(i), { class: "cx-paper", "aria-pressed": "false" }));
  buttons.forEach((node, i) =>
    node.replaceChildren(
      el("span", {}, i && rows[i - 1][YEAR] === rows[i][YEAR] ? "" : rows[i][YEAR]),
      el("b", {}, rows[i][TITLE]),
    ),
  );
  const list = el(
    "div",
    {
      class: "cx-list",
      role: "group",
      "aria-label": "Papers by year",
      onkeydown: arrows((dx, dy) => pick(clamp(at + dx + dy, 0, rows.length - 1), true)),
    },
    arcs,
    buttons,
  );
  const card = el("div", { class: "cx-card" });
  // What the card of a row says, to make room for the longest.
  const length = (row) =>
    row[IDEA].length +
    row[TITLE].length +
    row[PAPER].length +
    names(row[PARENTS]).length +
    row[MODELS].slice(0, 6).join(", ").length;
  const longest = range(rows.length)
    .sort((a, b) => length(rows[b]) + names(children[b]).length - length(rows[a]) - names(children[a]).length)
    .slice(0, 4);
  const result = say(90);
  const frame = el("div", { class: "cx-tree" }, card, list);

  const draw = () => {
    const up = reach(at, (k) => rows[k][PARENTS]);
    const down = reach(at, (k) => children[k]);
    const gutter = width < 640 ? 54 : 84;
    const height = rows.length * ROW;
    const y = (i) => (i + 0.5) * ROW;
    const paths = [];
    rows.forEach((row, i) =>
      row[PARENTS].forEach((k) => {
        const mine =
          (i === at || down.has(i)) && (k === at || down.has(k))
            ? " cx-down"
            : (k === at || up.has(k)) && (i === at || up.has(i))
              ? " cx-up"
              : "";
        const out = Math.min(gutter - 8, 8 + Math.sqrt(i - k) * (gutter / 5.2));
        paths.push([
          mine,
          svg("path", {
            d: `M${gutter} ${y(k)}C${gutter - out * 1.3} ${y(k)} ${gutter - out * 1.3} ${y(i)} ${gutter} ${y(i)}`,
            class: `cx-arc${mine}`,
            "data-from": k,
            "data-to": i,
          }),
        ]);
      }),
    );
    paths.sort((a, b) => a[0].length - b[0].length);
    arcs.setAttribute("width", gutter);
    arcs.setAttribute("height", height);
    arcs.setAttribute("viewBox", `0 0 ${gutter} ${height}`);
    arcs.replaceChildren(...paths.map(([, node]) => node));
    list.style.paddingLeft = `${gutter + 4}px`;
    buttons.forEach((node, i) => {
      node.setAttribute("aria-pressed", i === at);
      node.classList.toggle("cx-up", up.has(i));
      node.classList.toggle("cx-down", down.has(i));
    });
    return [up, down];
  };
  const write = (i) => {
    const row = rows[i];
    const some =
      row[MODELS].slice(0, 6).join(", ") + (row[MODELS].length > 6 ? ` and ${row[MODELS].length - 6} more` : "");
    const line = (term, text) => text && el("p", {}, el("i", {}, `${term} `), text);
    card.replaceChildren(
      ...[
        el("div", { class: "cx-headline" }, `${row[TITLE]}, ${row[YEAR]}`),
        el("p", {}, row[IDEA]),
        line("Builds on", names(row[PARENTS])),
        line("Taken up by", names(children[i])),
        line("In cnnlab:", some),
        el("p", {}, el("a", { href: row[URL], rel: "noopener", ...KEYS }, row[PAPER])),
      ].filter(Boolean),
    );
  };
  const pick = (i, focus) => {
    at = i;
    const row = rows[i];
    const [up, down] = draw();
    write(i);
    list.scrollTop = clamp(list.scrollTop, (i + 2) * ROW - list.clientHeight, (i - 1) * ROW);
    result.textContent = `${row[TITLE]} (${row[YEAR]}) has ${many(up.size, "ancestor")} and ${many(down.size, "descendant")} among these ${rows.length} papers.`;
    if (focus) buttons[i].focus();
  };
  const step = (by) => () => pick(clamp(at + by, 0, rows.length - 1));
  return {
    nodes: [
      el(
        "div",
        { class: "cx-bar" },
        button("Earlier", step(-1)),
        button("Later", step(1)),
        el("span", { class: "cx-hint" }, "Orange: what it builds on. Green: what builds on it."),
      ),
      frame,
      result,
    ],
    draw: (to) => {
      width = to;
      frame.classList.toggle("cx-wide", to >= 500);
      card.style.minHeight = "";
      card.style.minHeight = `${Math.max(...longest.map((i) => (write(i), card.offsetHeight)))}px`;
      pick(at);
    },
  };
};
