import {
  arrows,
  clamp,
  el,
  hint,
  KEYS,
  listed,
  range,
  say,
  select,
  slider,
  svg,
  tidy,
  toggle,
} from "../../widgets/static/core.js";

// A color photo, a 1 x 1 convolution from three channels to three, its outputs at once, and the sums at one pixel.
export const explore = (p) => {
  const { width: w, height: h } = p;
  const count = w * h;
  // One letter for each value: 64 levels, each the step from the same channel of the pixel before.
  const photo = new Uint8ClampedArray(3 * count);
  const last = [0, 0, 0];
  for (let i = 0; i < photo.length; i++) {
    const level = (last[i % 3] = (last[i % 3] + p.pixels.charCodeAt(i) - 63) % 64);
    photo[i] = (level << 2) | (level >> 4);
  }
  const names = ["red", "green", "blue"];
  const values = range(3).map(() => new Float64Array(count));
  // Row o: the weights of output o for red, green and blue, then its bias.
  let rows = [];
  let relu = false;
  let mode = "clipped";
  let chosen = [0, 0];
  const at = { x: Math.floor(w * p.at[0]), y: Math.floor(h * p.at[1]) };
  const shade = { clipped: (v) => v, signed: (v) => 128 + v / 2 };

  const board = (label, attrs) => {
    const canvas = el("canvas", { width: w, height: h, "aria-hidden": "true" });
    const mark = svg("rect", { width: 3, height: 3 });
    const frame = svg("svg", { viewBox: `0 0 ${w} ${h}`, ...(attrs || { "aria-hidden": "true" }) }, mark);
    return {
      canvas,
      frame,
      mark,
      node: el(
        "div",
        { class: "cm-board" },
        el("div", { class: "cx-hint" }, label),
        el("div", { class: "cm-photo" }, canvas, frame),
      ),
    };
  };
  // color(i, c): the value of channel c at pixel i, 0 to 255
  const paint = ({ canvas }, color) => {
    const image = new ImageData(w, h);
    for (let i = 0; i < count; i++) {
      for (let c = 0; c < 3; c++) image.data[4 * i + c] = color(i, c);
      image.data[4 * i + 3] = 255;
    }
    canvas.getContext("2d").putImageData(image, 0, 0);
  };
  const take = (event) => {
    const box = before.frame.getBoundingClientRect();
    look(
      Math.floor(((event.clientX - box.left) / box.width) * w),
      Math.floor(((event.clientY - box.top) / box.height) * h),
    );
  };
  const before = board("photo", {
    tabindex: 0,
    role: "application",
    ...KEYS,
    "aria-label": "Pixels of the photo. The arrow keys choose one.",
    class: "cm-pick",
    onpointermove: take,
    onpointerdown: take,
    onkeydown: arrows((dx, dy) => look(at.x + dx, at.y + dy)),
  });
  const after = board("outputs as color");
  const maps = range(3).map((o) => board(`output ${o + 1}`));
  const boards = [before, after, ...maps];

  const limit = (t) => p.most[t === 3 ? 1 : 0];
  const cells = range(12).map((i) => {
    const [o, t] = [Math.floor(i / 4), i % 4];
    const input = el("input", {
      type: "number",
      step: t === 3 ? 5 : 0.1,
      inputmode: "decimal",
      ...KEYS,
      class: `cm-${names[t] || "bias"}`,
      "aria-label": t === 3 ? `bias of output ${o + 1}` : `weight of output ${o + 1} for ${names[t]}`,
      onfocus: () => choose(o, t),
      oninput: () => edit(o, t, +input.value || 0),
      onchange: () => {
        input.value = rows[o][t];
      },
    });
    return input;
  });
  const edit = (o, t, to) => {
    rows[o][t] = clamp(to, -limit(t), limit(t));
    presets.value = "";
    choose(o, t);
    run();
  };
  const drag = (t) =>
    slider({
      label: t ? "the bias in the frame" : "the weight in the frame",
      min: -limit(t),
      max: limit(t),
      step: t ? 1 : 0.05,
      value: 0,
      format: tidy,
      oninput: (to) => {
        edit(...chosen, to);
        cells[4 * chosen[0] + chosen[1]].value = to;
      },
    });
  const drags = [drag(0), drag(3)];
  const choose = (o, t) => {
    chosen = [o, t];
    cells.forEach((cell, i) => cell.classList.toggle("cm-chosen", i === 4 * o + t));
    drags.forEach((own, i) => {
      own.node.hidden = (i === 1) !== (t === 3);
    });
    drags[t === 3 ? 1 : 0].value = rows[o][t];
  };

  const rank = () => {
    const m = rows.map((row) => row.slice(0, 3));
    let found = 0;
    for (let c = 0; c < 3; c++) {
      const best = range(3)
        .slice(found)
        .sort((a, b) => Math.abs(m[b][c]) - Math.abs(m[a][c]))[0];
      if (best === undefined || Math.abs(m[best][c]) < 1e-9) continue;
      [m[found], m[best]] = [m[best], m[found]];
      for (let r = found + 1; r < 3; r++) {
        const f = m[r][c] / m[found][c];
        for (let k = c; k < 3; k++) m[r][k] -= f * m[found][k];
      }
      found++;
    }
    return found;
  };
  const result = say(190);
  const sums = el("div", { class: "cm-sums" });
  const reading = hint(175);

  const run = () => {
    let below = 0;
    for (let o = 0; o < 3; o++) {
      const [r, g, b, bias] = rows[o];
      for (let i = 0; i < count; i++) {
        const v = r * photo[3 * i] + g * photo[3 * i + 1] + b * photo[3 * i + 2] + bias;
        below += v < 0;
        values[o][i] = relu && v < 0 ? 0 : v;
      }
    }
    const gray = shade[mode];
    maps.forEach((map, o) => paint(map, (i) => gray(values[o][i])));
    paint(after, (i, c) => gray(values[c][i]));
    const r = rank();
    const share = Math.round((100 * below) / (3 * count));
    result.textContent = `${
      [
        "Rank 0: every weight is 0, and nothing of the photo is left.",
        "Rank 1: the three outputs are one and the same mixture of red, green and blue, up to scale and bias; two thirds of the color are lost.",
        "Rank 2: of the three outputs one follows from the other two, and colors that differ only along one direction become equal.",
        `Rank 3: no color is lost; another 1 × 1 convolution could undo the mixing${relu && share ? ", were it not for the ReLU." : "."}`,
      ][r]
    } ${share} % of the outputs are below 0${relu ? " and set to 0" : mode === "clipped" && share ? " and show as black" : ""}.`;
    result.dataset.rank = r;
    look(at.x, at.y);
  };

  const look = (x, y) => {
    at.x = clamp(x, 0, w - 1);
    at.y = clamp(y, 0, h - 1);
    const i = at.y * w + at.x;
    const pixel = range(3).map((c) => photo[3 * i + c]);
    sums.replaceChildren(
      ...rows.map((row, o) => {
        const sum = row[0] * pixel[0] + row[1] * pixel[1] + row[2] * pixel[2] + row[3];
        return el(
          "div",
          {},
          el("b", {}, `output ${o + 1}`),
          el(
            "span",
            {},
            pixel.map((v, c) => [
              c ? (row[c] < 0 ? " − " : " + ") : row[c] < 0 ? "−" : "",
              tidy(Math.abs(row[c])),
              " × ",
              el("span", { class: `cm-${names[c]}` }, v),
            ]),
            row[3] ? [row[3] < 0 ? " − " : " + ", tidy(Math.abs(row[3]))] : [],
            " = ",
            el("b", {}, tidy(sum)),
            relu && sum < 0 && " → 0",
          ),
        );
      }),
    );
    reading.textContent =
      `The pixel chosen in the photo, row ${at.y + 1}, column ${at.x + 1}: red ${pixel[0]}, green ${pixel[1]}, blue ${pixel[2]} become ` +
      `${listed(values.map((own) => tidy(own[i])))}. Every other pixel goes through the same twelve numbers.`;
    reading.dataset.value = JSON.stringify([pixel, values.map((own) => own[i])]);
    boards.forEach(({ mark }) => {
      mark.setAttribute("x", at.x - 1);
      mark.setAttribute("y", at.y - 1);
    });
  };

  const show = select({
    label: "Gray shows",
    options: [
      ["clipped", "0 to 255, clipped"],
      ["signed", "zero as mid-gray"],
    ],
    value: mode,
    onchange: (to) => {
      mode = to;
      run();
    },
  });
  const rectify = toggle("ReLU", relu, (on) => {
    relu = on;
    presets.value = "";
    run();
  });
  const load = (name) => {
    const [, weights, bias, cut, how] = p.mixes.find(([own]) => own === name);
    rows = weights.map((row, o) => [...row, bias[o]]);
    if (relu !== cut) rectify.click();
    mode = show.value = how;
    cells.forEach((cell, i) => {
      cell.value = rows[Math.floor(i / 4)][i % 4];
    });
    presets.value = name;
    choose(...chosen);
    run();
  };
  const presets = select({
    label: "Mix",
    options: [...p.mixes.map(([name]) => [name, name]), ["", "your own"]],
    value: p.mixes[0][0],
    onchange: (to) => to && load(to),
  });
  paint(before, (i, c) => photo[3 * i + c]);
  load(p.mixes[0][0]);
  return {
    nodes: [
      el("div", { class: "cx-bar" }, presets.node, rectify, show.node),
      el(
        "div",
        { class: "cm-bench" },
        before.node,
        el(
          "div",
          { class: "cm-matrix" },
          ["", ...names, "bias"].map((name) => el("span", { class: `cm-${name || "corner"}` }, name)),
          range(3).map((o) => [el("span", {}, `output ${o + 1}`), cells.slice(4 * o, 4 * o + 4)]),
          el(
            "div",
            { class: "cm-drag" },
            drags.map((own) => own.node),
          ),
        ),
        after.node,
      ),
      el(
        "div",
        { class: "cm-maps" },
        maps.map((map) => map.node),
      ),
      sums,
      reading,
      result,
    ],
    draw: () => {},
  };
};
