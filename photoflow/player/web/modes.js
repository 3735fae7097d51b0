/**
 * Displacements of a mesh's nodes over time, as a few fixed shapes with changing amounts.
 *
 * @typedef {{count: number, scales: number[], shapes: string}} ShapesDocument
 * @typedef {ShapesDocument & {samples: number, amounts: string}} ModesDocument
 */

const UNSEEN = 0.01; // pixels: a shape that moves no node so far is left out

/**
 * Return the bytes of a base64 text.
 *
 * @param {string} text
 * @returns {ArrayBuffer}
 */
export function bytes(text) {
  const raw = atob(text);
  const out = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) out[i] = raw.charCodeAt(i);
  return out.buffer;
}

/**
 * Return an array of float32 that is written in base64.
 *
 * @param {string} text
 */
export function floats(text) {
  return new Float32Array(bytes(text));
}

/**
 * Return shapes as they were before they were packed: each all x of its nodes, then all y.
 *
 * @param {ShapesDocument} document
 * @returns {Float32Array[]}
 */
export function unpacked(document) {
  const levels = new Int16Array(bytes(document.shapes));
  const size = levels.length / document.count;
  return document.scales.map((scale, k) => {
    const shape = new Float32Array(size);
    for (let i = 0; i < size; i++) shape[i] = scale * levels[k * size + i];
    return shape;
  });
}

/**
 * Add an amount of a shape to a displacement.
 *
 * @param {Float32Array} out
 * @param {Float32Array} shape
 * @param {number} amount
 */
export function add(out, shape, amount) {
  for (let i = 0; i < out.length; i++) out[i] += amount * shape[i];
}

/**
 * Return the largest size of a value.
 *
 * @param {Float32Array} values
 */
export function peak(values) {
  let most = 0;
  for (let i = 0; i < values.length; i++) most = Math.max(most, Math.abs(values[i]));
  return most;
}

/** When samples of a clip were taken, and which of them tell of a moment. */
export class Clock {
  /**
   * @param {number} seconds length of the clip.
   * @param {boolean} loop whether its end leads into its beginning.
   */
  constructor(seconds, loop) {
    this.seconds = seconds;
    this.loop = loop;
  }

  /**
   * Return the sample at or before a moment, and how far it is on the way to the next, 0 to 1.
   *
   * @param {number} t seconds.
   * @param {number} samples how many there are.
   * @returns {[number, number]}
   */
  place(t, samples) {
    if (this.loop) {
      const place = (t / this.seconds - Math.floor(t / this.seconds)) * samples;
      return [Math.floor(place) % samples, place - Math.floor(place)];
    }
    const place = Math.min(Math.max(t / this.seconds, 0), 1) * (samples - 1);
    const first = Math.min(Math.floor(place), Math.max(samples - 2, 0));
    return [first, place - first];
  }

  /**
   * Return the number of a sample, also before the first and after the last.
   *
   * @param {number} i
   * @param {number} samples how many there are.
   */
  index(i, samples) {
    return this.loop ? ((i % samples) + samples) % samples : Math.min(Math.max(i, 0), samples - 1);
  }

  /**
   * Return a value between samples, on a straight line.
   *
   * @param {Float32Array} samples
   * @param {number} t seconds.
   */
  between(samples, t) {
    const [first, along] = this.place(t, samples.length);
    return samples[first] * (1 - along) + samples[this.index(first + 1, samples.length)] * along;
  }
}

/** Displacements of a mesh over time: the sum of shapes, each by its amount of the moment. */
export class Modes {
  /**
   * @param {ModesDocument} document
   * @param {Clock} clock
   * @param {boolean} smooth whether amounts go along Catmull and Rom's curve, and not straight, between samples.
   */
  constructor(document, clock, smooth) {
    this.clock = clock;
    this.smooth = smooth;
    this.samples = document.samples;
    this.shapes = unpacked(document);
    this.peaks = this.shapes.map(peak);
    this.amounts = floats(document.amounts);
  }

  /**
   * Write the displacement at a moment: all x of the nodes, then all y, pixels.
   *
   * @param {number} t seconds.
   * @param {Float32Array} out
   */
  write(t, out) {
    out.fill(0);
    const [first, along] = this.clock.place(t, this.samples);
    const weights = this.smooth ? curved(along) : [0, 1 - along, along, 0];
    const rows = [-1, 0, 1, 2].map((i) => this.clock.index(first + i, this.samples) * this.shapes.length);
    this.shapes.forEach((shape, k) => {
      const amount = rows.reduce((sum, row, i) => sum + weights[i] * this.amounts[row + k], 0);
      if (Math.abs(amount) * this.peaks[k] > UNSEEN) add(out, shape, amount);
    });
  }
}

/**
 * Return the weights of four samples for a place between the second and the third (Catmull & Rom 1974).
 *
 * @param {number} s 0 to 1.
 */
function curved(s) {
  return [
    ((2 - s) * s - 1) * s / 2,
    ((3 * s - 5) * s * s + 2) / 2,
    ((4 - 3 * s) * s + 1) * s / 2,
    (s - 1) * s * s / 2,
  ];
}
