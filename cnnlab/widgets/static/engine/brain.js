import { ACTIVATIONS, LAYERS, softmax } from "./layers.js";
import { passed, readNetwork } from "./network.js";
import { seenOf } from "./resize.js";

// A network that is asked about photographs, in a worker or in the page itself. It hears and says messages:
//
//   { kind: "network", network }           -> { kind: "ready" }
//   { kind: "photo", key, data, width, height }  -> { kind: "progress", done, of }, then
//                                             { kind: "answer", key, top: [[class, share], ...], seen, ms }
//   { kind: "maps", stage }                -> { kind: "maps", key, stage, side, channels, tiles }
//   { kind: "cover" } and { kind: "stop" } -> { kind: "covered", key, at, of, share } each, then { kind: "uncovered" }
//
// and { kind: "trouble", text } if anything fails. A network is what cnnlab.widgets.networks writes.

export const TOP = 5;
export const TILES = 16;
export const COVERS = 7; // squares in a row, of a quarter of the side, each half over the next

// The strongest maps, those that differ most from place to place, each from its lowest to its highest value
export const strongest = ({ shape: [count, high, wide], data }, most = TILES) => {
  const area = high * wide;
  const maps = Array.from({ length: count }, (_, c) => {
    const own = data.subarray(c * area, (c + 1) * area);
    let [sum, squares, low, top] = [0, 0, Infinity, -Infinity];
    for (const v of own) {
      sum += v;
      squares += v * v;
      if (v < low) low = v;
      if (v > top) top = v;
    }
    return { c, own, low, top, spread: squares / area - (sum / area) ** 2 };
  });
  const chosen = maps.sort((a, b) => b.spread - a.spread).slice(0, most);
  const tiles = new Uint8Array(chosen.length * area);
  chosen.forEach(({ own, low, top }, place) => {
    const scale = 255 / Math.max(top - low, 1e-9);
    for (let i = 0; i < area; i++) tiles[place * area + i] = Math.round((own[i] - low) * scale);
  });
  return { side: wide, channels: chosen.map(({ c }) => c), tiles };
};

// The pixels as numbers for the network; what lies in the square at (left, top) is the gray that it knows as zero.
export const asNumbers = (seen, { crop, mean, std }, square) => {
  const data = new Float32Array(seen.length);
  const area = crop * crop;
  for (let i = 0; i < seen.length; i++) {
    const c = (i / area) | 0;
    data[i] = (seen[i] / 255 - mean[c]) / std[c];
  }
  if (square) {
    for (let c = 0; c < 3; c++) {
      for (let y = square.top; y < square.top + square.side; y++) {
        const start = c * area + y * crop + square.left;
        data.fill(0, start, start + square.side);
      }
    }
  }
  return { shape: [3, crop, crop], data };
};

export const squareAt = (at, crop) => {
  const side = Math.round(crop / 4);
  const step = (crop - side) / (COVERS - 1);
  return { left: Math.round((at % COVERS) * step), top: Math.round(Math.floor(at / COVERS) * step), side };
};

const later = () => new Promise((then) => setTimeout(then));

// say(message); with `gently`, which a page wants, it rests after each layer.
export const answering = (say, gently) => {
  let network = null;
  let now = null; // the last photograph: { key, seen, kept, best }
  let turn = 0; // of the last message that makes what came before it idle

  // What the last layer says, and what the layers that `keep` names passed on. Null if something newer came meanwhile.
  const through = async (picture, keep, mine, told) => {
    const values = [];
    for (const [at, layer] of network.layers.entries()) {
      values.push(passed(layer, values, picture, LAYERS, ACTIVATIONS));
      // What nobody reads any more makes room for what comes.
      for (const from of layer.from)
        if (from >= 0 && network.until[from] === at && !keep.has(from)) values[from] = null;
      if (told && at % 4 === 3) say({ kind: "progress", done: at + 1, of: network.layers.length });
      if (gently) await later();
      if (mine !== turn) return null;
    }
    return { shares: softmax(values.at(-1).data), values };
  };

  const acts = {
    network({ network: given }) {
      network = { ...given, ...readNetwork(given), until: {} };
      network.layers.forEach(({ from }, at) => {
        for (const own of from) network.until[own] = at;
      });
      say({ kind: "ready" });
    },
    async photo(photo) {
      const mine = ++turn;
      now = null;
      const began = performance.now();
      const seen = seenOf(photo, network.preprocess);
      const found = await through(
        asNumbers(seen, network.preprocess),
        new Set(Object.values(network.stages)),
        mine,
        true,
      );
      if (!found) return;
      const order = found.shares.map((share, i) => [i, share]).sort((a, b) => b[1] - a[1]);
      const top = order.slice(0, TOP).map(([i, share]) => [network.classes[i], share]);
      now = { key: photo.key, seen, values: found.values, best: order[0][0] };
      say({ kind: "answer", key: photo.key, top, seen, ms: performance.now() - began });
    },
    maps({ stage }) {
      if (now) say({ kind: "maps", key: now.key, stage, ...strongest(now.values[network.stages[stage]]) });
    },
    async cover() {
      if (!now) return;
      const mine = ++turn;
      const { key, seen, best } = now;
      for (let at = 0; at < COVERS * COVERS; at++) {
        const picture = asNumbers(seen, network.preprocess, squareAt(at, network.preprocess.crop));
        const found = await through(picture, new Set(), mine);
        // A message that came meanwhile is heard first.
        if (found) await later();
        if (!found || mine !== turn) break;
        say({ kind: "covered", key, at, of: COVERS * COVERS, share: found.shares[best] });
      }
      say({ kind: "uncovered", key });
    },
    stop() {
      turn++;
    },
  };
  return async (message) => {
    try {
      await acts[message.kind](message);
    } catch (error) {
      say({ kind: "trouble", text: error.message });
    }
  };
};
