import { photographing, pictureAt } from "../../widgets/static/camera.js";
import { bytes, el, percent, svg, tidy } from "../../widgets/static/core.js";
import { listing, painting, panel, presses, pressing } from "../../widgets/static/panel.js";
import { image, sheet } from "../../widgets/static/photo.js";

// A network that answers in the page about photographs (static/engine/brain.js), which the built book has as a file. What
// it says is put into the state by `heard`, and the view is a function of that; `thinking` at the end does the rest.

const SIDE = 224; // what the network sees
const EDGE = 16; // of the page's photographs, of 256 pixels, that it does not
const ACROSS = 7; // squares in a row, as in brain.js

const keyOf = ({ picture, own }) => picture || own?.key || "";
const current = (state, name) => (state[name]?.key === keyOf(state) ? state[name] : null);

// What becomes of the state by a message of the network
export const heard = (state, message) => {
  const { kind } = message;
  if (kind === "ready") return { network: "ready" };
  if (kind === "progress") return { done: message.done / message.of };
  if (kind === "answer") return { answer: message, done: null, cover: null, covering: false };
  if (kind === "maps") return { maps: message };
  if (kind === "covered") {
    const shares = state.cover?.key === message.key && message.at ? [...state.cover.shares] : [];
    shares[message.at] = message.share;
    return { cover: { key: message.key, shares, of: message.of } };
  }
  if (kind === "uncovered") return { covering: false };
  return { problem: message.text, done: null, covering: false };
};

// --- words -----------------------------------------------------------------------------------------------------------

const named = ([name, share]) => `${name} (${percent(100 * share)})`;
export const says = (state, data) => {
  const [first, second] = (current(state, "answer") || data.photos[state.picture])?.top || [];
  if (!first) return state.own ? "Your photo. The network looks at it." : "Choose a photo.";
  const where = state.picture ? data.photos[state.picture].label : "your photo";
  const fresh = current(state, "answer");
  const when = fresh ? `, after ${tidy(fresh.ms / 1000)} s in this page` : ", recorded when the book was made";
  return `EfficientNet-Lite0 takes ${where} for: ${named(first)}, then ${named(second)}${when}.`;
};
export const status = (state, data) => {
  const { network, problem, done, covering } = state;
  const cover = current(state, "cover");
  if (problem) return problem;
  if (network === "absent") {
    return "In the built book the network answers here, about your photos too. In a notebook, the photo lab below does.";
  }
  if (network === "called") return `The network comes: ${data.megabytes} MB, once.`;
  if (done !== null) return `It looks: ${Math.round(100 * done)} % of its layers are done.`;
  if (covering) return `Covered ${cover?.shares.length || 0} of ${ACROSS ** 2} squares.`;
  if (cover) {
    const sure = current(state, "answer").top[0][1];
    const low = Math.min(...cover.shares.filter((share) => share >= 0));
    return `What stays clear carries the answer: a gray square there took it from ${percent(100 * sure)} to ${percent(100 * low)}.`;
  }
  return network === "ready"
    ? "No photo leaves this page: the network came to it."
    : "No photo leaves this page: the network comes to it, when you ask for it.";
};

// --- pictures --------------------------------------------------------------------------------------------------------

// How much of the first answer's share goes when a square is covered, 0 to 1
export const lost = (share, sure) => Math.max(0, Math.min(1, 1 - share / Math.max(sure, 1e-9)));

// From where to where the picture lies nearest to the middle of a square, of seven that overlap by half
export const edges = (place) => {
  const step = (SIDE * 3) / 4 / (ACROSS - 1);
  const from = SIDE / 8 + (place - 0.5) * step;
  return [place ? from : 0, place < ACROSS - 1 ? from + step : SIDE];
};

const seenPicture = (state, data) => {
  const href = data.photos[state.picture]?.jpeg || current(state, "answer")?.href;
  const cover = current(state, "cover");
  const answer = current(state, "answer");
  const at = state.picture ? { x: -EDGE, y: -EDGE, width: SIDE + 2 * EDGE } : { x: 0, y: 0, width: SIDE };
  return svg(
    "svg",
    { viewBox: `0 0 ${SIDE} ${SIDE}`, class: "yp-seen", "aria-hidden": "true" },
    href && svg("image", { href, ...at, height: at.width, preserveAspectRatio: "none" }),
    cover?.shares.map((share, i) => {
      const [x, y] = [edges(i % ACROSS), edges(Math.floor(i / ACROSS))];
      const place = { x: x[0], y: y[0], width: x[1] - x[0], height: y[1] - y[0] };
      const veil = 0.85 * (1 - lost(share, answer.top[0][1]));
      return svg("rect", { ...place, class: "yp-veil", "fill-opacity": veil.toFixed(2) });
    }),
  );
};

const answers = (top) =>
  el(
    "ol",
    { class: "yp-answers" },
    top.map(([name, share]) =>
      el(
        "li",
        {},
        el("span", {}, name),
        el("b", {}, percent(100 * share)),
        el("i", { style: `width:${(100 * share).toFixed(1)}%` }),
      ),
    ),
  );

const deed = (text, change) => el("button", { type: "button", ...pressing(change) }, text);
const deeds = (state, data) => {
  const { network, covering } = state;
  if (network === "asleep") return deed(`Let it answer here (${data.megabytes} MB)`, { network: "called" });
  if (network !== "ready" || !current(state, "answer")) return "";
  return covering ? deed("Stop", { covering: false }) : deed("What if a part is covered?", { covering: true });
};

export const view = (state, width, data) => {
  const kept = data.photos[state.picture];
  const mine = (maps) => maps?.stage === state.stage && maps;
  const maps = mine(current(state, "maps")) || mine(kept?.maps);
  const across = width < 480 ? 4 : 8;
  // As large as the maps that come, so that nothing moves then
  const blank = image(8 * across - 1, 8 * (16 / across) - 1, () => 0);
  blank.data.fill(0);
  return {
    text: says(state, data),
    hint: status(state, data),
    parts: {
      seen: seenPicture(state, data),
      answers: answers((current(state, "answer") || kept)?.top || []),
      deeds: deeds(state, data),
      named: maps
        ? `${maps.channels.length} strongest maps of ${data.stages[state.stage].maps}, ${maps.side} × ${maps.side} each`
        : "Its maps come with the network.",
    },
    images: { maps: maps ? sheet(maps.tiles, maps.channels.length, maps.side, maps.side, across, (v) => v) : blank },
  };
};

// --- the network, and what goes to and fro ---------------------------------------------------------------------------

// The file of the built book tells where it is under this name, and puts itself there when it has come.
const comes = (name) =>
  new Promise((then, fail) => {
    const found = () => window.cnnlabNetworks?.[name];
    if (typeof found() !== "string") return then(found());
    const script = el("script", {
      src: found(),
      onload: () => then(found()),
      onerror: () =>
        fail(
          new Error(
            "The network's file did not come. Try again where there is a connection, or with the whole folder of the book.",
          ),
        ),
    });
    document.head.append(script);
  });

// Where the network thinks: in a worker; in the page itself, layer by layer, where the browser has none to give.
const lineTo = ({ brain, network }, hear, broke) => {
  const here = () => {
    const think = brain()(hear, true);
    return (message) => setTimeout(() => think(message));
  };
  let send = null;
  try {
    const text = `const think = (${brain})()((message) => postMessage(message)); onmessage = ({ data }) => think(data);`;
    const address = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
    const worker = new Worker(address);
    let alive = false;
    worker.onmessage = ({ data }) => {
      alive = true;
      hear(data);
    };
    worker.onerror = (event) => {
      event.preventDefault();
      worker.terminate();
      if (alive) return broke();
      send = here();
      send({ kind: "network", network });
    };
    send = (message) => worker.postMessage(message);
  } catch {
    send = here();
  }
  send({ kind: "network", network });
  return (message) => send(message);
};

// What the network saw, as an address
const shown = (seen) => {
  const pen = Object.assign(document.createElement("canvas"), { width: SIDE, height: SIDE }).getContext("2d");
  const area = SIDE * SIDE;
  const { data } = image(SIDE, SIDE, (i) => [seen[i], seen[area + i], seen[2 * area + i]]);
  pen.putImageData(new ImageData(data, SIDE), 0, 0);
  return pen.canvas.toDataURL("image/png");
};

// After each drawing: what the state asks for and nobody has begun.
export const thinking = ({ data, state, set }) => {
  let line = null;
  const told = {}; // what has been asked for already
  const once = (name, value, act) => {
    if (told[name] === value) return;
    told[name] = value;
    act();
  };
  const trouble = ({ message }) => set({ problem: message, done: null, network: line ? "ready" : "asleep" }, "heard");
  const hear = (message) => {
    if (message.key && message.key !== keyOf(state)) return;
    set(heard(state, message.seen ? { ...message, href: shown(message.seen) } : message), "heard");
  };
  const broke = () => {
    line = null;
    for (const name of Object.keys(told)) delete told[name];
    set(
      {
        problem: "The network stopped. It is begun anew when you ask again.",
        network: "asleep",
        done: null,
        covering: false,
      },
      "heard",
    );
  };
  const call = async () => {
    try {
      const found = await comes(data.network);
      line = lineTo(found, hear, broke);
    } catch (error) {
      delete told.called;
      trouble(error);
    }
  };
  const ask = async (key, own) => {
    try {
      const photo = own || (await pictureAt(data.photos[key].jpeg));
      if (key === keyOf(state))
        line({ kind: "photo", key, data: photo.data, width: photo.width, height: photo.height });
    } catch (error) {
      trouble(error);
    }
  };
  if (typeof window !== "undefined" && !window.cnnlabNetworks?.[data.network]) state.network = "absent";
  return () => {
    if (state.network === "called") once("called", true, call);
    if (state.network !== "ready" || !line) return;
    const key = keyOf(state);
    if (!key) return;
    once("photo", key, () => ask(key, state.picture ? null : state.own));
    if (!current(state, "answer")) return;
    once("maps", `${key} ${state.stage}`, () => line({ kind: "maps", stage: state.stage }));
    once("cover", `${key} ${state.covering}`, () => {
      if (state.covering) line({ kind: "cover" });
      else if (told.began) line({ kind: "stop" });
      told.began = state.covering;
    });
  };
};

// A photo of the reader's is a question: the network is called for it.
export const settle = (state, moved) => {
  if (moved === "own" && state.own && !state.problem) return state.network === "asleep" ? { network: "called" } : {};
  return moved === "picture" || moved === "stage" ? { problem: "" } : {};
};
const decode = (data) => ({
  ...data,
  photos: Object.fromEntries(
    Object.entries(data.photos).map(([name, own]) => [
      name,
      { ...own, maps: own.maps && { ...own.maps, tiles: bytes(own.maps.tiles) } },
    ]),
  ),
});

const layout = (own) => [
  own.bar("picture", "photo"),
  el(
    "div",
    { class: "yp-top" },
    el(
      "div",
      { class: "cx-board" },
      el("div", { class: "cx-hint" }, "what the network sees"),
      own.part("seen", {}, "div"),
    ),
    el(
      "div",
      {},
      el("div", { class: "cx-hint" }, "what it says"),
      own.part("answers"),
      own.part("deeds", { class: "cx-bar yp-deeds" }),
    ),
  ),
  own.text,
  own.hint,
  own.bar("stage"),
  el(
    "div",
    { class: "cx-board yp-maps" },
    own.part("named", { class: "cx-hint" }),
    own.part("maps", { "aria-hidden": "true" }, "canvas"),
  ),
];

export const explore = panel(view, {
  kinds: { listing, photographing },
  also: [painting, thinking],
  layout,
  presses,
  settle,
  decode,
});
