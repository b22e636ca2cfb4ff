import { button, choice, el, say, slider } from "./core.js";

// The controls that a declaration lists (cnnlab/widgets/panel.py), which write into state and then call changed, with
// true after a preset.
export const controls = (p, state, changed) => {
  const put = (name) => (to) => {
    state[name] = to;
    update();
  };
  const made = p.controls.map((own) => {
    const value = state[own.name];
    const format = (shown) => shown.toFixed(own.decimals);
    return own.kind === "slider"
      ? slider({ ...own, min: own.low, max: own.high, value, format, oninput: put(own.name) })
      : choice({ ...own, value, onchange: put(own.name) });
  });
  const presets = p.presets.map(([name, values]) =>
    button(name, () => {
      Object.assign(state, values);
      p.controls.forEach((own, i) => {
        made[i].value = state[own.name];
      });
      update(true);
    }),
  );
  const mark = () =>
    presets.forEach((node, i) => {
      const values = Object.entries(p.presets[i][1]);
      node.setAttribute("aria-pressed", String(values.every(([name, value]) => state[name] === value)));
    });
  const update = (preset) => {
    mark();
    changed(preset);
  };
  mark();
  const nodes = (kind) => made.filter((_, i) => p.controls[i].kind === kind).map((control) => control.node);
  return {
    presets: (...kids) => el("div", { class: "cx-bar", role: "group", "aria-label": "Settings to try" }, kids, presets),
    sliders: el("div", { class: "cx-controls" }, nodes("slider")),
    choices: el("div", { class: "cx-bar" }, nodes("choice")),
  };
};

// An explorer out of its declaration and a pure view: (state, width) -> { text, picture }.
export const panel = (view) => (p) => {
  const state = { ...p.state };
  let width = 0;
  const words = say(p.room);
  const frame = el("div", { class: "cx-picture" });
  const update = () => {
    const { text, picture } = view(state, width);
    words.textContent = text;
    if (width) frame.replaceChildren(picture);
  };
  const own = controls(p, state, update);
  return {
    nodes: [own.presets(), own.sliders, own.choices, frame, words],
    draw: (to) => {
      width = to;
      update();
    },
  };
};
