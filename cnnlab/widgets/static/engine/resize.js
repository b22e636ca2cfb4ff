import { clamp } from "../core.js";

// A photograph as a network of ImageNet sees it, number for number as Pillow makes it and cnnlab.preprocessing asks:
// the shorter side resized, with antialiasing, and the middle cut out.

// Keys' cubic with a = -1/2, which Pillow calls BICUBIC
const cubic = (x) => {
  const t = Math.abs(x);
  if (t < 1) return (1.5 * t - 2.5) * t * t + 1;
  return t < 2 ? ((-0.5 * t + 2.5) * t - 4) * t + 2 : 0;
};

// For `count` pixels from `first` on of a line of `length` pixels made `size` long: where each begins to read, and its
// weights. A line that is made shorter is read as much further, so that nothing is skipped.
const taps = (length, size, first, count) => {
  const scale = length / size;
  const wide = Math.max(scale, 1);
  return Array.from({ length: count }, (_, i) => {
    const center = (first + i + 0.5) * scale;
    const from = Math.max(0, Math.trunc(center - 2 * wide + 0.5));
    const to = Math.min(length, Math.trunc(center + 2 * wide + 0.5));
    const weights = Array.from({ length: to - from }, (_, j) => cubic((from + j - center + 0.5) / wide));
    const sum = weights.reduce((a, b) => a + b, 0);
    return { from, weights: weights.map((own) => own / sum) };
  });
};

// As Python and torch round: of the two whole numbers beside a half, the even one
export const even = (x) => (Math.abs(x % 1) === 0.5 ? 2 * Math.round(x / 2) : Math.round(x));

// { data: RGBA, width, height } -> Uint8Array, red, green and blue of crop × crop pixels, a map after the other
export const seenOf = ({ data, width, height }, { resize, crop }) => {
  const [tall, wide] =
    width <= height ? [Math.floor((resize * height) / width), resize] : [resize, Math.floor((resize * width) / height)];
  const rows = taps(height, tall, even((tall - crop) / 2), crop);
  const columns = taps(width, wide, even((wide - crop) / 2), crop);
  const top = rows[0].from;
  const bottom = rows[crop - 1].from + rows[crop - 1].weights.length;
  const lines = new Uint8Array((bottom - top) * crop);
  const seen = new Uint8Array(3 * crop * crop);
  for (let c = 0; c < 3; c++) {
    // Along the lines first, and rounded between the two, as Pillow does
    for (let y = top; y < bottom; y++) {
      columns.forEach(({ from, weights }, x) => {
        let [sum, at] = [0, 4 * (y * width + from) + c];
        for (let j = 0; j < weights.length; j++, at += 4) sum += weights[j] * data[at];
        lines[(y - top) * crop + x] = clamp(Math.floor(sum + 0.5), 0, 255);
      });
    }
    rows.forEach(({ from, weights }, y) => {
      for (let x = 0; x < crop; x++) {
        let [sum, at] = [0, (from - top) * crop + x];
        for (let j = 0; j < weights.length; j++, at += crop) sum += weights[j] * lines[at];
        seen[(c * crop + y) * crop + x] = clamp(Math.floor(sum + 0.5), 0, 255);
      }
    });
  }
  return seen;
};
