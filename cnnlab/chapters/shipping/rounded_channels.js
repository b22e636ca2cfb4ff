import { many, range, sized, svg } from "../../widgets/static/core.js";
import { choosing, listing, panel, sliding } from "../../widgets/static/panel.js";

const TALL = 190;

// --- arithmetic -----------------------------------------------------------------------------------------------------

const largest = (row) => row.reduce((most, w) => Math.max(most, Math.abs(w)), 0);

// The step of each channel: the range that is kept, in as many steps as the bits have on one side of zero
export const scales = ({ bits, keep, per }, rows) => {
  const high = 2 ** (bits - 1) - 1;
  const own = rows.map(largest);
  const all = Math.max(...own);
  return own.map((each) => ((per === "tensor" ? all : each) * keep) / 100 / high || 1);
};

export const rounded = (state, rows) => {
  const high = 2 ** (state.bits - 1) - 1;
  const steps = scales(state, rows);
  return rows.map((row, k) => row.map((w) => steps[k] * Math.max(-high, Math.min(high, Math.round(w / steps[k])))));
};

const squares = (row) => row.reduce((sum, w) => sum + w * w, 0);

// The error of each channel as a share of its weights: the root of the ratio of squares
export const errors = (rows, found) =>
  rows.map((row, k) => Math.sqrt(squares(row.map((w, i) => w - found[k][i])) / (squares(row) || 1)));

const percent = (share) => `${(100 * share).toFixed(share < 0.0995 ? 1 : 0)} %`;

export const explain = (state, rows, found) => {
  const off = errors(rows, found);
  const mean = off.reduce((sum, one) => sum + one, 0) / off.length;
  const gone = found.filter((row) => row.every((w) => w === 0)).length;
  const lost = gone === 0 ? "In every channel something is left" : `Of ${many(gone, "channel")} nothing is left`;
  return `${2 ** state.bits - 1} values between the ends. On average a channel is off by ${percent(mean)} of its weights, the worst by ${percent(Math.max(...off))}. ${lost}.`;
};

export const compared = (rows) => {
  const own = rows.map(largest);
  const ratio = Math.max(...own) / Math.max(Math.min(...own), 1e-9);
  return `The largest weight of the loudest channel is ${ratio > 1000 ? "over 1,000" : ratio.toFixed(0)} times that of the quietest.`;
};

// --- picture --------------------------------------------------------------------------------------------------------

const view = (state, width, { layers }) => {
  const rows = layers[state.layer];
  const found = rounded(state, rows);
  const off = errors(rows, found);
  const top = Math.max(...rows.map(largest));
  const step = width / rows.length;
  // Roots bring the quiet channels apart.
  const y = (w) => TALL / 2 - Math.sign(w) * Math.sqrt(Math.abs(w) / top) * (TALL / 2 - 6);
  const dots = (values, k, kind, at) =>
    values.map((w) => svg("circle", { cx: (k + at) * step, cy: y(w), r: Math.min(2.2, step / 5), class: kind }));
  return {
    text: explain(state, rows, found),
    hint: compared(rows),
    picture: sized(width, TALL + 34, { "aria-hidden": "true" }, [
      svg("line", { x1: 0, x2: width, y1: TALL / 2, y2: TALL / 2, class: "cx-floor" }),
      range(rows.length).map((k) => [dots(rows[k], k, "rc-own", 0.32), dots(found[k], k, "rc-left", 0.68)]),
      off.map((one, k) =>
        svg("rect", {
          x: (k + 0.15) * step,
          y: TALL + 16 - 12 * Math.min(1, one),
          width: step * 0.7,
          height: 12 * Math.min(1, one),
          class: one > 0.5 ? "rc-bad" : "rc-off",
        }),
      ),
      svg("text", { x: 0, y: TALL + 30 }, "a channel each; below, its error"),
    ]),
  };
};

const layout = (own) => [own.presets(), own.bar("layer", "per"), own.sliders, own.picture, own.text, own.hint];

export const explore = panel(view, { kinds: { choosing, listing, sliding }, layout });
