// Masks of layers: where a layer is, and the line around it.

/** @typedef {import("photoflow/types.js").Layer} Layer */
/** @typedef {import("photoflow/types.js").Point} Point */

const SIDE = 480; // longest side at which a mask is looked at
const LEVEL = 127.5; // opacity from which a layer is there
const KEPT = 32;

/** A mask that is there. */
export class Mask {
  /**
   * @param {number} width
   * @param {number} height
   * @param {Uint8ClampedArray} alpha
   * @param {{width: number, height: number}} photo
   */
  constructor(width, height, alpha, photo) {
    this.width = width;
    this.height = height;
    this.alpha = alpha;
    this.scale = photo.width / width;
    this.outline = outlineOf(this);
  }

  /**
   * Return whether a point of the photo is on it.
   * @param {Point} p
   */
  has(p) {
    const [column, row] = [Math.floor((p.x + 0.5) / this.scale), Math.floor((p.y + 0.5) / this.scale)];
    return (
      column >= 0 &&
      row >= 0 &&
      column < this.width &&
      row < this.height &&
      this.alpha[row * this.width + column] > LEVEL
    );
  }

  /**
   * Return the point on it that is nearest to a point, well inside where there is room.
   * @param {Point} p
   */
  nearest(p) {
    const { width, height, alpha, scale } = this;
    let [best, column, row] = [Infinity, 0, 0];
    for (let j = 0; j < height; j++) {
      for (let i = 0; i < width; i++) {
        if (alpha[j * width + i] <= LEVEL) continue;
        const off = (i - p.x / scale) ** 2 + (j - p.y / scale) ** 2;
        if (off < best) [best, column, row] = [off, i, j];
      }
    }
    return { x: (column + 0.5) * scale - 0.5, y: (row + 0.5) * scale - 0.5 };
  }
}

/** Loads masks, each once. */
export class Masks {
  /** @param {() => void} onload */
  constructor(onload) {
    this.onload = onload;
    /** @type {Map<string, Mask | null>} by address; null: it is on its way */
    this.known = new Map();
    /** @type {Map<string, Mask>} by the layer's address: what is shown until a newer one is there */
    this.latest = new Map();
  }

  /**
   * Return a layer's mask; until that is there, and is told, the one before it, or null.
   * @param {Layer} layer
   * @param {{width: number, height: number}} photo
   */
  of(layer, photo) {
    const address = layer.mask;
    const before = this.latest.get(address.split("?")[0]) ?? null;
    const found = this.known.get(address);
    if (found !== undefined) return found ?? before;
    this.known.set(address, null);
    for (const old of [...this.known.keys()].slice(0, -KEPT)) this.known.delete(old);
    this.#load(address, photo);
    return before;
  }

  /**
   * @param {string} address
   * @param {{width: number, height: number}} photo
   */
  async #load(address, photo) {
    const image = new Image();
    image.src = address;
    try {
      await image.decode();
    } catch {
      this.known.delete(address);
      return; // the layer is gone: its mask is asked for no more
    }
    const scale = Math.min(1, SIDE / Math.max(image.naturalWidth, image.naturalHeight));
    const width = Math.max(1, Math.round(image.naturalWidth * scale));
    const height = Math.max(1, Math.round(image.naturalHeight * scale));
    const canvas = new OffscreenCanvas(width, height);
    const context = /** @type {OffscreenCanvasRenderingContext2D} */ (
      canvas.getContext("2d", { willReadFrequently: true })
    );
    context.drawImage(image, 0, 0, width, height);
    const { data } = context.getImageData(0, 0, width, height);
    const alpha = new Uint8ClampedArray(width * height);
    for (let i = 0; i < alpha.length; i++) alpha[i] = data[4 * i + 3];
    const mask = new Mask(width, height, alpha, photo);
    this.known.set(address, mask);
    this.latest.set(address.split("?")[0], mask);
    this.onload();
  }
}

/**
 * Return what draws the line around a mask, in pixels of the photo.
 *
 * Source: marching squares, Lorensen and Cline 1987 in two dimensions; the line is interpolated between the pixels.
 * @param {Mask} mask
 */
function outlineOf(mask) {
  const { width, height, alpha, scale } = mask;
  const at = (/** @type {number} */ i, /** @type {number} */ j) =>
    i < 0 || j < 0 || i >= width || j >= height ? 0 : alpha[j * width + i];
  /** @type {Map<string, [number, number, string]>} from each edge of the grid: where it is crossed, and the next edge */
  const next = new Map();
  for (let j = -1; j < height; j++) {
    for (let i = -1; i < width; i++) {
      const corners = [at(i, j), at(i + 1, j), at(i + 1, j + 1), at(i, j + 1)];
      const code = corners.reduce((sum, value, k) => sum | (value > LEVEL ? 1 << k : 0), 0);
      for (const [from, to] of CROSSED[code]) {
        const [x, y] = crossing(i, j, from, corners);
        next.set(edgeOf(i, j, from), [(x + 0.5) * scale - 0.5, (y + 0.5) * scale - 0.5, edgeOf(i, j, to)]);
      }
    }
  }
  const pieces = [];
  for (const start of next.keys()) {
    let piece = "";
    for (let edge = start, found = next.get(edge); found; edge = found[2], found = next.get(edge)) {
      next.delete(edge);
      piece += `${piece ? "L" : "M"}${found[0].toFixed(1)} ${found[1].toFixed(1)}`;
    }
    if (piece) pieces.push(`${piece}Z`);
  }
  return pieces.join("");
}

// Sides of a cell: 0 above, 1 right, 2 below, 3 left; corners go the same way round from the upper left. The line has
// what is inside on its left, so that the pieces of neighbouring cells join.
/** @type {[number, number][][]} */
const CROSSED = [
  [], [[3, 0]], [[0, 1]], [[3, 1]], [[1, 2]], [[3, 0], [1, 2]], [[0, 2]], [[3, 2]],
  [[2, 3]], [[2, 0]], [[0, 1], [2, 3]], [[2, 1]], [[1, 3]], [[1, 0]], [[0, 3]], [],
]; // prettier-ignore

/**
 * @param {number} i
 * @param {number} j
 * @param {number} side
 */
function edgeOf(i, j, side) {
  if (side === 0) return `h${i},${j}`;
  if (side === 2) return `h${i},${j + 1}`;
  return side === 3 ? `v${i},${j}` : `v${i + 1},${j}`;
}

/**
 * @param {number} i
 * @param {number} j
 * @param {number} side
 * @param {number[]} corners
 */
function crossing(i, j, side, corners) {
  const [a, b] = [corners[side], corners[(side + 1) % 4]];
  const u = (LEVEL - a) / (b - a);
  if (side === 0) return [i + u, j];
  if (side === 1) return [i + 1, j + u];
  return side === 2 ? [i + 1 - u, j + 1] : [i, j + 1 - u];
}
