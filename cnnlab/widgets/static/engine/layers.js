// The layers of a network that answers inside the page, on typed arrays. Maps are { shape: [C, H, W], data }, one
// picture at a time, channels first and rows after each other, as in torch; what is flat has the shape [N].
// Each layer is (layer, ...inputs) -> maps, where layer is what cnnlab.export_page wrote of it, weights unpacked.

const filledWith = (shape, value) => {
  const data = new Float32Array(shape.reduce((a, b) => a * b, 1));
  return { shape, data: value ? data.fill(value) : data };
};

// --- where a window stands -------------------------------------------------------------------------------------------

// How many windows fit. Rounded up, the last one must still begin inside the input or the padding before it.
export const outputSize = (size, kernel, stride, before, after, dilation = 1, ceil = false) => {
  const steps = (size + before + after - dilation * (kernel - 1) - 1) / stride;
  if (!ceil) return Math.floor(steps) + 1;
  const count = Math.ceil(steps) + 1;
  return (count - 1) * stride >= size + before ? count - 1 : count;
};

// Zeros around the maps as TensorFlow pads them: as many windows as strides fit, and an odd pixel goes to the end.
export const pad_same = ({ kernel, stride }, { shape: [channels, height, width], data }) => {
  const missing = (size) => Math.max(0, (Math.ceil(size / stride) - 1) * stride + kernel - size);
  const [more, wider] = [missing(height), missing(width)];
  const out = filledWith([channels, height + more, width + wider]);
  for (let row = 0; row < channels * height; row++) {
    const top = (row / height) | 0;
    const start = (row + top * more + (more >> 1)) * (width + wider) + (wider >> 1);
    out.data.set(data.subarray(row * width, (row + 1) * width), start);
  }
  return out;
};

// --- convolutions ----------------------------------------------------------------------------------------------------

const STRETCH = 1024;

// out += the sum over i of weights[i] · the `length` numbers from place starts[i] of `numbers` on. Four at a time, so that
// each result is fetched and put back once for four products.
const addProducts = (out, weights, numbers, starts, length) => {
  const count = starts.length;
  let i = 0;
  for (; i + 3 < count; i += 4) {
    const [a, b, c, d] = [weights[i], weights[i + 1], weights[i + 2], weights[i + 3]];
    const [p, q, r, s] = [starts[i], starts[i + 1], starts[i + 2], starts[i + 3]];
    for (let j = 0; j < length; j++) {
      out[j] += a * numbers[p + j] + b * numbers[q + j] + c * numbers[r + j] + d * numbers[s + j];
    }
  }
  for (; i < count; i++) {
    const [a, p] = [weights[i], starts[i]];
    for (let j = 0; j < length; j++) out[j] += a * numbers[p + j];
  }
};

// Calls each(to, from, count) for the runs of pixels that one weight of the kernel meets: `count` results from place
// `to` on, and the pixels from place `from` on, a stride apart.
const runsOf = ({ stride, padding, dilation }, [height, width], [tall, wide], y, x, each) => {
  const [top, , left] = padding;
  const shift = x * dilation[1] - left;
  const low = Math.max(0, Math.ceil(-shift / stride[1]));
  const high = Math.min(wide - 1, Math.floor((width - 1 - shift) / stride[1]));
  if (low > high) return;
  for (let row = 0; row < tall; row++) {
    const read = row * stride[0] + y * dilation[0] - top;
    if (read >= 0 && read < height) {
      each(row * wide + low, read * width + low * stride[1] + shift, high - low + 1);
    }
  }
};

// One row for each weight of the kernels: the pixel that it meets at each place.
const patchRows = (layer, data, size, out, channels, [tall, wide]) => {
  const rows = new Float32Array(channels * tall * wide * out[0] * out[1]);
  const [area, step] = [size[0] * size[1], layer.stride[1]];
  let row = 0;
  for (let c = 0; c < channels; c++) {
    for (let y = 0; y < tall; y++) {
      for (let x = 0; x < wide; x++, row++) {
        runsOf(layer, size, out, y, x, (to, from, count) => {
          const [target, source] = [row * out[0] * out[1] + to, c * area + from];
          for (let i = 0; i < count; i++) rows[target + i] = data[source + i * step];
        });
      }
    }
  }
  return rows;
};

// Every channel has kernels of its own. Over maps with their padding, as one long row, each weight of a kernel meets
// numbers that lie beside each other; what a window would read across an edge, or between strides, is left behind.
const depthwise = (
  { weight, stride, dilation, padding },
  data,
  [height, width],
  { shape, data: out },
  [tall, wide],
) => {
  const [count, high, long] = shape;
  const [top, bottom, left, right] = padding;
  const line = width + left + right;
  const plane = new Float32Array(line * (height + top + bottom));
  const sums = new Float32Array(plane.length);
  const taps = tall * wide;
  const starts = Array.from(
    { length: taps },
    (_, t) => Math.floor(t / wide) * dilation[0] * line + (t % wide) * dilation[1],
  );
  const length = plane.length - starts[taps - 1];
  const each = (count * height * width) / data.length;
  for (let k = 0; k < count; k++) {
    const from = Math.floor(k / each) * height * width;
    for (let i = 0; i < height; i++) {
      plane.set(data.subarray(from + i * width, from + (i + 1) * width), (i + top) * line + left);
    }
    addProducts(sums.fill(0), weight.subarray(k * taps, (k + 1) * taps), plane, starts, length);
    for (let i = 0; i < high; i++) {
      const [to, read] = [(k * high + i) * long, i * stride[0] * line];
      for (let j = 0; j < long; j++) out[to + j] += sums[read + j * stride[1]];
    }
  }
};

// Standard, grouped, dilated, depthwise and pointwise. { weight, kernel: [K, C / groups, h, w], bias, stride: [y, x],
// padding: [top, bottom, left, right], dilation: [y, x], groups }
export const conv = (layer, { shape: [channels, height, width], data }) => {
  const { weight, bias, kernel, stride, padding, dilation, groups } = layer;
  const [count, depth, tall, wide] = kernel;
  if (depth * groups !== channels) {
    throw new Error(`layer ${layer.name} reads ${depth * groups} maps and got ${channels}.`);
  }
  const size = [height, width];
  const high = outputSize(height, tall, stride[0], padding[0], padding[1], dilation[0]);
  const long = outputSize(width, wide, stride[1], padding[2], padding[3], dilation[1]);
  const out = filledWith([count, high, long]);
  const places = high * long;
  if (bias) for (let k = 0; k < count; k++) out.data.fill(bias[k], k * places, (k + 1) * places);
  if (depth === 1 && groups > 1) {
    depthwise(layer, data, size, out, [tall, wide]);
    return out;
  }
  const plain = tall * wide === 1 && stride[0] * stride[1] === 1 && padding.every((own) => own === 0);
  const [each, inputs] = [count / groups, depth * tall * wide];
  for (let g = 0; g < groups; g++) {
    const read = data.subarray(g * depth * height * width, (g + 1) * depth * height * width);
    const rows = plain ? read : patchRows(layer, read, size, [high, long], depth, [tall, wide]);
    // A stretch of places at a time, whose numbers stay in the fastest memory for all kernels.
    for (let start = 0; start < places; start += STRETCH) {
      const end = Math.min(places, start + STRETCH);
      const starts = Array.from({ length: inputs }, (_, i) => i * places + start);
      for (let k = g * each; k < (g + 1) * each; k++) {
        const to = out.data.subarray(k * places + start, k * places + end);
        addProducts(to, weight.subarray(k * inputs, (k + 1) * inputs), rows, starts, end - start);
      }
    }
  }
  return out;
};

// { weight, kernel: [outputs, inputs], bias }; the input's numbers in one row, whatever its shape.
export const dense = ({ name, weight, bias, kernel: [outputs, inputs] }, { data }) => {
  if (data.length !== inputs) throw new Error(`layer ${name} reads ${inputs} numbers and got ${data.length}.`);
  const out = filledWith([outputs]);
  for (let k = 0; k < outputs; k++) {
    let sum = bias ? bias[k] : 0;
    for (let i = 0; i < inputs; i++) sum += weight[k * inputs + i] * data[i];
    out.data[k] = sum;
  }
  return out;
};

// --- pooling ---------------------------------------------------------------------------------------------------------

// Calls put(values of a window inside the maps, pixels that the window has with its padding) for each result.
const pooled = ({ kernel, stride, padding, ceil }, { shape: [channels, height, width], data }, begin, gather, end) => {
  const [[tall, wide], [down, right], [top, left]] = [kernel, stride, padding];
  const high = outputSize(height, tall, down, top, top, 1, ceil);
  const long = outputSize(width, wide, right, left, left, 1, ceil);
  const out = filledWith([channels, high, long]);
  for (let c = 0, place = 0; c < channels; c++) {
    for (let i = 0; i < high; i++) {
      for (let j = 0; j < long; j++, place++) {
        const [y, x] = [i * down - top, j * right - left];
        const [bottom, edge] = [Math.min(y + tall, height + top), Math.min(x + wide, width + left)];
        const [rows, columns] = [Math.min(bottom, height), Math.min(edge, width)];
        let [value, read] = [begin, 0];
        for (let v = Math.max(0, y); v < rows; v++) {
          for (let u = Math.max(0, x); u < columns; u++, read++) {
            value = gather(value, data[(c * height + v) * width + u]);
          }
        }
        out.data[place] = end(value, read, (bottom - y) * (edge - x));
      }
    }
  }
  return out;
};

export const max_pool = (layer, x) => pooled(layer, x, -Infinity, Math.max, (value) => value);
export const average_pool = (layer, x) =>
  pooled(
    layer,
    x,
    0,
    (a, b) => a + b,
    (sum, read, all) => sum / (layer.counts_padding ? all : read),
  );

// The mean of each map; with `keep` its shape is [C, 1, 1].
export const global_average = ({ keep }, { shape: [channels, height, width], data }) => {
  const out = filledWith(keep ? [channels, 1, 1] : [channels]);
  const area = height * width;
  for (let c = 0; c < channels; c++) {
    let sum = 0;
    for (let i = c * area; i < (c + 1) * area; i++) sum += data[i];
    out.data[c] = sum / area;
  }
  return out;
};

// The mean of so many windows down and across, whatever the maps' size, which share an edge where it does not divide.
export const adaptive_average = ({ size: [high, long] }, { shape: [channels, height, width], data }) => {
  const out = filledWith([channels, high, long]);
  const window = (i, count, whole) => [Math.floor((i * whole) / count), Math.ceil(((i + 1) * whole) / count)];
  for (let place = 0; place < out.data.length; place++) {
    const c = Math.floor(place / (high * long));
    const [top, bottom] = window(Math.floor(place / long) % high, high, height);
    const [left, right] = window(place % long, long, width);
    let sum = 0;
    for (let y = top; y < bottom; y++) {
      for (let x = left; x < right; x++) sum += data[(c * height + y) * width + x];
    }
    out.data[place] = sum / ((bottom - top) * (right - left));
  }
  return out;
};

// AlexNet's local response normalization: over the mean of the squares of `size` maps side by side, this one among them.
export const response_norm = ({ size, alpha, beta, k }, { shape, data }) => {
  const out = filledWith(shape);
  const area = data.length / shape[0];
  const before = size >> 1;
  for (let c = 0; c < shape[0]; c++) {
    const [low, high] = [Math.max(0, c - before), Math.min(shape[0], c - before + size)];
    for (let i = 0; i < area; i++) {
      let squares = 0;
      for (let other = low; other < high; other++) squares += data[other * area + i] ** 2;
      out.data[c * area + i] = data[c * area + i] / (k + (alpha * squares) / size) ** beta;
    }
  }
  return out;
};

// --- the rest --------------------------------------------------------------------------------------------------------

export const flatten = (_layer, { data }) => ({ shape: [data.length], data });

// Batch normalization that no convolution could take in: each map times a number, plus another.
export const affine = ({ weight, bias }, { shape, data }) => {
  const area = data.length / shape[0];
  return { shape, data: data.map((value, i) => value * weight[(i / area) | 0] + bias[(i / area) | 0]) };
};

// Two inputs of one shape, or one that has a number for each map of the other.
const combined = (x, y, act) => {
  const [large, small] = x.data.length < y.data.length ? [y, x] : [x, y];
  if (large.shape[0] !== small.shape[0]) {
    throw new Error(`maps of the shapes ${x.shape.join(" × ")} and ${y.shape.join(" × ")} do not go together.`);
  }
  const each = large.data.length / small.data.length;
  return { shape: large.shape, data: large.data.map((value, i) => act(value, small.data[(i / each) | 0])) };
};
export const add = (_layer, x, y) => combined(x, y, (a, b) => a + b);
export const multiply = (_layer, x, y) => combined(x, y, (a, b) => a * b);

export const concat = (_layer, ...all) => {
  const [, height, width] = all[0].shape;
  const out = filledWith([all.reduce((sum, { shape }) => sum + shape[0], 0), height, width]);
  let at = 0;
  for (const { data } of all) {
    out.data.set(data, at);
    at += data.length;
  }
  return out;
};

// Every so many rows and columns: { step: [y, x] }
export const subsample = ({ step: [down, right] }, { shape: [channels, height, width], data }) => {
  const out = filledWith([channels, Math.ceil(height / down), Math.ceil(width / right)]);
  const [, high, long] = out.shape;
  for (let place = 0; place < out.data.length; place++) {
    const [c, i, j] = [(place / (high * long)) | 0, ((place / long) | 0) % high, place % long];
    out.data[place] = data[(c * height + i * down) * width + j * right];
  }
  return out;
};

// Maps of zeros after those that there are: { count }
export const more_maps = ({ count }, { shape: [channels, height, width], data }) => {
  const out = filledWith([channels + count, height, width]);
  out.data.set(data);
  return out;
};

export const same = (_layer, { shape, data }) => ({ shape, data: data.slice() });

// --- activations -----------------------------------------------------------------------------------------------------

export const relu = (x) => Math.max(x, 0);
export const relu6 = (x) => Math.min(6, Math.max(0, x));
export const tanh = Math.tanh;
export const sigmoid = (x) => 1 / (1 + Math.exp(-x));
export const silu = (x) => x / (1 + Math.exp(-x));
export const hardsigmoid = (x) => relu6(x + 3) / 6;
export const hardswish = (x) => x * hardsigmoid(x);
export const softmax = (values) => {
  const peak = Math.max(...values);
  const powers = Array.from(values, (value) => Math.exp(value - peak));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => power / sum);
};

export const LAYERS = {
  ...{ conv, dense, max_pool, average_pool, global_average, flatten, affine, add, multiply, concat, pad_same, same },
  ...{ subsample, more_maps, adaptive_average, response_norm },
};
export const ACTIVATIONS = { relu, relu6, tanh, sigmoid, silu, hardsigmoid, hardswish };
