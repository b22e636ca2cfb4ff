import { short, sized, svg } from "../../widgets/static/core.js";
import { choosing, panel, sliding } from "../../widgets/static/panel.js";

const FIELDS = ["version", "width", "size", "params", "macs", "accuracy", "phone", "here"];
const UNITS = { macs: "MACs", phone: "ms on a Pixel 1", here: "ms, recorded" };
const NAMES = { v1: "Version 1", v2: "Version 2", "v3 large": "Version 3, Large", "v3 small": "Version 3, Small" };
const TALL = 300;
const [LEFT, RIGHT, TOP, BOTTOM] = [40, 12, 12, 44];
const [LOW, HIGH] = [38, 78]; // percent

export const decode = (data) => ({
  ...data,
  rows: data.rows.map((row) => Object.fromEntries(FIELDS.map((field, i) => [field, row[i]]))),
});

export const limits = ({ version }) => ({
  width: { values: version === "v1" ? [25, 50, 75, 100] : [35, 50, 75, 100, 140] },
});

// --- arithmetic -----------------------------------------------------------------------------------------------------

const said = (row) => `${NAMES[row.version]}, width ${row.width}, ${row.size} × ${row.size} pixels`;
const amount = (value, cost) => (cost === "macs" ? `${short(value)} MACs` : `${value.toFixed(1)} ms`);
const find = (rows, version, width, size) =>
  rows.find((row) => row.version === version && Math.round(100 * row.width) === width && row.size === size);

// The budget, the networks that have a point, those of them that fit, and the best of these.
export const weigh = (state, { rows }) => {
  const cost = (row) => row[state.cost];
  const first = find(rows, "v1", 100, 224);
  const limit = (state.budget / 100) * cost(first);
  const shown = rows.filter((row) => row.accuracy != null && cost(row) != null);
  const fit = shown.filter((row) => cost(row) <= limit * (1 + 1e-9));
  const best = fit.reduce((top, row) => (top && top.accuracy >= row.accuracy ? top : row), null);
  return { limit, shown, fit, best, own: find(rows, state.version, state.width, state.size) };
};

export const explain = (state, data) => {
  const { limit, shown, fit, best, own } = weigh(state, data);
  const costs = `${short(own.macs)} MACs${own.phone == null ? "" : `, ${own.phone.toFixed(1)} ms on a Pixel 1`}`;
  const right =
    own.accuracy == null ? "Its accuracy was not published" : `${own.accuracy.toFixed(1)} % of ImageNet right`;
  const within = best
    ? `${fit.length} of ${shown.length} networks fit, the best ${said(best)}: ${best.accuracy.toFixed(1)} %.`
    : `None of ${shown.length} networks fits.`;
  return `${said(own)}: ${costs}. ${right}. Within ${amount(limit, state.cost)}, ${within}`;
};

// --- picture --------------------------------------------------------------------------------------------------------

const drawn = (state, width, data) => {
  const { limit, shown, fit, best, own } = weigh(state, data);
  const costs = [...shown.map((row) => row[state.cost]), limit];
  const [least, most] = [Math.min(...costs) / 1.25, Math.max(...costs) * 1.25];
  const x = (value) => LEFT + ((width - LEFT - RIGHT) * Math.log(value / least)) / Math.log(most / least);
  const y = (value) => TOP + ((TALL - TOP - BOTTOM) * (HIGH - value)) / (HIGH - LOW);
  const tens = [1, 2, 5, 10, 20, 50, 100, 200, 500].map((n) => n * (state.cost === "macs" ? 1e6 : 1));
  const ticks = tens.filter((n) => n > least && n < most);
  const text = (px, py, words, more) => svg("text", { x: px, y: py, ...more }, words);
  const line = (x1, y1, x2, y2, name) => svg("line", { x1, y1, x2, y2, class: name });
  const place = own[state.cost];
  const at = own.accuracy == null ? TALL - BOTTOM : y(own.accuracy);
  return sized(width, TALL, { role: "img", "aria-label": "Accuracy and cost of the MobileNets, and a budget" }, [
    [40, 50, 60, 70].map((n) => [
      line(LEFT, y(n), width - RIGHT, y(n), "mb-grid"),
      text(LEFT - 6, y(n) + 4, `${n} %`, { "text-anchor": "end" }),
    ]),
    ticks.map((n) => text(x(n), TALL - 26, short(n), { "text-anchor": "middle" })),
    text((width + LEFT) / 2, TALL - 8, UNITS[state.cost], { "text-anchor": "middle" }),
    svg("rect", {
      x: LEFT,
      y: TOP,
      width: Math.max(0, x(limit) - LEFT),
      height: TALL - TOP - BOTTOM,
      class: "mb-room",
      "data-fit": fit.length,
    }),
    line(x(limit), TOP, x(limit), TALL - BOTTOM, "mb-limit"),
    shown.map((row) =>
      svg("circle", {
        cx: x(row[state.cost]),
        cy: y(row.accuracy),
        r: row === best ? 6.5 : 4.5,
        class: `mb-${row.version.slice(0, 2)}${fit.includes(row) ? "" : " mb-out"}`,
      }),
    ),
    place != null && svg("circle", { cx: x(place), cy: at, r: 10, class: "mb-own" }),
    ["v1", "v2", "v3"].map((version, i) => [
      svg("circle", { cx: width - 92, cy: TALL - BOTTOM - 50 + 18 * i, r: 4.5, class: `mb-${version}` }),
      text(width - 82, TALL - BOTTOM - 46 + 18 * i, NAMES[version] ?? "Version 3"),
    ]),
  ]);
};

// Accuracy over cost: the published networks, a budget, and the one that the dials give.
const view = (state, width, data) => ({ text: explain(state, data), picture: drawn(state, width, data) });

export const explore = panel(view, {
  kinds: { choosing, sliding },
  limits,
  decode,
  layout: (own) => [own.presets(), own.choices, own.sliders, own.picture, own.text],
});
