/** Small dense linear algebra: what the oscillators of a pull need. Matrices are rows one after the other. */

const TERMS = 14; // of the exponential's series: exact to the last digit where its argument is at most a half
const SWEEPS = 60; // far more rounds of rotations than convergence takes

/** Linear systems y' = A y, solved exactly by the matrix exponential. */
export class Linear {
  /**
   * @param {Float64Array} rates the matrices A, one after the other.
   * @param {number} order rows of each.
   */
  constructor(rates, order) {
    this.rates = rates;
    this.order = order;
    this.count = rates.length / order ** 2;
    this.last = -1; // the time of `steps`
    this.steps = new Float64Array(rates.length);
    this.scratch = [0, 1].map(() => new Float64Array(order ** 2));
  }

  /**
   * Return the systems u'' + damping u' + stiffness u = 0 with y = (u, u').
   *
   * @param {ArrayLike<number>} stiffness
   * @param {ArrayLike<number>} damping
   */
  static oscillators(stiffness, damping) {
    const rates = new Float64Array(4 * stiffness.length);
    for (let j = 0; j < stiffness.length; j++) rates.set([0, 1, -stiffness[j], -damping[j]], 4 * j);
    return new Linear(rates, 2);
  }

  /**
   * Return the states after some time.
   *
   * @param {number} dt seconds.
   * @param {Float64Array[]} states for each row of a system, its value in each system.
   * @returns {Float64Array[]} likewise.
   */
  after(dt, states) {
    if (dt !== this.last) this.#prepare(dt);
    const { order, count, steps } = this;
    return states.map((_, a) => {
      const out = new Float64Array(count);
      for (let j = 0; j < count; j++) {
        for (let b = 0; b < order; b++) out[j] += steps[(j * order + a) * order + b] * states[b][j];
      }
      return out;
    });
  }

  /** @param {number} dt */
  #prepare(dt) {
    const size = this.order ** 2;
    for (let j = 0; j < this.count; j++) {
      exponential(this.rates.subarray(j * size, (j + 1) * size), dt, this.order, this.scratch,
        this.steps.subarray(j * size, (j + 1) * size));
    }
    this.last = dt;
  }
}

/**
 * Write exp(A t), by its series after A t was halved often enough, and as many squarings.
 *
 * @param {Float64Array} matrix A.
 * @param {number} t
 * @param {number} order rows of A.
 * @param {Float64Array[]} scratch two matrices of A's size.
 * @param {Float64Array} out
 */
function exponential(matrix, t, order, scratch, out) {
  let norm = 0;
  for (let a = 0; a < order; a++) {
    let sum = 0;
    for (let b = 0; b < order; b++) sum += Math.abs(matrix[a * order + b] * t);
    norm = Math.max(norm, sum);
  }
  const halvings = norm > 0.5 ? Math.ceil(Math.log2(norm / 0.5)) : 0;
  const [part, product] = scratch;
  for (let i = 0; i < part.length; i++) part[i] = matrix[i] * t * 2 ** -halvings;
  identity(out, order);
  for (let term = TERMS; term > 0; term--) {
    multiply(part, out, order, product);
    for (let i = 0; i < out.length; i++) out[i] = product[i] / term;
    for (let a = 0; a < order; a++) out[a * order + a] += 1;
  }
  for (let i = 0; i < halvings; i++) {
    multiply(out, out, order, product);
    out.set(product);
  }
}

/**
 * @param {Float64Array} out
 * @param {number} order
 */
function identity(out, order) {
  out.fill(0);
  for (let a = 0; a < order; a++) out[a * order + a] = 1;
}

/**
 * @param {Float64Array} left
 * @param {Float64Array} right
 * @param {number} order
 * @param {Float64Array} out
 */
function multiply(left, right, order, out) {
  for (let a = 0; a < order; a++) {
    for (let b = 0; b < order; b++) {
      let sum = 0;
      for (let c = 0; c < order; c++) sum += left[a * order + c] * right[c * order + b];
      out[a * order + b] = sum;
    }
  }
}

/**
 * Return an orthonormal basis of what is at right angles to two vectors, by Householder's reflections.
 *
 * @param {Float64Array} first n values.
 * @param {Float64Array} second n values, not along the first.
 * @returns {Float64Array} (n, n - 2), a vector in each column.
 */
export function across(first, second) {
  const count = first.length;
  const one = mirror(first, 0);
  const two = mirror(reflected(one, Float64Array.from(second)), 1);
  const basis = new Float64Array(count * (count - 2));
  for (let k = 2; k < count; k++) {
    const column = new Float64Array(count);
    column[k] = 1;
    reflected(one, reflected(two, column)).forEach((value, j) => (basis[j * (count - 2) + k - 2] = value));
  }
  return basis;
}

/**
 * Return the unit normal of the mirror that takes a vector's values from `start` on into its value there.
 *
 * @param {Float64Array} vector
 * @param {number} start
 */
function mirror(vector, start) {
  const normal = Float64Array.from(vector);
  normal.fill(0, 0, start);
  normal[start] += Math.hypot(...normal) * (normal[start] < 0 ? -1 : 1);
  const size = Math.hypot(...normal);
  return normal.map((value) => value / size);
}

/**
 * Reflect a vector in place, and return it.
 *
 * @param {Float64Array} normal
 * @param {Float64Array} vector
 */
function reflected(normal, vector) {
  let along = 0;
  for (let j = 0; j < vector.length; j++) along += normal[j] * vector[j];
  for (let j = 0; j < vector.length; j++) vector[j] -= 2 * along * normal[j];
  return vector;
}

/**
 * Return the eigenvalues and eigenvectors of a symmetric matrix, by Jacobi's rotations.
 *
 * @param {Float64Array} matrix (n, n); it is overwritten.
 * @param {number} order n.
 * @returns {{values: Float64Array, vectors: Float64Array}} (n,), and (n, n) with a vector in each column.
 */
export function eigen(matrix, order) {
  const vectors = new Float64Array(order * order);
  identity(vectors, order);
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    let beside = 0;
    let all = 0;
    for (let a = 0; a < order; a++) {
      for (let b = 0; b < order; b++) {
        all += matrix[a * order + b] ** 2;
        if (a !== b) beside += matrix[a * order + b] ** 2;
      }
    }
    if (beside <= 1e-28 * all) break;
    for (let p = 0; p < order; p++) for (let q = p + 1; q < order; q++) rotate(matrix, vectors, order, p, q);
  }
  const values = new Float64Array(order);
  for (let a = 0; a < order; a++) values[a] = matrix[a * order + a];
  return { values, vectors };
}

/**
 * Turn two axes so that the matrix has no value between them.
 *
 * @param {Float64Array} matrix
 * @param {Float64Array} vectors
 * @param {number} order
 * @param {number} p
 * @param {number} q
 */
function rotate(matrix, vectors, order, p, q) {
  const between = matrix[p * order + q];
  if (between === 0) return;
  const ratio = (matrix[q * order + q] - matrix[p * order + p]) / (2 * between);
  const tangent = (ratio < 0 ? -1 : 1) / (Math.abs(ratio) + Math.hypot(ratio, 1));
  const cosine = 1 / Math.hypot(tangent, 1);
  const sine = tangent * cosine;
  for (let i = 0; i < order; i++) turn(matrix, i * order + p, i * order + q, cosine, sine);
  for (let i = 0; i < order; i++) turn(matrix, p * order + i, q * order + i, cosine, sine);
  for (let i = 0; i < order; i++) turn(vectors, i * order + p, i * order + q, cosine, sine);
}

/**
 * @param {Float64Array} values
 * @param {number} i
 * @param {number} j
 * @param {number} cosine
 * @param {number} sine
 */
function turn(values, i, j, cosine, sine) {
  const a = values[i];
  const b = values[j];
  values[i] = cosine * a - sine * b;
  values[j] = sine * a + cosine * b;
}
