// The home page's picture that moves: a 3 x 3 kernel slides over a real handwritten digit, and every number is
// computed here, as the reader watches. Plain SVG and no library; the page works without it.
(() => {
  // One of scikit-learn's handwritten digits (number 17 of load_digits), a crossed seven; 0 is paper, 16 is ink.
  const IMAGE = [
    [0, 0, 1, 8, 15, 10, 0, 0],
    [0, 3, 13, 15, 14, 14, 0, 0],
    [0, 5, 10, 0, 10, 12, 0, 0],
    [0, 0, 3, 5, 15, 10, 2, 0],
    [0, 0, 16, 16, 16, 16, 12, 0],
    [0, 1, 8, 12, 14, 8, 3, 0],
    [0, 0, 0, 10, 13, 0, 0, 0],
    [0, 0, 0, 11, 9, 0, 0, 0],
  ];
  const KERNELS = {
    vertical: { label: "Vertical edges", weights: [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]] },
    horizontal: { label: "Horizontal edges", weights: [[-1, -2, -1], [0, 0, 0], [1, 2, 1]] },
    outline: { label: "Outline", weights: [[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]] },
    blur: { label: "Blur", weights: [[1, 1, 1], [1, 1, 1], [1, 1, 1]] },
  };
  const root = document.getElementById("cnnlab-hero");
  if (!root) return;

  const K = 3;
  const OUT = IMAGE.length - K + 1;
  const CELL = 20;
  const NS = "http://www.w3.org/2000/svg";
  const make = (name, attributes, parent) => {
    const element = document.createElementNS(NS, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    parent.append(element);
    return element;
  };
  const find = (part) => root.querySelector(`[data-part="${part}"]`);
  const grid = (svg, size, offset) =>
    Array.from({ length: size }, (_, row) =>
      Array.from({ length: size }, (_, column) => {
        const x = (column + offset) * CELL;
        const y = (row + offset) * CELL;
        make("rect", { x, y, width: CELL, height: CELL, class: "hero-cell" }, svg);
        return make("rect", { x: x + 0.5, y: y + 0.5, width: CELL - 1, height: CELL - 1, class: "hero-ink" }, svg);
      }),
    );

  const input = find("input");
  const output = find("output");
  const pixels = grid(input, IMAGE.length, 0);
  pixels.forEach((row, r) => row.forEach((cell, c) => cell.setAttribute("fill-opacity", IMAGE[r][c] / 16)));
  const frame = make("g", { class: "hero-frame" }, input);
  make("rect", { width: K * CELL, height: K * CELL, rx: 2, class: "hero-window" }, frame);
  const weights = Array.from({ length: K * K }, (_, i) =>
    make("text", { x: ((i % K) + 0.5) * CELL, y: (Math.floor(i / K) + 0.5) * CELL, class: "hero-weight" }, frame),
  );
  const sums = grid(output, OUT, 1);
  const mark = make("rect", { width: CELL, height: CELL, class: "hero-mark" }, output);

  let kernel = KERNELS.vertical;
  let step = 14; // far enough for a picture to be there at first sight
  let timer = null;

  const at = (row, column) => {
    let sum = 0;
    for (let i = 0; i < K; i++) for (let j = 0; j < K; j++) sum += kernel.weights[i][j] * IMAGE[row + i][column + j];
    return sum;
  };
  const number = (value) => String(value).replace("-", "\u2212");

  function choose(name) {
    kernel = KERNELS[name];
    root.querySelectorAll("[data-kernel]").forEach((b) => b.setAttribute("aria-pressed", String(b.dataset.kernel === name)));
    weights.forEach((text, i) => (text.textContent = number(kernel.weights[Math.floor(i / K)][i % K])));
    draw();
  }

  function draw() {
    const largest = Math.max(...sums.flatMap((row, r) => row.map((_, c) => Math.abs(at(r, c)))));
    sums.forEach((row, r) =>
      row.forEach((cell, c) => {
        const sum = at(r, c);
        cell.setAttribute("class", `hero-ink ${sum < 0 ? "hero-negative" : "hero-positive"}`);
        cell.setAttribute("fill-opacity", r * OUT + c <= step ? Math.abs(sum) / largest : 0);
      }),
    );
    const row = Math.floor(step / OUT);
    const column = step % OUT;
    frame.setAttribute("transform", `translate(${column * CELL} ${row * CELL})`);
    mark.setAttribute("x", (column + 1) * CELL);
    mark.setAttribute("y", (row + 1) * CELL);
    const terms = [];
    for (let i = 0; i < K; i++)
      for (let j = 0; j < K; j++) {
        const weight = kernel.weights[i][j];
        if (weight && IMAGE[row + i][column + j]) terms.push(`${number(weight)}·${IMAGE[row + i][column + j]}`);
      }
    const sum = document.createElement("b");
    sum.textContent = number(at(row, column));
    sum.className = at(row, column) < 0 ? "hero-negative" : "hero-positive";
    find("sum").replaceChildren(`row ${row + 1}, column ${column + 1}: ${terms.join(" + ") || "nine zeros"} = `, sum);
  }

  function advance(by = 1) {
    step = (step + by + OUT * OUT) % (OUT * OUT);
    draw();
  }

  const playing = find("play");
  function play(on) {
    clearInterval(timer);
    timer = on ? setInterval(() => document.hidden || advance(), 650) : null;
    playing.textContent = on ? "Pause" : "Play";
    // A sum that changes twice a second is not read aloud; one that the reader stepped to is.
    find("sum").setAttribute("aria-live", on ? "off" : "polite");
  }

  playing.addEventListener("click", () => play(!timer));
  find("step").addEventListener("click", () => {
    play(false);
    advance();
  });
  root.querySelectorAll("[data-kernel]").forEach((b) => b.addEventListener("click", () => choose(b.dataset.kernel)));
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  if (still) step = OUT * OUT - 1;
  choose("vertical");
  play(!still);
})();
