import { chapterLink, el, short } from "../../widgets/static/core.js";
import { choosing, panel, sliding, toggling } from "../../widgets/static/panel.js";

const SHOWN = 5;
const RECIPES = {
  own: "trained by a recipe of its own time",
  new: "trained by the recipe of 2021, as many others of this list",
  extra: "trained on other pictures first",
};
const COSTS = { params: "parameters", macs: "MACs", latency: "ms" };
const figure = (cost, value) =>
  value == null ? "–" : cost === "latency" ? value.toFixed(value < 10 ? 1 : 0) : short(value);
const fraction = (part) => (part < 0.095 ? part.toFixed(2) : part < 0.95 ? part.toFixed(1) : part.toFixed(0));

// --- arithmetic -----------------------------------------------------------------------------------------------------

export const decode = ({ rows, beside, advice }) => {
  const named = rows.map(([name, top1, params, macs, latency, year, recipe, chapter, extra]) => ({
    ...{ name, top1, params, macs, latency, year, recipe, chapter, extra },
  }));
  return { rows: named, beside: named[beside], advice };
};

// Who keeps to the budget, the most accurate first.
export const fitting = ({ scarce, times, extra }, { rows, beside }) =>
  rows
    .filter((row) => extra || !row.extra)
    .filter((row) => row[scarce] != null && row[scarce] <= times * beside[scarce])
    .sort((a, b) => b.top1 - a.top1);

// The cheapest that is at most a point and a half behind the best, if it saves a third or more.
export const nearly = ({ scarce }, [best, ...others]) => {
  const close = others.filter((row) => best.top1 - row.top1 <= 1.5);
  const cheap = close.sort((a, b) => a[scarce] - b[scarce])[0];
  return cheap && cheap[scarce] <= best[scarce] / 1.5 ? cheap : null;
};

export const explain = (state, data) => {
  const rows = fitting(state, data);
  const { scarce, times } = state;
  const budget = `Within ${figure(scarce, times * data.beside[scarce])} ${COSTS[scarce]}`;
  if (!rows.length) return `${budget} there is no checkpoint in this list.`;
  const [best] = rows;
  const recipe = RECIPES[best.recipe] ? `, ${RECIPES[best.recipe]}` : "";
  const first = `${budget} ${best.name} is the most accurate of ${rows.length}: ${best.top1.toFixed(2)} % top-1${recipe}.`;
  const cheap = nearly(state, rows);
  if (!cheap) return first;
  const behind = (best.top1 - cheap.top1).toFixed(1);
  return `${first} ${cheap.name} takes ${fraction(cheap[scarce] / best[scarce])} of its ${scarce === "latency" ? "time" : COSTS[scarce]} and is ${behind} points behind.`;
};

// --- what is seen ---------------------------------------------------------------------------------------------------

const HEADS = ["checkpoint", "top-1 %", "parameters", "MACs", "ms", "year"];

const line = (row) =>
  el(
    "tr",
    {},
    el("th", { scope: "row", class: "cx-text" }, chapterLink(row.chapter, row.name) ?? row.name),
    el("td", {}, row.top1.toFixed(2)),
    ["params", "macs", "latency"].map((cost) => el("td", {}, figure(cost, row[cost]))),
    el("td", {}, row.year ?? "–"),
  );

const view = (state, _width, data) => {
  const rows = fitting(state, data).slice(0, SHOWN);
  const [text, chapter] = data.advice[state.pictures];
  const link = chapterLink(chapter, "Where it is measured");
  const head = HEADS.map((words, i) => el("th", { scope: "col", class: i ? null : "cx-text" }, words));
  return {
    text: explain(state, data),
    parts: {
      advice: el("p", {}, text, link ? [" ", link, "."] : null),
      best: el(
        "div",
        { style: `min-height:${2.1 * (SHOWN + 1)}rem` },
        el("table", {}, el("thead", {}, el("tr", {}, head)), el("tbody", {}, rows.map(line))),
      ),
    },
  };
};

export const explore = panel(view, {
  kinds: { choosing, sliding, toggling },
  decode,
  layout: (own) => [
    own.choices,
    own.part("advice", { class: "wn-advice", "aria-live": "polite" }),
    own.sliders,
    own.text,
    own.part("best", { class: "cx-scroll", tabindex: 0, role: "region", "aria-label": "The most accurate ones" }),
  ],
});
