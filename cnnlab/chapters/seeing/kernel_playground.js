import { arrows, bytes, clamp, el, hint, KEYS, range, say, select, svg, tidy } from "../../widgets/static/core.js";

// A photo, a 3 x 3 kernel to edit, the filtered photo at once, and the nine products behind any pixel of it.
export const explore = (p) => {
  const { width: w, height: h } = p;
  const photo = bytes(p.pixels);
  const [ow, oh] = [w - 2, h - 2];
  const values = new Float64Array(ow * oh);
  let kernel = [];
  let divisor = 1;
  let mode = "clipped";
  const at = { x: Math.floor(ow * p.at[0]), y: Math.floor(oh * p.at[1]) };
  const modes = [
    ["clipped", "as it is, clipped to 0–255"],
    ["signed", "zero as mid-gray"],
    ["magnitude", "size, without the sign"],
  ];
  const shade = { clipped: (v) => v, signed: (v) => 128 + v / 2, magnitude: Math.abs };

  const board = (side, tall, label, extra) => {
    const canvas = el("canvas", {
      width: side,
      height: tall,
      "aria-hidden": "true",
      style: `padding:${(50 * (w - side)) / w}%`,
    });
    const frame = svg("svg", { viewBox: `0 0 ${w} ${h}`, ...extra });
    return {
      canvas,
      frame,
      node: el(
        "div",
        { class: "cx-board" },
        el("div", { class: "cx-hint" }, label),
        el("div", { class: "cx-photo" }, canvas, frame),
      ),
    };
  };
  const paint = (canvas, gray) => {
    const image = new ImageData(canvas.width, canvas.height);
    image.data.fill(255);
    for (let i = 0; i < gray.length; i++) image.data.fill(gray[i], 4 * i, 4 * i + 3);
    canvas.getContext("2d").putImageData(image, 0, 0);
  };
  const take = (event) => {
    const box = after.frame.getBoundingClientRect();
    look(
      Math.floor(((event.clientX - box.left) / box.width) * w) - 1,
      Math.floor(((event.clientY - box.top) / box.height) * h) - 1,
    );
  };
  const before = board(w, h, `photo, ${w} × ${h}`, { "aria-hidden": "true" });
  const after = board(ow, oh, `result, ${ow} × ${oh}`, {
    tabindex: 0,
    role: "application",
    ...KEYS,
    "aria-label": "Pixels of the result. The arrow keys choose one.",
    class: "cx-pick",
    onpointermove: take,
    onpointerdown: take,
    onkeydown: arrows((dx, dy) => look(at.x + dx, at.y + dy)),
  });
  const number = (label, oninput) =>
    el("input", { type: "number", step: "any", inputmode: "decimal", "aria-label": label, ...KEYS, oninput });
  const inputs = range(9).map((i) =>
    number(`weight, row ${Math.floor(i / 3) + 1}, column ${(i % 3) + 1}`, () => {
      kernel[i] = +inputs[i].value || 0;
      presets.value = "";
      run();
    }),
  );
  const over = number(null, () => {
    divisor = +over.value || 1;
    presets.value = "";
    run();
  });
  const result = say(155);
  const sums = el("div", { class: "cx-sums" });
  const reading = hint(100);

  const run = () => {
    const gray = new Uint8ClampedArray(values.length);
    let [low, high, dark] = [Infinity, -Infinity, 0];
    for (let y = 0; y < oh; y++)
      for (let x = 0; x < ow; x++) {
        let sum = 0;
        for (let t = 0; t < 9; t++) sum += kernel[t] * photo[(y + ((t / 3) | 0)) * w + x + (t % 3)];
        const v = sum / divisor;
        values[y * ow + x] = v;
        gray[y * ow + x] = shade[mode](v);
        low = Math.min(low, v);
        high = Math.max(high, v);
        dark += v < 0;
      }
    paint(after.canvas, gray);
    const total = kernel.reduce((a, b) => a + b, 0) / divisor;
    result.textContent =
      `The weights add up to ${tidy(total)}, so ${Math.abs(total - 1) < 1e-9 ? "even areas keep their brightness" : Math.abs(total) < 1e-9 ? "even areas become 0" : `even areas become ${tidy(total)} times as bright`}. ` +
      `The result runs from ${tidy(low)} to ${tidy(high)}` +
      (dark
        ? `; ${Math.round((100 * dark) / values.length)} % of it is negative${mode === "clipped" ? " and shows as black" : ""}.`
        : ".");
    look(at.x, at.y);
  };

  const table = (label, cells) =>
    el(
      "div",
      { class: "cx-nine", role: "img", "aria-label": `${label}: ${cells.map(([text]) => text).join(", ")}` },
      cells.map(([text, style]) => el("span", { style }, text)),
    );
  const look = (x, y) => {
    at.x = clamp(x, 0, ow - 1);
    at.y = clamp(y, 0, oh - 1);
    const patch = range(9).map((t) => photo[(at.y + Math.floor(t / 3)) * w + at.x + (t % 3)]);
    const products = patch.map((v, t) => v * kernel[t]);
    const sum = products.reduce((a, b) => a + b, 0);
    const peak = Math.max(1e-9, ...products.map(Math.abs));
    const tint = (v, scale) =>
      `background:color-mix(in srgb, var(--cnnlab-${v < 0 ? "orange" : "blue"}) ${Math.round((45 * Math.abs(v)) / scale)}%, var(--cnnlab-paper))`;
    const strongest = Math.max(1e-9, ...kernel.map(Math.abs));
    sums.replaceChildren(
      table(
        "pixels",
        patch.map((v) => [String(v), `background:rgb(${v},${v},${v});color:${v > 120 ? "#000" : "#fff"}`]),
      ),
      "×",
      table(
        "weights",
        kernel.map((v) => [tidy(v), tint(v, strongest)]),
      ),
      "=",
      table(
        "products",
        products.map((v) => [tidy(v), tint(v, peak)]),
      ),
      el(
        "span",
        { class: "cx-total", "aria-hidden": "true" },
        "sum ",
        el("b", {}, tidy(sum)),
        divisor === 1 ? [] : [` ÷ ${tidy(divisor)} = `, el("b", {}, tidy(sum / divisor))],
      ),
    );
    reading.textContent =
      `Result row ${at.y + 1}, column ${at.x + 1}: the nine products add up to ${tidy(sum)}` +
      (divisor === 1 ? "." : `; divided by ${tidy(divisor)} that is ${tidy(sum / divisor)}.`);
    reading.dataset.value = values[at.y * ow + at.x];
    const mark = (side) =>
      svg("rect", { x: at.x + 1.5 - side / 2, y: at.y + 1.5 - side / 2, width: side, height: side });
    before.frame.replaceChildren(mark(3));
    after.frame.replaceChildren(mark(1), mark(5));
  };

  const show = select({
    label: "Show",
    options: modes,
    value: mode,
    onchange: (to) => {
      mode = to;
      run();
    },
  });
  const load = (name) => {
    const [, weights, by, how] = p.kernels.find(([own]) => own === name);
    kernel = [...weights];
    divisor = by;
    mode = how;
    inputs.forEach((input, i) => {
      input.value = kernel[i];
    });
    over.value = divisor;
    show.value = mode;
    run();
  };
  const presets = select({
    label: "Kernel",
    options: [...p.kernels.map(([name]) => [name, name]), ["", "your own"]],
    value: p.kernels[0][0],
    onchange: (to) => to && load(to),
  });
  paint(before.canvas, photo);
  load(p.kernels[0][0]);
  return {
    nodes: [
      el("div", { class: "cx-bar" }, presets.node, show.node),
      el(
        "div",
        { class: "cx-bench" },
        before.node,
        el(
          "div",
          { class: "cx-kernel" },
          el("div", { class: "cx-hint" }, "kernel"),
          el("div", { class: "cx-weights" }, inputs),
          el("label", { class: "cx-select" }, "divided by", over),
        ),
        after.node,
      ),
      result,
      sums,
      reading,
    ],
    draw: () => {},
  };
};
