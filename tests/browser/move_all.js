// Moves every control of the page's explorer to its ends, then all sliders together. Returns [height, what] after each step.
() => {
  const root = document.querySelector(".cnnlab-explorer");
  const seen = [];
  const note = (what) => seen.push([Math.round(root.getBoundingClientRect().height), what]);
  const shown = (selector) =>
    [...root.querySelectorAll(selector)].filter((node) => node.offsetParent && !node.disabled);
  const put = (node, value, event = "input") => {
    node.value = value;
    node.dispatchEvent(new Event(event));
    note(`${node.type} at ${value}`);
  };
  const sliders = () => {
    const all = shown("input[type=range]");
    for (const node of all) for (const end of [node.min, node.max]) put(node, end);
    for (const corner of [0b00000, 0b11111, 0b10111, 0b01010, 0b10101, 0b00011]) {
      all.forEach((node, i) => put(node, (corner >> (i % 5)) & 1 ? node.max : node.min));
    }
  };
  const buttons = () => shown("button").filter((node) => !/^(Play|Pause)$/.test(node.textContent));
  note("first");
  sliders();
  const step = Math.ceil(buttons().length / 16);
  for (let i = 0; i < buttons().length; i += step) {
    buttons()[i].click();
    note(`button ${i}`);
    if (step === 1 && i % 5 === 1) sliders();
  }
  for (let s = 0; s < shown("select").length; s++) {
    for (let o = 0; o < (shown("select")[s]?.options.length ?? 0); o++) {
      const node = shown("select")[s];
      put(node, node.options[o].value, "change");
    }
  }
  for (const node of shown("input[type=number]")) for (const value of [-99, 0, 1.23]) put(node, value);
  for (let i = 0; i < 6; i++) {
    for (const node of buttons().filter((one) => /^Add/.test(one.textContent))) node.click();
    note("added");
  }
  for (const node of shown("[role=application]")) {
    for (const key of ["ArrowRight", "ArrowDown", "ArrowLeft", "ArrowUp", "ArrowUp"]) {
      node.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
      note(key);
    }
  }
  return seen;
};
