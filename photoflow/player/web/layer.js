/**
 * The layers of a moving picture: where their nodes are at a moment, and what of them is under a hand.
 *
 * Positions are pixels of the picture; arrays of nodes have all x first, then all y.
 *
 * @typedef {import("photoflow/modes.js").ModesDocument} ModesDocument
 * @typedef {{columns: number, rows: number, values: string}} OrderDocument
 * @typedef {{name: string, image: string, opacity: string | null, box: number[], step: number, columns: number,
 *   rows: number, nearness: string | null, moves: ModesDocument | null,
 *   passes: {reads: ModesDocument | null, weights: string}[] | null, order: OrderDocument | null,
 *   pull: import("photoflow/pull.js").PullDocument | null}} LayerDocument
 * @typedef {{version: number, width: number, height: number, seconds: number, loop: boolean,
 *   images: {[name: string]: string}, layers: LayerDocument[]}} PictureDocument
 */

import { Modes, bytes, floats } from "photoflow/modes.js";
import { HOLDABLE, Simulation, sampled } from "photoflow/pull.js";

const FREE = 0.7; // of the most that it bears: as far as that, what is pulled follows the hand

/** One look of a region at its image: where each node looks, from its own place, and with what weight. */
export class Pass {
  /**
   * @param {{reads: ModesDocument | null, weights: string}} document
   * @param {import("photoflow/modes.js").Clock} clock
   * @param {number} nodes
   */
  constructor(document, clock, nodes) {
    this.modes = document.reads && new Modes(document.reads, clock, false);
    this.weights = floats(document.weights);
    this.reads = new Float32Array(2 * nodes);
    this.weight = 1;
  }
}

/** A layer at the moment of its last update. */
export class Layer {
  /**
   * @param {LayerDocument} document
   * @param {import("photoflow/modes.js").Clock} clock
   */
  constructor(document, clock) {
    const { rows, columns } = document;
    const nodes = rows * columns;
    this.document = document;
    this.clock = clock;
    this.name = document.name;
    this.rows = rows;
    this.columns = columns;
    this.step = document.step;
    this.moves = document.moves && new Modes(document.moves, clock, true);
    this.passes = (document.passes ?? []).map((pass) => new Pass(pass, clock, nodes));
    this.nearness = document.nearness === null ? null : new Uint8Array(bytes(document.nearness));
    this.order = document.order && floats(document.order.values);
    this.pull = document.pull && new Simulation(document.pull, rows, columns);
    this.rest = rested(document);
    this.shift = new Float32Array(2 * nodes); // of each node from its rest, pixels
    this.revision = 0; // of all that an update changes
    this.time = NaN;
    this.swinging = false; // at the last update
    /** @type {{column: number, row: number, x: number, y: number} | null} a point of the mesh, and where it is to go */
    this.held = null;
  }

  /** Whether it is another picture at another time. */
  get plays() {
    return this.moves !== null || this.passes.some((pass) => pass.modes !== null);
  }

  /**
   * Move the nodes to where they are at a moment, and let what is pulled or swings do so for a while.
   *
   * @param {number} t seconds.
   * @param {number} dt seconds since the last update.
   */
  update(t, dt) {
    const { pull } = this;
    const swings = pull !== null && !pull.rests;
    if (!swings && !this.swinging && (t === this.time || !this.plays) && this.revision > 0) return;
    if (this.moves) this.moves.write(t, this.shift);
    else this.shift.fill(0);
    if (swings) {
      if (this.held) this.#aim(this.held, pull);
      pull.step(dt);
      pull.addTo(this.shift, this.step);
    }
    for (const pass of this.passes) {
      if (t !== this.time) pass.modes?.write(t, pass.reads);
      pass.weight = this.clock.between(pass.weights, t);
    }
    this.time = t;
    this.swinging = swings;
    this.revision++;
  }

  /**
   * Hold a point of the mesh where it is.
   *
   * @param {number} column
   * @param {number} row
   * @param {number} x where it is seen, pixels of the picture.
   * @param {number} y
   */
  hold(column, row, x, y) {
    const [dx, dy] = this.pull?.displacementAt(column, row) ?? [0, 0];
    this.pull?.drag(column, row, dx, dy);
    this.held = { column, row, x, y };
  }

  /**
   * Let go, and return by how much the held point is displaced, pixels.
   *
   * @returns {[number, number]}
   */
  release() {
    const [dx, dy] = this.pull?.hand[0] ?? [0, 0];
    this.pull?.release();
    this.held = null;
    return [dx * this.step, dy * this.step];
  }

  /**
   * Return where a node is.
   *
   * @param {number} node
   * @returns {[number, number]}
   */
  at(node) {
    const nodes = this.rows * this.columns;
    return [this.rest[node] + this.shift[node], this.rest[nodes + node] + this.shift[nodes + node]];
  }

  /**
   * Return the point of the mesh, in columns and rows, that is seen at a place; the one that is drawn last.
   *
   * @param {number} x pixels of the picture.
   * @param {number} y
   * @returns {[number, number] | null}
   */
  under(x, y) {
    for (let row = this.rows - 2; row >= 0; row--) {
      for (let column = this.columns - 2; column >= 0; column--) {
        const corner = row * this.columns + column;
        if (!this.#near(corner, x, y)) continue;
        const a = this.at(corner);
        const b = this.at(corner + 1);
        const c = this.at(corner + this.columns);
        const d = this.at(corner + this.columns + 1);
        const low = inside(d, c, b, x, y);
        if (low) return [column + 1 - low[0], row + 1 - low[1]];
        const high = inside(a, b, c, x, y);
        if (high) return [column + high[0], row + high[1]];
      }
    }
    return null;
  }

  /**
   * Return where a point of the mesh rests, pixels of the picture.
   *
   * @param {number} column fractions are allowed.
   * @param {number} row
   * @returns {[number, number]}
   */
  resting(column, row) {
    return [this.document.box[0] + column * this.step, this.document.box[1] + row * this.step];
  }

  /**
   * Return the nodes that can be held, the most mobile first.
   */
  mobile() {
    const { pull } = this;
    if (!pull) return [];
    const nodes = [...pull.mobility.keys()].filter((i) => pull.mobility[i] >= HOLDABLE);
    return nodes.sort((a, b) => pull.mobility[b] - pull.mobility[a]);
  }

  /**
   * Pull the held point to where it is to go, while the layer's own motion alone has been written.
   *
   * @param {{column: number, row: number, x: number, y: number}} held
   * @param {Simulation} pull
   */
  #aim({ column, row, x, y }, pull) {
    const nodes = this.rows * this.columns;
    const [left, top] = this.resting(column, row);
    const [across, down] = [this.shift.subarray(0, nodes), this.shift.subarray(nodes)].map((part) =>
      sampled(part, this.rows, this.columns, column, row));
    const [dx, dy] = [(x - left - across) / this.step, (y - top - down) / this.step];
    const far = Math.hypot(dx, dy);
    const less = far > 0 ? yielding(far, pull.bears(dx / far, dy / far)) / far : 1;
    pull.drag(column, row, dx * less, dy * less);
  }

  /**
   * Return whether a place may be in a cell, by the box of its corners.
   *
   * @param {number} corner
   * @param {number} x
   * @param {number} y
   */
  #near(corner, x, y) {
    const nodes = this.rows * this.columns;
    let [left, right, top, bottom] = [Infinity, -Infinity, Infinity, -Infinity];
    for (let i = 0; i < 4; i++) {
      const node = corner + (i & 1) + (i >> 1) * this.columns;
      const px = this.rest[node] + this.shift[node];
      const py = this.rest[nodes + node] + this.shift[nodes + node];
      if (px < left) left = px;
      if (px > right) right = px;
      if (py < top) top = py;
      if (py > bottom) bottom = py;
    }
    return x >= left && x <= right && y >= top && y <= bottom;
  }
}

/**
 * Return how far a pull goes: as far as the hand at first, then ever less, and never farther than the most.
 *
 * @param {number} far of the hand.
 * @param {number} most
 */
function yielding(far, most) {
  const free = FREE * most;
  return far <= free ? far : free + (most - free) * Math.tanh((far - free) / (most - free));
}

/**
 * Return where nodes rest. The outer ones go to the edge of the image's outer pixels, half a pixel beyond their centres.
 *
 * @param {LayerDocument} layer
 */
function rested({ box: [left, top, width, height], step, columns, rows }) {
  const rest = new Float32Array(2 * columns * rows);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const i = row * columns + column;
      rest[i] = left + spread(column, columns, step, width);
      rest[columns * rows + i] = top + spread(row, rows, step, height);
    }
  }
  return rest;
}

/**
 * @param {number} i
 * @param {number} count
 * @param {number} step
 * @param {number} side
 */
function spread(i, count, step, side) {
  if (i === 0) return -0.5;
  return i === count - 1 ? Math.max(i * step, side - 0.5) : i * step;
}

/**
 * Return the shares (b, c) of a place in a triangle a, b, c; null where it is outside.
 *
 * @param {number[]} a
 * @param {number[]} b
 * @param {number[]} c
 * @param {number} x
 * @param {number} y
 * @returns {[number, number] | null}
 */
function inside(a, b, c, x, y) {
  const [bx, by, cx, cy] = [b[0] - a[0], b[1] - a[1], c[0] - a[0], c[1] - a[1]];
  const area = bx * cy - by * cx;
  if (area === 0) return null;
  const first = ((x - a[0]) * cy - (y - a[1]) * cx) / area;
  const second = (bx * (y - a[1]) - by * (x - a[0])) / area;
  return first >= 0 && second >= 0 && first + second <= 1 ? [first, second] : null;
}
