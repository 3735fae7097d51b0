// Drag and release: a pictured object as damped oscillators, which a hand can pull and let go.
//
// The same as photoflow.motion.Simulation, where the equations and their source are told; every step is exact.

import { floatsOf, shapesOf } from "photoflow/modes.js";
import { eigen, exponential, nullSpace } from "photoflow/matrices.js";

const HOLDABLE = 1e-2; // least mobility of a node that can be held; the most mobile ones have 1
const LOCAL = 1 / 16; // mobility that the patch around a held node adds there
const NEIGHBOURHOOD = 0.75; // radius of this patch, in lengths of the object
const VISIBLE = 0.01; // steps of the mesh: smaller motion is not drawn

/**
 * @typedef {object} PullDocument
 * @property {number} count
 * @property {number[]} omega
 * @property {number[]} scales
 * @property {string} shapes
 * @property {string} mobility
 * @property {number} extent
 * @property {number} alpha
 * @property {number} beta
 * @property {number} grip
 */

/**
 * @typedef {object} Mode
 * @property {Float32Array} shape of all nodes to the right, then of all nodes down
 * @property {number} omega
 * @property {number} peak
 * @property {number} u its coordinate
 * @property {number} v the velocity of that
 */

/** A simulation on the nodes of a mesh; all lengths are steps of the mesh. */
export class Simulation {
  /**
   * @param {PullDocument} document
   * @param {number} columns
   * @param {number} rows
   */
  constructor(document, columns, rows) {
    this.columns = columns;
    this.rows = rows;
    this.mobility = floatsOf(document.mobility);
    this.extent = document.extent;
    this.alpha = document.alpha;
    this.beta = document.beta;
    this.grip = document.grip;
    /** @type {Mode[]} */
    this.modes = shapesOf(document).map((shape, j) => mode(shape, document.omega[j]));
    /** @type {Mode[]} */
    this.patches = [];
    /** @type {Hold | null} */
    this.hold = null;
    this.hand = [0, 0, 0, 0]; // displacement to the right and down, and their velocities
    this.target = [0, 0];
  }

  /**
   * Return whether a node, or a place between nodes, can be held.
   * @param {number} x
   * @param {number} y
   */
  canHold(x, y) {
    return sampled(this.mobility, 0, this.columns, this.rows, x, y) >= HOLDABLE;
  }

  /**
   * Hold a place of the mesh and pull it to (dx, dy) from where it rests.
   * @param {number} x
   * @param {number} y
   * @param {number} dx
   * @param {number} dy
   */
  drag(x, y, dx, dy) {
    if (!this.hold || this.hold.x !== x || this.hold.y !== y) {
      if (!this.canHold(x, y)) throw new Error(`drag: nothing moves at ${x}, ${y}`);
      this.#takeHold(x, y);
    }
    this.target = [dx, dy];
  }

  /** Let go: the object swings on from its present position and velocity. */
  release() {
    this.hold = null;
  }

  /**
   * Advance by so many seconds, exactly: one long step equals many short ones.
   * @param {number} dt
   */
  step(dt) {
    if (this.hold) {
      const aim = this.target;
      const away = [this.hand[0] - aim[0], this.hand[1] - aim[1], this.hand[2], this.hand[3]];
      this.hold.step(dt, this.#all(), this.hand, away, aim);
      return;
    }
    for (const one of this.#all()) {
      const square = one.omega * one.omega;
      const next = exponential([0, 1, -square, -(this.alpha + this.beta * square)], 2, dt);
      [one.u, one.v] = [next[0] * one.u + next[1] * one.v, next[2] * one.u + next[3] * one.v];
    }
  }

  /**
   * Add the displacements of all nodes, times a factor, to `out`.
   * @param {Float32Array} out
   * @param {number} factor
   */
  addTo(out, factor) {
    for (const { shape, u } of this.#all()) {
      const amount = factor * u;
      for (let i = 0; i < shape.length; i++) out[i] += amount * shape[i];
    }
  }

  /** Return whether nothing moves that could be seen. */
  get rests() {
    return !this.hold && this.#all().every((one) => !seen(one));
  }

  /** Bring everything back to where it rests. */
  reset() {
    this.release();
    this.patches = [];
    for (const one of this.modes) one.u = one.v = 0;
  }

  #all() {
    return [...this.patches, ...this.modes];
  }

  /**
   * Hold a place with its present displacement and velocity, so that nothing jumps.
   * @param {number} x
   * @param {number} y
   */
  #takeHold(x, y) {
    const patch = this.#patch(x, y);
    // Patches of earlier holds stay until they are at rest. Each is two modes.
    const kept = this.patches.filter((_, i, all) => seen(all[i - (i % 2)]) || seen(all[i - (i % 2) + 1]));
    this.patches = [...patch, ...kept];
    const all = this.#all();
    const atPoint = this.#at(all, x, y);
    this.hand = [0, 1].flatMap((axis) => sum(all.map((one, j) => one.u * atPoint[axis][j])));
    this.hand.push(...[0, 1].map((axis) => sum(all.map((one, j) => one.v * atPoint[axis][j]))));
    this.hold = new Hold(x, y, atPoint, all.map((one) => one.omega), this.alpha, this.beta, this.grip);
  }

  /**
   * Return the displacement of a place by each mode, to the right and down.
   * @param {Mode[]} modes
   * @param {number} x
   * @param {number} y
   * @returns {[number[], number[]]}
   */
  #at(modes, x, y) {
    const size = this.columns * this.rows;
    const along = (/** @type {number} */ from) =>
      modes.map((one) => sampled(one.shape, from, this.columns, this.rows, x, y));
    return [along(0), along(size)];
  }

  /**
   * Build two more modes that move the neighbourhood of a place to the right and down. They stand for the faster modes
   * that are missing, and limit the effect of a hold on distant parts.
   * @param {number} x
   * @param {number} y
   * @returns {Mode[]}
   */
  #patch(x, y) {
    const { columns, rows, modes } = this;
    const size = columns * rows;
    const atPoint = this.#at(modes, x, y);
    const yielding = atPoint.map((row) => row.map((value, j) => value / modes[j].omega ** 2));
    const total = sum(yielding.flatMap((row, axis) => row.map((value, j) => value * atPoint[axis][j])));
    const along = new Float32Array(size);
    modes.forEach(({ shape }, j) => {
      const right = yielding[0][j] / total;
      const down = yielding[1][j] / total;
      for (let i = 0; i < size; i++) along[i] += right * shape[i] + down * shape[size + i];
    });
    const omega = Math.max(...modes.map((one) => one.omega));
    const radius = Math.max(4, NEIGHBOURHOOD * this.extent);
    const shapes = [new Float32Array(2 * size), new Float32Array(2 * size)];
    for (let i = 0; i < size; i++) {
      const square = ((i % columns) - x) ** 2 + (Math.floor(i / columns) - y) ** 2;
      const near = Math.max(1 - square / radius ** 2, 0) ** 2;
      const value = omega * Math.sqrt(LOCAL) * Math.min(Math.max(along[i], 0), 1) * near;
      shapes[0][i] = value;
      shapes[1][size + i] = value;
    }
    return shapes.map((shape) => mode(shape, omega));
  }
}

/** The oscillators while a place is held: the remaining free motion has modes of its own. */
class Hold {
  /**
   * @param {number} x
   * @param {number} y
   * @param {[number[], number[]]} atPoint displacement of the place by each mode
   * @param {number[]} omega of the modes
   * @param {number} alpha
   * @param {number} beta
   * @param {number} grip
   */
  constructor(x, y, atPoint, omega, alpha, beta, grip) {
    this.x = x;
    this.y = y;
    const yielding = atPoint.map((row) => row.map((value, j) => value / omega[j] ** 2));
    const dot = (/** @type {number} */ a, /** @type {number} */ b) => sum(atPoint[a].map((v, j) => v * yielding[b][j]));
    const [xx, xy, yx, yy] = [dot(0, 0), dot(0, 1), dot(1, 0), dot(1, 1)];
    const area = xx * yy - xy * yx;
    /** Rest position of each mode per step of the hand to the right, and down. */
    this.still = omega.map((_, j) => [
      (yielding[0][j] * yy - yielding[1][j] * yx) / area,
      (yielding[1][j] * xx - yielding[0][j] * xy) / area,
    ]);
    const free = nullSpace(atPoint);
    const stiff = free.map((a) => free.map((b) => sum(omega.map((w, j) => a[j] * w * w * b[j]))));
    const { values, vectors } = eigen(stiff);
    /** Swings that do not move the held place, each as amounts of the modes. */
    this.basis = vectors.map((turn) => omega.map((_, j) => sum(turn.map((part, i) => part * free[i][j]))));
    this.inertia = this.basis.map((row) => [0, 1].map((axis) => sum(row.map((part, j) => part * this.still[j][axis]))));
    const stiffness = grip ** -2;
    this.handRates = [0, 1, -stiffness, -2 / grip];
    // The hand's motion d'' = -d / grip^2 - 2 d' / grip, with d measured from its target, drives the swings.
    this.swingRates = values.map((value) => [
      0, 1, 0, 0,
      -value, -(alpha + beta * value), stiffness, 2 / grip - alpha,
      0, 0, 0, 1,
      0, 0, -stiffness, -2 / grip,
    ]); // prettier-ignore
  }

  /**
   * Advance the modes and the hand, in place.
   * @param {number} dt
   * @param {Mode[]} modes
   * @param {number[]} hand displacement and velocity
   * @param {number[]} away the same, measured from the target
   * @param {number[]} target
   */
  step(dt, modes, hand, away, target) {
    const rest = (/** @type {number} */ j, /** @type {number} */ first) =>
      this.still[j][0] * hand[first] + this.still[j][1] * hand[first + 1];
    const swings = this.basis.map((row, i) => {
      const [right, down] = this.inertia[i];
      const state = [
        sum(row.map((part, j) => part * (modes[j].u - rest(j, 0)))),
        sum(row.map((part, j) => part * (modes[j].v - rest(j, 2)))),
        right * away[0] + down * away[1],
        right * away[2] + down * away[3],
      ];
      const next = exponential(this.swingRates[i], 4, dt);
      return [0, 1].map((line) => sum(state.map((value, k) => next[4 * line + k] * value)));
    });
    const moved = exponential(this.handRates, 2, dt);
    for (const axis of [0, 1]) {
      hand[axis] = moved[0] * away[axis] + moved[1] * away[axis + 2] + target[axis];
      hand[axis + 2] = moved[2] * away[axis] + moved[3] * away[axis + 2];
    }
    modes.forEach((one, j) => {
      one.u = rest(j, 0) + sum(swings.map((swing, i) => swing[0] * this.basis[i][j]));
      one.v = rest(j, 2) + sum(swings.map((swing, i) => swing[1] * this.basis[i][j]));
    });
  }
}

/**
 * Return a mode at rest.
 * @param {Float32Array} shape
 * @param {number} omega
 * @returns {Mode}
 */
function mode(shape, omega) {
  let peak = 0;
  for (const value of shape) peak = Math.max(peak, Math.abs(value));
  return { shape, omega, peak, u: 0, v: 0 };
}

/**
 * Return whether a mode moves visibly.
 * @param {Mode} one
 */
function seen(one) {
  return one.peak * Math.abs(one.u) >= VISIBLE || one.peak * Math.abs(one.v) >= VISIBLE * one.omega;
}

/**
 * Return a value between the nodes of a mesh.
 * @param {Float32Array} values
 * @param {number} from where the values of the nodes begin
 * @param {number} columns
 * @param {number} rows
 * @param {number} x
 * @param {number} y
 */
export function sampled(values, from, columns, rows, x, y) {
  const left = Math.min(Math.max(Math.floor(x), 0), Math.max(columns - 2, 0));
  const top = Math.min(Math.max(Math.floor(y), 0), Math.max(rows - 2, 0));
  const right = Math.min(left + 1, columns - 1);
  const below = Math.min(top + 1, rows - 1);
  const u = Math.min(Math.max(x - left, 0), 1);
  const v = Math.min(Math.max(y - top, 0), 1);
  const at = (/** @type {number} */ column, /** @type {number} */ row) => values[from + row * columns + column];
  return (1 - v) * ((1 - u) * at(left, top) + u * at(right, top)) + v * ((1 - u) * at(left, below) + u * at(right, below));
}

/**
 * Return the sum of numbers.
 * @param {number[]} values
 */
function sum(values) {
  let total = 0;
  for (const value of values) total += value;
  return total;
}
