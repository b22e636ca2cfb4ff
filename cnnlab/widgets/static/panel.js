import { button, choice, el, say, slider } from "./core.js";

// An explorer out of declared controls (cnnlab/widgets/panel.py) and a pure view: (state, width) -> { text, picture }.
export const panel = (view) => (p) => {
  const state = { ...p.state };
  let width = 0;
  const words = say(p.room);
  const frame = el("div", { class: "cx-picture" });
  const update = () => {
    const { text, picture } = view(state, width);
    words.textContent = text;
    if (width) frame.replaceChildren(picture);
    presets.forEach((node, i) => {
      const values = Object.entries(p.presets[i][1]);
      node.setAttribute("aria-pressed", String(values.every(([name, value]) => state[name] === value)));
    });
  };
  const made = p.controls.map((own) => {
    const put = (to) => {
      state[own.name] = to;
      update();
    };
    const format = (value) => value.toFixed(own.decimals);
    return own.kind === "slider"
      ? slider({ ...own, min: own.low, max: own.high, value: state[own.name], format, oninput: put })
      : choice({ ...own, value: state[own.name], onchange: put });
  });
  const presets = p.presets.map(([name, values]) =>
    button(name, () => {
      Object.assign(state, values);
      p.controls.forEach((own, i) => {
        made[i].value = state[own.name];
      });
      update();
    }),
  );
  const nodes = (kind) => made.filter((_, i) => p.controls[i].kind === kind).map((control) => control.node);
  return {
    nodes: [
      el("div", { class: "cx-bar", role: "group", "aria-label": "Settings to try" }, presets),
      el("div", { class: "cx-controls" }, nodes("slider")),
      el("div", { class: "cx-bar" }, nodes("choice")),
      frame,
      words,
    ],
    draw: (to) => {
      width = to;
      update();
    },
  };
};
