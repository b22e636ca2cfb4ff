import { chapterLink, el, KEYS, listed, many, range, sized, svg } from "../../widgets/static/core.js";
import { panel, picking, presses, pressing, scrolling } from "../../widgets/static/panel.js";

const ROW = 34;

// Who can be reached from a paper by steps of `next`, itself left out.
const reach = (start, next) => {
  const seen = new Set();
  const go = (i) => next(i).forEach((k) => seen.has(k) || (seen.add(k), go(k)));
  go(start);
  return seen;
};
const taken = (rows, i) => range(rows.length).filter((k) => rows[k].parents.includes(i));
export const relatives = (rows, at) => ({
  up: reach(at, (i) => rows[i].parents),
  down: reach(at, (i) => taken(rows, i)),
});

// What the card of a paper says, line by line.
export const lines = (rows, i) => {
  const names = (list) => listed(list.map((k) => rows[k].title));
  return [
    ["Builds on", names(rows[i].parents)],
    ["Taken up by", names(taken(rows, i))],
    ["In cnnlab:", rows[i].models],
  ].filter(([, text]) => text);
};

const card = (rows, i, shown) => {
  const row = rows[i];
  const chapter = row.chapter && (shown ? chapterLink(row.chapter, "Its chapter") : "Its chapter");
  return el(
    "div",
    { class: "cx-card", "data-shown": shown, "aria-hidden": !shown && "true" },
    el("div", { class: "cx-headline" }, `${row.title}, ${row.year}`),
    el("p", {}, row.idea),
    lines(rows, i).map(([term, text]) => el("p", {}, el("i", {}, `${term} `), text)),
    el("p", {}, shown ? el("a", { href: row.url, rel: "noopener", ...KEYS }, row.paper) : row.paper),
    chapter && el("p", {}, chapter),
  );
};

const papers = (rows, at, { up, down }, gutter) => {
  const y = (i) => (i + 0.5) * ROW;
  const within = (i, kin) => i === at || kin.has(i);
  const kin = (i, k) =>
    within(i, down) && within(k, down) ? " cx-down" : within(i, up) && within(k, up) ? " cx-up" : "";
  const arc = (i, k) => {
    const out = gutter - 1.3 * Math.min(gutter - 8, 8 + Math.sqrt(i - k) * (gutter / 5.2));
    return svg("path", {
      d: `M${gutter} ${y(k)}C${out} ${y(k)} ${out} ${y(i)} ${gutter} ${y(i)}`,
      class: `cx-arc${kin(i, k)}`,
    });
  };
  const arcs = rows
    .flatMap((row, i) => row.parents.map((k) => [kin(i, k).length, arc(i, k)]))
    .sort((a, b) => a[0] - b[0]);
  const line = (row, i) =>
    el(
      "button",
      {
        type: "button",
        class: `cx-paper${up.has(i) ? " cx-up" : down.has(i) ? " cx-down" : ""}`,
        "aria-pressed": String(i === at),
        ...pressing({ at: i }, `paper ${i}`),
      },
      el("span", {}, i && rows[i - 1].year === row.year ? "" : row.year),
      el("b", {}, row.title),
    );
  return el(
    "div",
    { style: `padding-left:${gutter + 4}px` },
    sized(
      gutter,
      rows.length * ROW,
      { "aria-hidden": "true", class: "cx-arcs" },
      arcs.map(([, node]) => node),
    ),
    rows.map(line),
  );
};

// Papers by year as a list, with arcs in the margin to what each builds on. The chosen one opens and its relatives light up.
const view = ({ at }, width, rows) => {
  const kin = relatives(rows, at);
  const length = (i) => [rows[i].idea, rows[i].paper, ...lines(rows, i).flat()].join(" ").length;
  const longest = range(rows.length)
    .sort((a, b) => length(b) - length(a))
    .slice(0, 4);
  const step = (text, to) => el("button", { type: "button", ...pressing({ at: to }, text) }, text);
  return {
    text: `${rows[at].title} (${rows[at].year}) has ${many(kin.up.size, "ancestor")} and ${many(kin.down.size, "descendant")} among these ${rows.length} papers.`,
    parts: {
      steps: [
        step("Earlier", at - 1),
        step("Later", at + 1),
        el("span", { class: "cx-hint" }, "Orange: what it builds on. Green: what builds on it."),
      ],
      // The longest, unseen, keep the card's room.
      card: [...longest.map((i) => card(rows, i, false)), card(rows, at, true)],
      papers: papers(rows, at, kin, width < 640 ? 54 : 84),
    },
    focus: `paper ${at}`,
    scroll: { papers: [(at - 1) * ROW, (at + 2) * ROW] },
  };
};

export const explore = panel(view, {
  kinds: { picking },
  presses,
  also: [scrolling],
  limits: (_state, rows) => ({ at: { low: 0, high: rows.length - 1 } }),
  move: ({ at }, dx, dy) => ({ at: at + dx + dy }),
  layout: (own) => [
    own.part("steps", { class: "cx-bar" }),
    el(
      "div",
      { class: "cx-kin" },
      el("div", { class: "cx-tree" }, own.part("card", { class: "cx-cards" }), own.control("papers")),
    ),
    own.text,
  ],
});
