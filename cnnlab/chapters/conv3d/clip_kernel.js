import {
  arrows,
  choice,
  clamp,
  clock,
  el,
  hint,
  KEYS,
  range,
  say,
  select,
  sheet,
  signed,
  slider,
  svg,
  tidy,
} from "../../widgets/static/core.js";

// A 3 × 3 × 3 kernel at its place in a clip, the sum of the products there, and the output frames.
export const explore = (p) => {
  const [T, H, W] = p.size;
  const O = [T - 2, H - 2, W - 2];
  const now = { kernel: p.at[0], shape: p.at[1], direction: p.at[2] };
  const at = [1, 1, 2];
  let width = 0,
    clip,
    weights,
    divisor,
    output,
    geo;
  const nums = (text) => [...text].map(Number);
  const result = say(165);
  const reading = hint(145, { class: "cx-hint ck-read" });

  // ----- arithmetic
  const pixel = (t, y, x) => clip[(t * H + y) * W + x];
  const seen = ([t, y, x]) =>
    range(27).map((i) => pixel(t + Math.floor(i / 9), y + (Math.floor(i / 3) % 3), x + (i % 3)));
  const sum = (place) => seen(place).reduce((all, value, i) => all + value * weights[i], 0);
  const compute = () => {
    clip = nums(p.clips[`${now.shape} ${now.direction}`]);
    [, weights, divisor] = p.kernels.find(([name]) => name === now.kernel);
    output = range(O[0]).map((t) => range(O[1]).map((y) => range(O[2]).map((x) => sum([t, y, x]))));
  };

  // ----- three pictures: the clip, the kernel, the output
  const picture = (label, extra) => svg("svg", { role: "img", "aria-label": label, ...extra });
  const input = picture("The clip, frame by frame, with the kernel's cube", { class: "ck-clip" });
  const cube = picture("The weights of the kernel, one square for each of the three frames that it sees");
  let shift = false;
  const step = arrows((dx, dy) => (shift ? move([at[0] + dx, at[1], at[2]]) : move([at[0], at[1] + dy, at[2] + dx])));
  const outputs = picture(
    "Output frames. The arrow keys move the kernel in the picture; with Shift, left and right move it in time.",
    {
      tabindex: 0,
      role: "application",
      ...KEYS,
      class: "ck-pick",
      onkeydown: (event) => {
        shift = event.shiftKey;
        step(event);
      },
      onpointerdown: (event) => point(event, outputs, "out"),
    },
  );
  input.addEventListener("pointerdown", (event) => point(event, input, "in"));

  // Frames of h × w cells in rows; a cell is u wide.
  const lay = (count, h, w, columns, most) => {
    const gap = 10;
    const u = Math.min(most, (width - gap * (columns - 1)) / (columns * w));
    const place = (i) => [(i % columns) * (w * u + gap), Math.floor(i / columns) * (h * u + gap + 16) + 16];
    return {
      u,
      place,
      h,
      w,
      count,
      wide: columns * w * u + gap * (columns - 1),
      tall: Math.ceil(count / columns) * (h * u + gap + 16),
    };
  };
  const box = (node, g, frame, y, x, h, w) => {
    const [left, top] = g.place(frame);
    for (const [name, value] of Object.entries({
      x: left + x * g.u,
      y: top + y * g.u,
      width: w * g.u,
      height: h * g.u,
    }))
      node.setAttribute(name, value);
  };
  const square = (g, frame, y, x, gap = 0.6) => {
    const [left, top] = g.place(frame);
    const side = (g.u - 2 * gap).toFixed(2);
    return `M${(left + x * g.u + gap).toFixed(2)} ${(top + y * g.u + gap).toFixed(2)}h${side}v${side}h-${side}z`;
  };
  const title = (g, frame, text) => svg("text", { x: g.place(frame)[0], y: g.place(frame)[1] - 4 }, text);
  const frames = range(3).map((i) => svg("rect", { class: `ck-cube ck-${i}`, rx: 2 }));
  const here = svg("rect", { class: "ck-here", rx: 2 });

  const drawAll = () => {
    const phone = width < 480;
    geo = { in: lay(T, H, W, phone ? 3 : 6, 14), out: lay(O[0], O[1], O[2], phone ? 2 : 4, 26) };
    const cells = (lit) =>
      range(T)
        .flatMap((t) =>
          range(H).flatMap((y) =>
            range(W)
              .filter((x) => pixel(t, y, x) === lit)
              .map((x) => square(geo.in, t, y, x)),
          ),
        )
        .join("");
    input.replaceChildren(
      svg("path", { d: cells(0), class: "ck-dark" }),
      svg("path", { d: cells(1), class: "ck-lit" }),
      ...range(T).map((t) => title(geo.in, t, `frame ${t + 1}`)),
      ...frames,
    );
    sheet(input, geo.in.wide, geo.in.tall);
    const most = Math.max(1, ...output.flat(2).map(Math.abs));
    const kids = [];
    range(O[0]).forEach((t) => {
      kids.push(title(geo.out, t, `output ${t + 1}`));
      range(O[1]).forEach((y) =>
        range(O[2]).forEach((x) => {
          const value = output[t][y][x];
          kids.push(
            svg("path", {
              d: square(geo.out, t, y, x),
              "data-sum": value,
              class: value > 0 ? "ck-plus" : value < 0 ? "ck-minus" : "ck-dark",
              style: value && `fill-opacity:${(0.15 + (0.5 * Math.abs(value)) / most).toFixed(3)}`,
            }),
          );
          const [left, top] = geo.out.place(t);
          if (value)
            kids.push(
              svg(
                "text",
                { x: left + (x + 0.5) * geo.out.u, y: top + (y + 0.5) * geo.out.u + 3.5, class: "ck-number" },
                signed(value),
              ),
            );
        }),
      );
    });
    outputs.replaceChildren(...kids, here);
    sheet(outputs, geo.out.wide, geo.out.tall);
    move(at);
  };
  const drawKernel = () => {
    const looks = seen(at);
    const u = 26;
    const kids = range(3).map((t) => svg("text", { x: t * (3 * u + 14), y: 11 }, `frame ${at[0] + t + 1}`));
    weights.forEach((w, i) => {
      const [t, y, x] = [Math.floor(i / 9), Math.floor(i / 3) % 3, i % 3];
      const [left, top] = [t * (3 * u + 14) + x * u, 16 + y * u];
      kids.push(
        svg("rect", {
          x: left + 0.6,
          y: top + 0.6,
          width: u - 1.2,
          height: u - 1.2,
          class: looks[i] ? "ck-lit" : "ck-dark",
        }),
        svg(
          "text",
          { x: left + u / 2, y: top + u / 2 + 4, class: looks[i] ? "ck-number ck-on" : "ck-number" },
          signed(w),
        ),
      );
    });
    range(3).forEach((t) =>
      kids.push(
        svg("rect", { x: t * (3 * u + 14), y: 16, width: 3 * u, height: 3 * u, class: `ck-cube ck-${t}`, rx: 2 }),
      ),
    );
    cube.replaceChildren(...kids);
    for (const [name, value] of Object.entries({
      width: 9 * u + 30,
      height: 3 * u + 18,
      viewBox: `-1 0 ${9 * u + 30} ${3 * u + 18}`,
    }))
      cube.setAttribute(name, value);
  };

  // ----- words
  // 3 · 2 + 6 · (−1): equal weights under lit pixels are counted together.
  const terms = (looks, t) => {
    const lit = range(9)
      .filter((i) => looks[9 * t + i])
      .map((i) => weights[9 * t + i]);
    const parts = [...new Set(lit)]
      .sort((a, b) => b - a)
      .map((w) => `${lit.filter((own) => own === w).length} · ${w < 0 ? `(${signed(w)})` : w}`);
    return parts.length ? `${parts.join(" + ")} = ${signed(lit.reduce((a, b) => a + b, 0))}` : "nothing lit";
  };
  const tell = () => {
    const looks = seen(at);
    const total = output[at[0]][at[1]][at[2]];
    reading.textContent =
      `Output ${at[0] + 1}, row ${at[1] + 1}, column ${at[2] + 1}. ` +
      range(3)
        .map((t) => `Frame ${at[0] + t + 1}: ${terms(looks, t)}`)
        .join("; ") +
      `. Sum ${signed(total)}${divisor > 1 ? `, divided by ${divisor}: ${tidy(total / divisor)}` : ""}.`;
    reading.dataset.value = total / divisor;
  };
  const summary = () => {
    const all = output.flat(2);
    const [low, high] = [Math.min(...all), Math.max(...all)];
    const over = divisor > 1 ? ` before the division by ${divisor}` : "";
    const thing = `the ${now.shape} ${now.direction === "still" ? "that stands still" : `going ${now.direction}`}`;
    if (!low && !high) return `“${now.kernel}” on ${thing}: nothing but zeros. This kernel does not see it.`;
    return `“${now.kernel}” on ${thing}: sums from ${signed(low)} to ${signed(high)}${over}. After a ReLU their mean is ${tidy(all.reduce((a, b) => a + Math.max(b, 0), 0) / all.length)}; their squares add up to ${all.reduce((a, b) => a + b * b, 0)}.`;
  };

  const move = (to) => {
    to.forEach((value, i) => {
      at[i] = clamp(value, 0, O[i] - 1);
      sliders[i].value = at[i] + 1;
    });
    frames.forEach((node, i) => box(node, geo.in, at[0] + i, at[1], at[2], 3, 3));
    box(here, geo.out, at[0], at[1], at[2], 1, 1);
    drawKernel();
    tell();
  };
  const point = (event, node, which) => {
    const g = geo[which];
    const area = node.getBoundingClientRect();
    const [x, y] = [event.clientX - area.left, event.clientY - area.top];
    const frame = range(g.count).find((i) => {
      const [left, top] = g.place(i);
      return x >= left && x < left + g.w * g.u && y >= top && y < top + g.h * g.u;
    });
    if (frame === undefined) return;
    const [left, top] = g.place(frame);
    const back = which === "in" ? 1 : 0; // a click in the clip is the middle of the cube
    move([frame - back, Math.floor((y - top) / g.u) - back, Math.floor((x - left) / g.u) - back]);
  };
  const update = () => {
    compute();
    result.textContent = summary();
    kernels.value = now.kernel;
    if (width) drawAll();
  };

  const sliders = [
    ["time", "t", "blue"],
    ["row", "y", "orange"],
    ["column", "x", "green"],
  ].map(([label, symbol, color], i) =>
    slider({
      label,
      symbol,
      color,
      min: 1,
      max: O[i],
      value: 1,
      oninput: (to) => move(at.map((own, j) => (j === i ? to - 1 : own))),
    }),
  );
  const kernels = select({
    label: "Kernel",
    options: p.kernels.map(([name]) => [name, name]),
    value: now.kernel,
    onchange: (to) => {
      now.kernel = to;
      update();
    },
  });
  const options = (all) => all.map((own) => [own, own]);
  const shapes = choice({
    label: "Shape",
    options: options(p.shapes),
    value: now.shape,
    onchange: (to) => {
      now.shape = to;
      update();
    },
  });
  const directions = choice({
    label: "goes",
    options: options(p.directions),
    value: now.direction,
    onchange: (to) => {
      now.direction = to;
      update();
    },
  });
  // Along the row, then down, then on in time, and around again.
  const play = clock(220, () => {
    const n = (at[0] * O[1] + at[1]) * O[2] + at[2] + 1;
    reading.setAttribute("aria-live", "off");
    move([Math.floor(n / (O[1] * O[2])) % O[0], Math.floor(n / O[2]) % O[1], n % O[2]]);
  });
  play.node.addEventListener("click", () => !play.running && reading.setAttribute("aria-live", "polite"));
  update();
  return {
    nodes: [
      el("div", { class: "cx-bar" }, kernels.node, shapes.node, directions.node),
      result,
      input,
      el(
        "div",
        { class: "ck-row" },
        el("div", { class: "ck-kernel" }, cube),
        el(
          "div",
          { class: "ck-side" },
          el(
            "div",
            { class: "cx-controls" },
            sliders.map((one) => one.node),
          ),
          el("div", { class: "cx-bar" }, play.node),
        ),
      ),
      reading,
      outputs,
    ],
    draw: (to) => {
      width = to;
      drawAll();
    },
  };
};
