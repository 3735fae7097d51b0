/**
 * Drag and release: the pictured object as damped oscillators, which a hand can pull and let go.
 *
 * It is what `photoflow.motion.Simulation` computes, and `photoflow/motion/simulation.py` tells the equations: every
 * mode has a coordinate u_j of mass 1,
 *
 *     F(p) = sum_j P_j(p) u_j,    u_j'' + (alpha + beta w_j^2) u_j' + w_j^2 u_j = P_j(held node) . force.
 *
 * Lengths are steps of the mesh. States have two rows: values, and their velocities.
 *
 * @typedef {import("photoflow/modes.js").ShapesDocument & {omega: number[], mobility: string, extent: number,
 *   alpha: number, beta: number, grip: number}} PullDocument
 */

import { add, floats, peak, unpacked } from "photoflow/modes.js";
import { Linear, across, eigen } from "photoflow/linear.js";

export const HOLDABLE = 1e-2; // least mobility of a point that can be held
const LOCAL = 1 / 16; // mobility that the patch around a held point adds there
const NEIGHBOURHOOD = 0.75; // radius of this patch, in lengths of the object
const LEAST_RADIUS = 4; // of it, steps
const BEARABLE = 1; // difference of two nodes' displacements, in their distance: from here on they may fold
const FEW = 0.98; // share of the nodes of which that is true
const VISIBLE = 0.01; // steps: smaller motion is not drawn

export class Simulation {
  /**
   * @param {PullDocument} pull
   * @param {number} rows of the mesh.
   * @param {number} columns of the mesh.
   */
  constructor(pull, rows, columns) {
    this.rows = rows;
    this.columns = columns;
    this.alpha = pull.alpha;
    this.beta = pull.beta;
    this.grip = pull.grip;
    this.extent = pull.extent;
    this.mobility = floats(pull.mobility);
    this.shapes = unpacked(pull);
    this.peaks = this.shapes.map(peak);
    this.omega = Float64Array.from(pull.omega);
    this.patches = 0; // their shapes, two each, come before those of the object
    /** @type {Float64Array[]} */
    this.state = zeros(this.omega.length);
    this.free = this.#oscillators();
    /** @type {Hold | null} */
    this.hold = null;
    /** @type {Float64Array[]} the held point's displacement in x and y, and its velocity */
    this.hand = zeros(2);
    this.target = [0, 0];
  }

  /** Whether nothing moves that can be seen, and no hand holds anything. */
  get rests() {
    return !this.hold && this.peaks.every((_, j) => !this.#moves(j));
  }

  /**
   * Return how easily a point moves; 1 = as the most mobile ones do.
   *
   * @param {number} x column, fractions are allowed.
   * @param {number} y row.
   */
  mobilityAt(x, y) {
    return sampled(this.mobility, this.rows, this.columns, x, y);
  }

  /**
   * Hold a point and pull it to (dx, dy) from where it rests. Another point than before: that one is let go.
   *
   * @param {number} x column, 0 to columns - 1; fractions are allowed.
   * @param {number} y row.
   * @param {number} dx steps to the right.
   * @param {number} dy steps down.
   */
  drag(x, y, dx, dy) {
    if (!(x >= 0 && x <= this.columns - 1 && y >= 0 && y <= this.rows - 1)) {
      throw new RangeError(`drag: expected a point within ${this.columns}x${this.rows} nodes, got ${x},${y}`);
    }
    if (this.hold?.x !== x || this.hold.y !== y) {
      if (this.mobilityAt(x, y) < HOLDABLE) {
        throw new RangeError(`drag: nothing moves at ${x},${y}; expected a point on what moves`);
      }
      this.#take(x, y);
    }
    this.target = [dx, dy];
  }

  /** Let go: the object swings on from where it is. */
  release() {
    this.hold = null;
  }

  /**
   * Advance by some seconds, exactly: one long step equals many short ones.
   *
   * @param {number} dt
   */
  step(dt) {
    if (!this.hold) {
      this.state = this.free.after(dt, this.state);
      return;
    }
    const { hold, target } = this;
    const away = [this.hand[0].map((value, axis) => value - target[axis]), this.hand[1]];
    const swings = [...hold.relative(this.state, this.hand), ...away.map((row) => hold.driven(row))];
    this.hand = hold.hand.after(dt, away);
    this.hand[0].forEach((value, axis) => (this.hand[0][axis] = value + target[axis]));
    this.state = hold.absolute(hold.swings.after(dt, swings), this.hand);
  }

  /**
   * Add the present displacement of every node to an array: all x, then all y.
   *
   * @param {Float32Array} out
   * @param {number} scale pixels a step, or so.
   */
  addTo(out, scale) {
    // Shapes are sorted by frequency, and fast ones die away first: those that move nothing visibly are left out.
    let left = 0;
    let count = this.shapes.length;
    while (count > 0 && left + this.peaks[count - 1] * Math.abs(this.state[0][count - 1]) < VISIBLE) {
      left += this.peaks[count - 1] * Math.abs(this.state[0][count - 1]);
      count--;
    }
    for (let j = 0; j < count; j++) add(out, this.shapes[j], scale * this.state[0][j]);
  }

  /**
   * Return the present displacement of a point, steps.
   *
   * @param {number} x column.
   * @param {number} y row.
   */
  displacementAt(x, y) {
    return this.#at(x, y).map((along) => along.reduce((sum, value, j) => sum + value * this.state[0][j], 0));
  }

  /**
   * Return how far the held point can be pulled in a direction before the object around it folds, steps.
   *
   * @param {number} x of the direction, whose length is 1.
   * @param {number} y
   */
  bears(x, y) {
    const { hold } = this;
    if (!hold) return 0;
    hold.strains ??= hold.static.map((amounts) => this.#strain(amounts));
    return BEARABLE / Math.max(Math.abs(x) * hold.strains[0] + Math.abs(y) * hold.strains[1], 1e-6);
  }

  /**
   * Return by how much a displacement differs from node to node, where it differs most of what moves.
   *
   * @param {Float64Array} amounts of the shapes.
   */
  #strain(amounts) {
    const { rows, columns } = this;
    const field = new Float32Array(2 * rows * columns);
    this.shapes.forEach((shape, j) => add(field, shape, amounts[j]));
    const strains = [];
    for (let row = 0; row < rows - 1; row++) {
      for (let column = 0; column < columns - 1; column++) {
        const i = row * columns + column;
        if (this.mobility[i] < HOLDABLE) continue;
        let sum = 0;
        for (const k of [i, i + rows * columns]) {
          sum += (field[k + 1] - field[k]) ** 2 + (field[k + columns] - field[k]) ** 2;
        }
        strains.push(Math.sqrt(sum));
      }
    }
    return strains.sort((a, b) => a - b)[Math.floor(FEW * (strains.length - 1))] ?? 0;
  }

  /** @param {number} j a shape. */
  #moves(j) {
    const [place, velocity] = this.state;
    return this.peaks[j] * Math.max(Math.abs(place[j]), Math.abs(velocity[j]) / this.omega[j]) >= VISIBLE;
  }

  #oscillators() {
    const stiffness = this.omega.map((rate) => rate ** 2);
    return Linear.oscillators(stiffness, stiffness.map((one) => this.alpha + this.beta * one));
  }

  /**
   * Hold a point with its present displacement and velocity, so that nothing jumps.
   *
   * @param {number} x
   * @param {number} y
   */
  #take(x, y) {
    const first = 2 * this.patches;
    // Patches of earlier holds stay until they are at rest.
    const moves = (/** @type {number} */ pair) => this.#moves(pair) || this.#moves(pair + 1);
    const kept = [...this.omega.keys()].filter((j) => j >= first || moves(j - (j % 2)));
    const patch = this.#patch(x, y);
    const highest = this.omega.reduce((most, rate) => Math.max(most, rate), 0);
    const size = Math.max(peak(patch[0]), peak(patch[1]));
    this.patches = 1 + kept.filter((j) => j < first).length / 2;
    this.shapes = [...patch, ...kept.map((j) => this.shapes[j])];
    this.peaks = [size, size, ...kept.map((j) => this.peaks[j])];
    this.omega = Float64Array.from([highest, highest, ...kept.map((j) => this.omega[j])]);
    this.state = this.state.map((row) => Float64Array.from([0, 0, ...kept.map((j) => row[j])]));
    this.free = this.#oscillators();
    const along = this.#at(x, y);
    this.hand = this.state.map((row) => Float64Array.from(along, (one) => dot(one, row)));
    this.hold = new Hold(x, y, along, this.omega, this);
  }

  /**
   * Return the displacement of a point by each mode, in x and in y.
   *
   * @param {number} x
   * @param {number} y
   * @returns {Float64Array[]}
   */
  #at(x, y) {
    const nodes = this.rows * this.columns;
    return [0, 1].map((axis) => Float64Array.from(this.shapes, (shape) =>
      sampled(shape.subarray(axis * nodes, (axis + 1) * nodes), this.rows, this.columns, x, y)));
  }

  /**
   * Return two more shapes, which move the neighbourhood of a point in x and in y.
   *
   * They stand for the faster modes that there are none of, and limit the effect of a hold on distant parts.
   *
   * @param {number} x
   * @param {number} y
   */
  #patch(x, y) {
    const { rows, columns } = this;
    const first = 2 * this.patches;
    const shapes = this.shapes.slice(first);
    const omega = this.omega.subarray(first);
    const along = this.#at(x, y).map((row) => row.subarray(first));
    const yielding = along.map((row) => row.map((value, j) => value / omega[j] ** 2));
    const whole = dot(yielding[0], along[0]) + dot(yielding[1], along[1]);
    // How far each node goes when the object's own modes alone move the held one by a step: not at all at a foot.
    const yields = new Float32Array(rows * columns);
    shapes.forEach((shape, j) => {
      for (let i = 0; i < yields.length; i++) {
        yields[i] += (yielding[0][j] * shape[i] + yielding[1][j] * shape[yields.length + i]) / whole;
      }
    });
    const radius = Math.max(LEAST_RADIUS, NEIGHBOURHOOD * this.extent);
    const scale = omega.reduce((most, rate) => Math.max(most, rate), 0) * Math.sqrt(LOCAL);
    const patch = [0, 1].map(() => new Float32Array(2 * rows * columns));
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        const near = Math.max(1 - ((row - y) ** 2 + (column - x) ** 2) / radius ** 2, 0) ** 2;
        const i = row * columns + column;
        const value = scale * Math.min(Math.max(yields[i], 0), 1) * near;
        patch[0][i] = value;
        patch[1][rows * columns + i] = value;
      }
    }
    return patch;
  }
}

/**
 * The oscillators while a point is held: the free motion that remains has modes of its own.
 *
 * With the held point's displacement d given, the coordinates are u = static d + basis z: the place of rest of least
 * elastic energy, plus swings z that do not move the held point, z'' + (alpha + beta l) z' + l z = -inertia (d'' +
 * alpha d').
 */
class Hold {
  /**
   * @param {number} x of the point.
   * @param {number} y of the point.
   * @param {Float64Array[]} along displacement of the point by each mode, in x and in y.
   * @param {Float64Array} omega angular frequency of each mode.
   * @param {{alpha: number, beta: number, grip: number}} rates
   */
  constructor(x, y, along, omega, { alpha, beta, grip }) {
    this.x = x;
    this.y = y;
    const yielding = along.map((row) => row.map((value, j) => value / omega[j] ** 2));
    const [[xx, xy], [yx, yy]] = along.map((row) => yielding.map((other) => dot(row, other)));
    const inverse = [[yy, -xy], [-yx, xx]].map((row) => row.map((value) => value / (xx * yy - xy * yx)));
    this.static = [0, 1].map((a) =>
      omega.map((_, j) => yielding[0][j] * inverse[0][a] + yielding[1][j] * inverse[1][a]));
    const { basis, stiffness } = swings(along, omega);
    this.basis = basis; // a swing in each
    this.inertia = this.static.map((row) => Float64Array.from(basis, (swing) => dot(swing, row)));
    this.hand = Linear.oscillators([grip ** -2, grip ** -2], [2 / grip, 2 / grip]);
    // The hand's motion d'' = -d / grip^2 - 2 d' / grip, with d measured from its target, drives the swings.
    const rates = new Float64Array(16 * basis.length);
    stiffness.forEach((rate, k) => rates.set([
      0, 1, 0, 0,
      -rate, -alpha - beta * rate, grip ** -2, 2 / grip - alpha,
      0, 0, 0, 1,
      0, 0, -(grip ** -2), -2 / grip,
    ], 16 * k));
    this.swings = new Linear(rates, 4);
    /** @type {number[] | null} of the object, for a displacement of the hand by a step in x and in y */
    this.strains = null;
  }

  /**
   * Return the hand's displacement, or its velocity, as it drives each swing.
   *
   * @param {Float64Array} hand
   */
  driven(hand) {
    return this.inertia[0].map((value, k) => value * hand[0] + this.inertia[1][k] * hand[1]);
  }

  /**
   * Return coordinates as swings.
   *
   * @param {Float64Array[]} state
   * @param {Float64Array[]} hand
   */
  relative(state, hand) {
    return state.map((row, i) => {
      const beyond = row.map((value, j) => value - hand[i][0] * this.static[0][j] - hand[i][1] * this.static[1][j]);
      return Float64Array.from(this.basis, (swing) => dot(swing, beyond));
    });
  }

  /**
   * Return swings as coordinates.
   *
   * @param {Float64Array[]} swings
   * @param {Float64Array[]} hand
   */
  absolute(swings, hand) {
    return hand.map((at, i) => {
      const row = this.static[0].map((value, j) => at[0] * value + at[1] * this.static[1][j]);
      this.basis.forEach((swing, k) => {
        for (let j = 0; j < row.length; j++) row[j] += swings[i][k] * swing[j];
      });
      return row;
    });
  }
}

/**
 * Return the modes that do not move the held point, and their stiffness.
 *
 * @param {Float64Array[]} along
 * @param {Float64Array} omega
 */
function swings(along, omega) {
  const free = across(along[0], along[1]);
  const count = omega.length - 2;
  const columns = Array.from({ length: count }, (_, k) => omega.map((_, j) => free[j * count + k]));
  const stiff = columns.map((column) => column.map((value, j) => value * omega[j] ** 2));
  const matrix = Float64Array.from({ length: count * count }, (_, i) =>
    dot(columns[Math.floor(i / count)], stiff[i % count]));
  const { values, vectors } = eigen(matrix, count);
  const basis = columns.map((_, k) => omega.map((_, j) => {
    let sum = 0;
    for (let i = 0; i < count; i++) sum += columns[i][j] * vectors[i * count + k];
    return sum;
  }));
  return { basis, stiffness: values };
}

/** @param {number} count */
function zeros(count) {
  return [new Float64Array(count), new Float64Array(count)];
}

/**
 * @param {Float64Array} a
 * @param {Float64Array} b
 */
function dot(a, b) {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}

/**
 * Return the value of a map at a point inside, bilinearly.
 *
 * @param {Float32Array} map
 * @param {number} rows
 * @param {number} columns
 * @param {number} x
 * @param {number} y
 */
export function sampled(map, rows, columns, x, y) {
  const left = Math.min(Math.floor(x), Math.max(columns - 2, 0));
  const top = Math.min(Math.floor(y), Math.max(rows - 2, 0));
  const [right, below] = [Math.min(left + 1, columns - 1), Math.min(top + 1, rows - 1)];
  const upper = map[top * columns + left] * (1 - x + left) + map[top * columns + right] * (x - left);
  const lower = map[below * columns + left] * (1 - x + left) + map[below * columns + right] * (x - left);
  return upper * (1 - y + top) + lower * (y - top);
}
