import { bytes, el, many, percent, svg } from "./core.js";
import { softmax } from "./engine/layers.js";
import { board, image, sheet } from "./photo.js";

// What explorers of small trained networks share: a contact sheet of test pictures of 28 × 28 pixels, a column for each of
// ten classes, on which a picture is chosen and those that a network misreads are marked; its answers; and the count of
// all pictures, which goes on between two drawings.

const SIDE = 28;
const EACH = SIDE + 1; // on the sheet, with the line between two

// { labels, pixels: base64 } -> [{ label, pixels }], row by row of the sheet, and the sheet itself
export const picturesOf = ({ labels, pixels }, classes) => {
  const all = bytes(pixels);
  const own = labels.map((label, i) => ({ label, pixels: all.subarray(i * SIDE * SIDE, (i + 1) * SIDE * SIDE) }));
  const rows = own.length / classes.length;
  const pictures = own.map((_, i) => own[(i % classes.length) * rows + Math.floor(i / classes.length)]);
  const joined = pictures.flatMap((each) => [...each.pixels]);
  return { pictures, contact: sheet(joined, pictures.length, SIDE, SIDE, classes.length, (v) => v) };
};

// As a network takes it
export const asInput = (pixels, { mean, std }) => ({
  shape: [1, SIDE, SIDE],
  data: Float32Array.from(pixels, (v) => (v / 255 - mean[0]) / std[0]),
});

export const bestOf = (scores) => scores.indexOf(Math.max(...scores));

// The chosen picture in a frame, and a dot for each network that misreads a picture: { name: places of those it misreads }
const marked = (chosen, { pictures, contact }, wrong, classes) => {
  const at = (i) => [(i % classes.length) * EACH, Math.floor(i / classes.length) * EACH];
  const dots = Object.values(wrong).flatMap((places, kind) =>
    places.map((i) =>
      svg("circle", { cx: at(i)[0] + 5 + 18 * kind, cy: at(i)[1] + 5, r: 3.5, class: `in-wrong${kind}` }),
    ),
  );
  const [x, y] = at(Math.min(chosen, pictures.length - 1));
  return svg(
    "svg",
    { viewBox: `0 0 ${contact.width} ${contact.height}`, "aria-hidden": "true" },
    dots,
    svg("rect", { x, y, width: SIDE, height: SIDE, class: "in-chosen" }),
  );
};
// The picture under the pointer
const underPointer = (px, py, wide, tall, { pictures }, classes) => {
  const rows = pictures.length / classes.length;
  const column = Math.min(classes.length - 1, Math.floor((px / wide) * classes.length));
  return Math.max(0, column + classes.length * Math.min(rows - 1, Math.floor((py / tall) * rows)));
};

// Three answers of each network, and how many of all pictures it has right
const verdicts = (scores, tally, classes, count) =>
  Object.entries(scores).map(([name, own], kind) => {
    const shares = softmax(own);
    const order = shares.map((share, i) => [i, share]).sort((a, b) => b[1] - a[1]);
    const right = tally ? count - tally[name].length : null;
    const row = (label, share, said) =>
      el("li", {}, el("span", {}, label), el("b", {}, said), el("i", { style: `width:${(100 * share).toFixed(1)}%` }));
    return el(
      "div",
      { class: `in-verdict in-kind${kind}` },
      el("div", { class: "in-name" }, name),
      el(
        "ol",
        {},
        order.slice(0, 3).map(([i, share]) => row(classes[i], share, percent(100 * share))),
        row("right, of all pictures", (right ?? 0) / count, right === null ? "…" : `${right} of ${count}`),
      ),
    );
  });
const counted = (names, tally, count) =>
  tally
    ? `Of ${many(count, "test picture")}, ${names.map((name) => `${name} reads ${count - tally[name].length}`).join(", ")} as they are labeled.`
    : "The others are being counted.";

// Counts anew whenever question(state) changes, some pictures at a time: answers(state, data, picture) -> { name: scores }.
// The state gets { tally: { of: question, wrong: { name: places } } }.
export const tallying =
  (question, answers) =>
  ({ data, state, set, slots }) => {
    let asked = null;
    const begin = () => {
      const now = question(state);
      if (now === asked) return;
      asked = now;
      const wrong = {};
      let at = 0;
      const some = () => {
        if (asked !== now || !slots.text.isConnected) return;
        const until = performance.now() + 12;
        while (at < data.pictures.length && performance.now() < until) {
          for (const [name, scores] of Object.entries(answers(state, data, data.pictures[at]))) {
            wrong[name] ||= [];
            if (bestOf(scores) !== data.pictures[at].label) wrong[name].push(at);
          }
          at += 1;
        }
        if (at < data.pictures.length) setTimeout(some);
        else set({ tally: { of: now, wrong } }, "tally");
      };
      setTimeout(some, 60);
    };
    return begin;
  };
const tallied = (state, question) => (state.tally?.of === question(state) ? state.tally.wrong : null);

// Maps beside each other, each from its lowest to its highest value; where there are fewer than `across`, place is left
export const row = ({ channels, side, tiles }, across) => {
  const all = image(across * (side + 1) - 1, side, () => 0);
  if (!channels.length) return all;
  const own = sheet(tiles, channels.length, side, side, across, (v) => v);
  all.data.fill(0);
  for (let y = 0; y < side; y++) {
    all.data.set(own.data.subarray(4 * y * own.width, 4 * (y + 1) * own.width), 4 * y * all.width);
  }
  return all;
};

// A row of toggles for what can be switched off, of which a screen reader hears what they are for
export const switches = (own, names) =>
  el(
    "div",
    { class: "cx-bar", role: "group", "aria-label": "switch off" },
    el("span", { class: "cx-hint" }, "switch off"),
    names.map((name) => own.control(name)),
  );

// What each view says of the sheet and the answers to the chosen picture, { name: scores }
export const asked = (state, data, question, scores) => {
  const { classes, pictures } = data;
  const wrong = tallied(state, question);
  return {
    hint: counted(Object.keys(scores), wrong, pictures.length),
    parts: {
      "contact-mark": marked(state.picture, data, wrong || {}, classes),
      says: verdicts(scores, wrong, classes, pictures.length),
    },
    place: (px, py, wide, tall, name) =>
      name === "contact-mark" ? { picture: underPointer(px, py, wide, tall, data, classes) } : null,
  };
};
// The sheet, and beside it what is said of it
export const askedLayout = (own) => [
  el(
    "div",
    { class: "in-top" },
    el("div", {}, board(own, "contact", "60 test pictures; a dot: misread"), own.bar("picture")),
    el("div", {}, own.part("says", { class: "in-says" }), own.text),
  ),
  own.hint,
];
