import { arrows, button, clamp, el, hint, KEYS, range, say, sheet, svg } from "../../widgets/static/core.js";

// The classes as squares, and the tree of names above them: a step up or down lights the classes that it holds.
export const explore = ({ names, above, classes, start, presets }) => {
  // From a class's own synset up to the root
  const way = (synset) => (synset < 0 ? [] : [synset, ...way(above[synset])]);
  const ways = classes.map(way);
  const below = (node) => range(classes.length).filter((place) => ways[place].includes(node));
  const children = (node) => {
    const counts = new Map();
    for (const place of below(node)) {
      const step = ways[place][ways[place].indexOf(node) - 1];
      if (step !== undefined) counts.set(step, (counts.get(step) || 0) + 1);
    }
    return [...counts].sort((a, b) => b[1] - a[1]);
  };

  let node = start;
  let held = below(node);
  let at = held[0];
  let columns = 50;
  let side = 12;
  const result = say(70);
  const reading = hint(45);
  const up = el("div", { class: "cx-bar ic-steps", role: "group", "aria-label": "The way up from the chosen class" });
  const down = el("div", { class: "cx-bar ic-steps", role: "group", "aria-label": "What it divides into" });
  const picture = svg("svg", {
    tabindex: 0,
    role: "application",
    ...KEYS,
    "aria-label": "1000 squares. Arrow keys choose a class.",
    onkeydown: arrows((dx, dy) => pick(at + dx + dy * columns)),
    onpointermove: (event) => event.pointerType === "mouse" && under(event) !== at && pick(under(event)),
    onpointerdown: (event) => pick(under(event)),
  });
  const squares = classes.map(() => svg("rect", {}));
  const mark = svg("rect", { class: "ic-mark" });
  picture.append(...squares, mark);

  const under = (event) => {
    const box = picture.getBoundingClientRect();
    const column = clamp(Math.floor((event.clientX - box.left) / side), 0, columns - 1);
    return Math.floor((event.clientY - box.top) / side) * columns + column;
  };
  const step = (synset, text) =>
    button(text, () => choose(synset), { "aria-current": String(synset === node), "data-synset": synset });
  // A button that is pressed is made anew; the keyboard stays on it.
  const fill = (bar, nodes) => {
    const focused = bar.contains(document.activeElement) ? document.activeElement.dataset.synset : undefined;
    bar.replaceChildren(...nodes);
    if (focused) (bar.querySelector(`[data-synset="${focused}"]`) || bar.querySelector("button") || picture).focus();
  };

  const pick = (to) => {
    at = clamp(to, 0, classes.length - 1);
    const own = names[classes[at]];
    reading.textContent = `Class ${at}: ${own}. Its way up:`;
    fill(
      up,
      ways[at].map((synset) => step(synset, names[synset])),
    );
    place();
  };
  const place = () => {
    const [x, y] = [at % columns, Math.floor(at / columns)];
    for (const [name, value] of Object.entries({ x: x * side, y: y * side, width: side, height: side }))
      mark.setAttribute(name, value);
  };
  const choose = (synset) => {
    node = synset;
    held = below(node);
    if (!held.includes(at)) at = held[0];
    squares.forEach((square, i) => square.setAttribute("class", held.includes(i) ? "ic-on" : "ic-off"));
    const parts = children(node);
    const whole = `${names[node]}: ${held.length === 1 ? "1 class" : `${held.length} classes`} of 1000, lit below.`;
    result.textContent = parts.length ? `${whole} It divides into:` : `${whole} It is a class itself.`;
    fill(
      down,
      parts.map(([child, count]) => step(child, count > 1 ? `${names[child]} ${count}` : names[child])),
    );
    bar.forEach((button, i) => button.setAttribute("aria-pressed", String(presets[i][1] === node)));
    pick(at);
  };
  const bar = presets.map(([name, synset]) => button(name, () => choose(synset)));
  choose(node);
  return {
    nodes: [
      el("div", { class: "cx-bar", role: "group", "aria-label": "Places to start" }, bar),
      result,
      down,
      reading,
      up,
      el("div", { class: "ic-grid" }, picture),
    ],
    draw: (width) => {
      columns = width < 500 ? 25 : 50;
      side = Math.min(14, width / columns);
      sheet(picture, Math.floor(side * columns), Math.ceil((side * classes.length) / columns));
      squares.forEach((square, i) => {
        square.setAttribute("x", (i % columns) * side + 0.5);
        square.setAttribute("y", Math.floor(i / columns) * side + 0.5);
        square.setAttribute("width", side - 1);
        square.setAttribute("height", side - 1);
      });
      place();
    },
  };
};
