import { unpacked } from "./weights.js";

// A network as cnnlab.export_page writes it: { name, layers: [{ op, name, from, act, ... }] }, each layer after those
// whose places in the list `from` names (-1 is the picture). What a view can run is what it hands over as `kinds`
// (layers.js has them all under LAYERS and ACTIVATIONS), so that an output carries no other.

export const readNetwork = ({ name, layers }) => ({
  name,
  layers: layers.map((layer) => ({
    ...layer,
    ...(layer.weight && { weight: unpacked(layer.weight), kernel: layer.weight.shape }),
    ...(layer.bias && { bias: unpacked(layer.bias) }),
  })),
});

// What one layer passes on, of what those before it did, which are `values` (or `picture`).
export const passed = (layer, values, picture, kinds, activations) => {
  const compute = kinds[layer.op];
  const activate = activations[layer.act];
  if (!compute || (layer.act && !activate)) {
    throw new Error(`layer ${layer.name} is ${layer.op} ${layer.act || ""}, which nobody handed over.`);
  }
  const own = compute(layer, ...layer.from.map((at) => (at < 0 ? picture : values[at])));
  if (activate) for (let i = 0; i < own.data.length; i++) own.data[i] = activate(own.data[i]);
  return own;
};

// { shape, data } of a picture -> what each layer passes on, in the layers' order. The last is the answer. Where
// instead[at] stands, the layer at that place is not computed: its value is instead[at](values).
export const passedOn = (network, picture, kinds, activations, instead = {}) => {
  const values = [];
  network.layers.forEach((layer, at) => {
    const own = instead[at];
    values.push(own ? own(values) : passed(layer, values, picture, kinds, activations));
  });
  return values;
};
