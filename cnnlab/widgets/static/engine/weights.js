import { bytes } from "../core.js";

// What cnnlab/ship/packing.py wrote, as 32-bit numbers.

// The number that 16 bits stand for: a sign, five bits of a power of two, ten of what it is multiplied with.
export const half = (bits) => {
  const [sign, power, fraction] = [bits >> 15 ? -1 : 1, (bits >> 10) & 31, bits & 1023];
  return sign * (power ? 2 ** (power - 15) * (1 + fraction / 1024) : (2 ** -14 * fraction) / 1024);
};

// { shape, bits, data, scales } -> Float32Array; of 8 bits each row has a scale.
export const unpacked = ({ shape, bits, data, scales }) => {
  const { buffer } = bytes(data);
  if (bits === 32) return new Float32Array(buffer);
  if (bits === 16) return Float32Array.from(new Uint16Array(buffer), half);
  const codes = new Int8Array(buffer);
  const rows = new Float32Array(bytes(scales).buffer);
  const each = codes.length / shape[0];
  return Float32Array.from(codes, (code, i) => code * rows[(i / each) | 0]);
};
