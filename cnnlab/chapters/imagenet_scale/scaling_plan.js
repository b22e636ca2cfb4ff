import { count, el, range, sized, svg } from "../../widgets/static/core.js";
import { panel, sliding } from "../../widgets/static/panel.js";

const PICTURES = 1281167;
const EPOCHS = 90;
const MACS = 4089184256;
const PARAMETERS = 25557032;
const LATENCY = 20e-6;
const COUNTS = range(11).map((power) => 2 ** power);

// --- arithmetic -----------------------------------------------------------------------------------------------------

export const ring = (n, size, bandwidth, latency) => 2 * (n - 1) * (size / n / bandwidth + latency);

// Python's Plan.
export const plan = ({ gpus, batch, gigabits, peak, utilization, price }) => {
  const compute = (batch * 3 * 2 * MACS) / ((peak * 1e12 * utilization) / 100);
  const exchange = ring(gpus, 4 * PARAMETERS, (gigabits * 1e9) / 8, LATENCY);
  const step = compute / 3 + Math.max((compute * 2) / 3, exchange);
  const total = gpus * batch;
  const steps = PICTURES / total;
  const hours = (EPOCHS * steps * step) / 3600;
  return {
    compute,
    exchange,
    step,
    total,
    steps,
    hours,
    efficiency: compute / step,
    cost: hours * gpus * price,
    top: (0.1 * total) / 256,
  };
};

export const rate = (top, epoch) =>
  epoch < 5 && top > 0.1
    ? 0.1 + ((top - 0.1) * epoch) / 5
    : top * 0.1 ** [30, 60, 80].filter((fall) => epoch >= fall).length;

// --- in words -------------------------------------------------------------------------------------------------------

// Three digits, and days or minutes where hours are too many or too few.
const digits = (value) => (value >= 100 ? count(Math.round(value)) : String(+value.toPrecision(3)));
export const time = (hours) =>
  hours >= 72 ? `${digits(hours / 24)} days` : hours >= 1 ? `${digits(hours)} hours` : `${digits(60 * hours)} minutes`;
export const ms = (seconds) => (seconds >= 1 ? `${digits(seconds)} s` : `${digits(1000 * seconds)} ms`);

export const explain = (found) =>
  `${time(found.hours)} for 90 epochs, ${count(Math.round(found.cost))} dollars. ${Math.round(100 * found.efficiency)} % of the time is spent computing. ` +
  `${count(found.total)} pictures a step, ${count(Math.round(found.steps))} steps an epoch.`;

export const advise = (found, { gpus }) => {
  const backward = (found.compute * 2) / 3;
  const travel =
    gpus === 1
      ? "Alone, it has nobody to wait for."
      : found.exchange <= backward
        ? `The gradients take ${ms(found.exchange)} and hide behind the ${ms(backward)} of the backward pass.`
        : `The gradients take ${ms(found.exchange)}, longer than the ${ms(backward)} of the backward pass: processors wait.`;
  const size =
    found.total > 8192
      ? " A batch above 8,192 is beyond what linear scaling was shown to bear: expect less accuracy."
      : found.total < 256
        ? " A batch below 256: the rate is lower, and there is nothing to warm up."
        : "";
  return travel + size;
};

// --- pictures -------------------------------------------------------------------------------------------------------

const TALL = 210;
const text = (x, y, anchor, label, attrs) => svg("text", { x, y, "text-anchor": anchor, ...attrs }, label);
const path = (points, look) =>
  svg("path", {
    class: look,
    d: points.map(([x, y], i) => `${i ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join(""),
  });

const frame = (width) => ({ left: 46, right: width - 10, top: 22, bottom: TALL - 34 });

// Hours against processors on two logarithmic axes; dashed, what it would be if nobody waited.
const curve = (state, width) => {
  const { left, right, top, bottom } = frame(width);
  const hours = COUNTS.map((gpus) => plan({ ...state, gpus }).hours);
  const ideal = COUNTS.map((gpus) => hours[0] / gpus);
  const low = Math.floor(Math.log10(Math.min(...ideal)));
  const high = Math.ceil(Math.log10(Math.max(...hours)));
  const x = (gpus) => left + ((right - left) * Math.log2(gpus)) / 10;
  const y = (value) => bottom - ((bottom - top) * (Math.log10(value) - low)) / (high - low);
  const at = COUNTS.indexOf(state.gpus);
  const said = `${time(hours[at])} with ${state.gpus}, ${time(ideal[at])} if nobody waited`;
  return sized(width, TALL, { role: "img", "aria-label": said }, [
    range(high - low + 1).map((i) => [
      svg("line", { x1: left, x2: right, y1: y(10 ** (low + i)), y2: y(10 ** (low + i)), class: "cx-mesh" }),
      text(
        left - 6,
        y(10 ** (low + i)) + 4,
        "end",
        low + i < 0 ? (10 ** (low + i)).toFixed(-low - i) : count(10 ** (low + i)),
      ),
    ]),
    [1, 8, 64, 512].map((gpus) => text(x(gpus), bottom + 16, "middle", gpus)),
    text(left, 12, "start", "hours", { class: "cx-axis" }),
    text((left + right) / 2, TALL - 3, "middle", "processors", { class: "cx-axis" }),
    path(
      COUNTS.map((gpus, i) => [x(gpus), y(ideal[i])]),
      "sp-ideal",
    ),
    path(
      COUNTS.map((gpus, i) => [x(gpus), y(hours[i])]),
      "sp-line",
    ),
    svg("circle", { cx: x(state.gpus), cy: y(hours[at]), r: 5.5, class: "sp-here" }),
  ]);
};

// The learning rate over the epochs, on a logarithmic axis.
const rates = ({ top: peak }, width) => {
  const { left, right, top, bottom } = frame(width);
  const epochs = range(EPOCHS * 4).map((i) => i / 4);
  const [low, high] = [-6, 2];
  const x = (epoch) => left + ((right - left) * epoch) / EPOCHS;
  const y = (value) => bottom - ((bottom - top) * (Math.log10(value) - low)) / (high - low);
  const said = `The rate climbs to ${digits(peak)} and falls to a tenth at epochs 30, 60 and 80`;
  return sized(width, TALL, { role: "img", "aria-label": said }, [
    [-6, -4, -2, 0, 2].map((power) => [
      svg("line", { x1: left, x2: right, y1: y(10 ** power), y2: y(10 ** power), class: "cx-mesh" }),
      text(left - 6, y(10 ** power) + 4, "end", power < -3 ? `10${power === -4 ? "⁻⁴" : "⁻⁶"}` : String(10 ** power)),
    ]),
    [0, 30, 60, 90].map((epoch) => text(x(epoch), bottom + 16, epoch === 90 ? "end" : "middle", epoch)),
    text(left, 12, "start", `learning rate, at most ${digits(peak)}`, { class: "cx-axis" }),
    text((left + right) / 2, TALL - 3, "middle", "epoch", { class: "cx-axis" }),
    path(
      epochs.map((epoch) => [x(epoch), y(rate(peak, epoch))]),
      "sp-rate",
    ),
  ]);
};

const view = (state, width) => {
  const found = plan(state);
  const each = width < 560 ? width : Math.floor((width - 16) / 2);
  return {
    text: explain(found),
    hint: advise(found, state),
    parts: { curve: curve(state, each), rates: rates(found, each) },
  };
};

export const explore = panel(view, {
  kinds: { sliding },
  layout: (own) => [
    own.presets(),
    el("div", { class: "sp-controls" }, own.sliders),
    own.text,
    el("div", { class: "sp-row" }, own.part("curve"), own.part("rates")),
    own.hint,
  ],
});
