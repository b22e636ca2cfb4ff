import { el, sized, svg } from "../../widgets/static/core.js";
import { choosing, listing, panel, sliding } from "../../widgets/static/panel.js";

const TALL = 150;
const [WIDE, SEEN] = [256, 224];

// --- arithmetic -----------------------------------------------------------------------------------------------------

const percent = (share) => `${(100 * share).toFixed(share < 0.0995 ? 1 : 0)} %`;

export const explain = ({ photo, way, step }, { answers, pushes }) => {
  const [said, p] = answers[photo][way][step];
  const [first, before] = answers[photo][way][0];
  const by = pushes[way][step];
  if (step === 0) return `As it is, the network says “${said}”, ${percent(p)}.`;
  const how = {
    sign: `Each number up or down by ${by} of 255, as the gradient says:`,
    coin: `Each number up or down by ${by} of 255, as a coin says:`,
    moved: `The window ${by} pixels further right:`,
  }[way];
  const after = answers[photo][way][step][2];
  return said === first
    ? `${how} still “${said}”, ${percent(p)} in place of ${percent(before)}.`
    : `${how} “${said}”, ${percent(p)}. “${first}” has ${percent(after)} left of ${percent(before)}.`;
};

export const changed = ({ photo, way }, { answers, pushes }) => {
  const steps = answers[photo][way];
  const at = steps.findIndex(([said]) => said !== steps[0][0]);
  const unit = way === "moved" ? "pixels" : "of 255";
  return at < 0
    ? "Along this way the answer stays the same."
    : `The answer changes first at ${pushes[way][at]} ${unit}.`;
};

// --- picture --------------------------------------------------------------------------------------------------------

const view = (state, width, data) => {
  const { photo, way, step } = state;
  const steps = data.answers[photo][way];
  const far = data.pushes[way];
  const right = width - 30;
  const x = (i) => 34 + (far[i] / far[far.length - 1]) * (right - 34);
  const y = (share) => TALL - 24 - share * (TALL - 40);
  const points = steps.map(([, , first], i) => `${x(i).toFixed(1)},${y(first).toFixed(1)}`);
  const edge = (WIDE - SEEN) / 2;
  const left = edge + (way === "moved" ? far[step] : 0);
  return {
    text: explain(state, data),
    hint: changed(state, data),
    picture: sized(width, TALL, { "aria-hidden": "true" }, [
      svg("path", { d: `M34,${y(1)}V${y(0)}H${right}`, class: "pp-axes" }),
      svg("text", { x: 0, y: y(1) + 5 }, "100 %"),
      svg("text", { x: 16, y: y(0) }, "0"),
      svg("text", { x: right, y: TALL - 6, "text-anchor": "end" }, way === "moved" ? "pixels" : "of 255"),
      svg("text", { x: x(step), y: TALL - 6, "text-anchor": "middle", class: "pp-now" }, step ? far[step] : ""),
      svg("path", { d: `M${points.join("L")}`, class: "pp-curve" }),
      svg("circle", { cx: x(step), cy: y(steps[step][2]), r: 5, class: "pp-dot" }),
    ]),
    parts: {
      photo: svg(
        "svg",
        { viewBox: `${left} ${edge} ${SEEN} ${SEEN}`, "aria-hidden": "true" },
        svg("image", { href: data.photos[photo], width: WIDE, height: WIDE, preserveAspectRatio: "none" }),
      ),
    },
  };
};

const layout = (own) => [
  own.bar("photo", "way"),
  own.sliders,
  el(
    "div",
    { class: "pp-row" },
    own.part("photo", { class: "pp-photo" }),
    el("div", { class: "pp-plot" }, own.picture),
  ),
  own.text,
  own.hint,
];

export const explore = panel(view, { kinds: { choosing, listing, sliding }, layout });
