import { el, listed, range } from "../../widgets/static/core.js";
import { strongest } from "../../widgets/static/engine/brain.js";
import { add, conv, dense, global_average, more_maps, relu, subsample } from "../../widgets/static/engine/layers.js";
import { passedOn, readNetwork } from "../../widgets/static/engine/network.js";
import {
  asInput,
  asked,
  askedLayout,
  bestOf,
  picturesOf,
  row,
  switches,
  tallying,
} from "../../widgets/static/inside.js";
import { choosing, listing, painting, panel, toggling } from "../../widgets/static/panel.js";
import { board } from "../../widgets/static/photo.js";

const KINDS = { add, conv, dense, global_average, more_maps, subsample };
const NAMES = ["ResNet", "plain"];
const MAPS = 8;

const isOff = (state, k) => state[`off${k}`];
export const question = (state) =>
  range(9)
    .map((k) => (isOff(state, k) ? 1 : 0))
    .join("");

// What an absent block passes on: its input, at the size that the block would give it
export const passedBy = ({ stride, more }, maps) =>
  more_maps({ count: more }, subsample({ step: [stride, stride] }, maps));

// In place of the layers of blocks that are off
export const instead = (state, { blocks }, name) => {
  const own = {};
  blocks.forEach((block, k) => {
    const [from, last] = block[name];
    if (!isOff(state, k)) return;
    for (let at = from + 1; at < last; at++) own[at] = () => null;
    own[last] = (values) => passedBy(block, values[from]);
  });
  return own;
};

export const through = (state, data, picture, name) =>
  passedOn(data[name], asInput(picture.pixels, data), KINDS, { relu }, instead(state, data, name));
const answers = (state, data, picture) =>
  Object.fromEntries(NAMES.map((name) => [name, through(state, data, picture, name).at(-1).data]));

export const explain = (state, scores, { blocks, classes, pictures }) => {
  const off = blocks.filter((_, k) => isOff(state, k)).map(({ label }) => label);
  const said = NAMES.map((name) => `${name} says ${classes[bestOf(scores[name])]}`).join(", ");
  const label = classes[pictures[state.picture].label];
  const without = off.length ? `Without block${off.length > 1 ? "s" : ""} ${listed(off)}` : "With all blocks";
  return `${without}: of this picture, labeled ${label}, ${said}.`;
};

export const view = (state, _width, data) => {
  const { pictures } = data;
  const values = Object.fromEntries(NAMES.map((name) => [name, through(state, data, pictures[state.picture], name)]));
  const scores = Object.fromEntries(NAMES.map((name) => [name, values[name].at(-1).data]));
  const look = (name) => row(strongest(values[name][data.blocks[state.look][name][1]], MAPS), MAPS);
  return {
    text: explain(state, scores, data),
    ...asked(state, data, question, scores),
    images: { contact: data.contact, resnet: look("ResNet"), plain: look("plain") },
  };
};

const decode = (data) => ({
  ...data,
  ...picturesOf(data.pictures, data.classes),
  ResNet: readNetwork(data.ResNet),
  plain: readNetwork(data.plain),
});
const layout = (own) => [
  own.presets(),
  switches(
    own,
    range(9).map((k) => `off${k}`),
  ),
  askedLayout(own),
  own.bar("look"),
  el(
    "div",
    { class: "in-maps" },
    board(own, "resnet", "ResNet, the strongest maps", []),
    board(own, "plain", "plain", []),
  ),
];

export const explore = panel(view, {
  kinds: { choosing, listing, toggling },
  also: [painting, tallying(question, answers)],
  layout,
  decode,
});
