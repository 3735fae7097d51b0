// Displacements of a mesh over time, as a few fixed shapes with changing amounts.

/**
 * @typedef {object} ModesDocument
 * @property {number} count
 * @property {number} samples
 * @property {number[]} scales
 * @property {string} shapes
 * @property {string} amounts
 */

/**
 * Return the bytes that a text in base64 holds.
 * @param {string} text
 * @returns {ArrayBuffer}
 */
export function bytesOf(text) {
  const letters = atob(text);
  const bytes = new Uint8Array(letters.length);
  for (let i = 0; i < letters.length; i++) bytes[i] = letters.charCodeAt(i);
  return bytes.buffer;
}

/**
 * Return the numbers of 32 bits that a text in base64 holds.
 * @param {string} text
 */
export function floatsOf(text) {
  return new Float32Array(bytesOf(text));
}

/**
 * Return shapes, each with its scale, as one after the other.
 * @param {{scales: number[], shapes: string}} document
 * @returns {Float32Array[]}
 */
export function shapesOf(document) {
  const levels = new Int16Array(bytesOf(document.shapes));
  const size = levels.length / document.scales.length;
  return document.scales.map((scale, k) => Float32Array.from(levels.subarray(k * size, (k + 1) * size), (v) => v * scale));
}

/** The displacements of a mesh at any time. */
export class Modes {
  /**
   * @param {ModesDocument} document
   * @param {boolean} loop whether the last sample leads into the first
   * @param {boolean} smooth whether amounts pass smoothly through their samples, or straight from one to the next
   */
  constructor(document, loop, smooth) {
    this.shapes = shapesOf(document);
    this.amounts = floatsOf(document.amounts);
    this.samples = document.samples;
    this.loop = loop;
    this.smooth = smooth;
  }

  /**
   * Add the displacements at a time to `out`: first of all nodes to the right, then of all nodes down.
   * @param {number} share of the clip, 0 to 1
   * @param {Float32Array} out
   */
  addTo(out, share) {
    const at = placeOf(share, this.samples, this.loop);
    const weights = this.smooth ? catmullRom(at.part) : [0, 1 - at.part, at.part, 0];
    const count = this.shapes.length;
    for (let k = 0; k < count; k++) {
      let amount = 0;
      for (let i = 0; i < 4; i++) {
        if (weights[i]) amount += weights[i] * this.amounts[at.samples[i] * count + k];
      }
      const shape = this.shapes[k];
      for (let i = 0; i < shape.length; i++) out[i] += amount * shape[i];
    }
  }
}

/**
 * Return a number that changes over time, straight from one sample to the next.
 * @param {Float32Array} samples
 * @param {number} share of the clip, 0 to 1
 * @param {boolean} loop
 */
export function between(samples, share, loop) {
  const at = placeOf(share, samples.length, loop);
  return (1 - at.part) * samples[at.samples[1]] + at.part * samples[at.samples[2]];
}

/**
 * Return the four samples around a time, and how far it is from the second to the third.
 * @param {number} share
 * @param {number} count
 * @param {boolean} loop
 */
function placeOf(share, count, loop) {
  const place = loop ? (share - Math.floor(share)) * count : Math.min(Math.max(share, 0), 1) * (count - 1);
  const first = Math.min(Math.floor(place), loop ? count - 1 : Math.max(count - 2, 0));
  const samples = [-1, 0, 1, 2].map((step) => {
    const i = first + step;
    return loop ? (i + count) % count : Math.min(Math.max(i, 0), count - 1);
  });
  return { samples, part: place - first };
}

/**
 * Return the weights of four samples between the second and the third (Catmull and Rom, 1974).
 * @param {number} u
 */
function catmullRom(u) {
  const u2 = u * u;
  const u3 = u2 * u;
  return [(2 * u2 - u3 - u) / 2, (3 * u3 - 5 * u2 + 2) / 2, (4 * u2 - 3 * u3 + u) / 2, (u3 - u2) / 2];
}
