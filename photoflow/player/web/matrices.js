// The little linear algebra that drag and release takes.

const TERMS = 12; // of the exponential's series, enough for a norm of at most 1/2

/**
 * Return the exponential of a small square matrix times a number, by scaling and squaring.
 * @param {number[]} rates row by row
 * @param {number} n its side
 * @param {number} dt
 * @returns {number[]}
 */
export function exponential(rates, n, dt) {
  let norm = 0;
  for (let i = 0; i < n; i++) {
    let row = 0;
    for (let j = 0; j < n; j++) row += Math.abs(rates[i * n + j] * dt);
    norm = Math.max(norm, row);
  }
  const halvings = Math.max(0, Math.ceil(Math.log2(norm + 1e-300)) + 1);
  const small = rates.map((value) => (value * dt) / 2 ** halvings);
  /** @type {number[]} */
  let result = identity(n);
  for (let k = TERMS; k > 0; k--) {
    // Horner's scheme: 1 + A/1 (1 + A/2 (1 + ...)).
    result = product(small, result, n).map((value, i) => value / k + (i % (n + 1) === 0 ? 1 : 0));
  }
  for (let k = 0; k < halvings; k++) result = product(result, result, n);
  return result;
}

/**
 * Return the vectors of length 1, each at a right angle to all others, that are at a right angle to two given ones.
 * @param {number[][]} rows two of them
 * @returns {number[][]} as many as they have numbers, less two
 */
export function nullSpace(rows) {
  const n = rows[0].length;
  // Householder reflections that bring the two onto the first two axes bring the other axes to what is wanted.
  const mirrors = /** @type {number[][]} */ ([]);
  for (let k = 0; k < Math.min(2, n); k++) {
    let vector = rows[k].slice();
    for (const mirror of mirrors) vector = reflected(vector, mirror);
    for (let i = 0; i < k; i++) vector[i] = 0;
    vector[k] += (vector[k] < 0 ? -1 : 1) * Math.hypot(...vector);
    mirrors.push(vector);
  }
  const found = [];
  for (let k = 2; k < n; k++) {
    let axis = new Array(n).fill(0);
    axis[k] = 1;
    for (const mirror of mirrors.slice().reverse()) axis = reflected(axis, mirror);
    found.push(axis);
  }
  return found;
}

/**
 * Return the eigenvalues of a symmetric matrix, and for each its vector, by Jacobi's rotations.
 * @param {number[][]} matrix
 */
export function eigen(matrix) {
  const n = matrix.length;
  const a = matrix.map((row) => row.slice());
  const turn = a.map((_, i) => a.map((__, j) => (i === j ? 1 : 0)));
  const largest = Math.max(1e-300, ...a.map((row, i) => Math.abs(row[i])));
  for (let sweep = 0; sweep < 60; sweep++) {
    let off = 0;
    for (let p = 0; p < n; p++) {
      for (let q = p + 1; q < n; q++) {
        off = Math.max(off, Math.abs(a[p][q]));
        if (Math.abs(a[p][q]) > 1e-300) rotate(a, turn, p, q);
      }
    }
    if (off < 1e-14 * largest) break;
  }
  return { values: a.map((row, i) => row[i]), vectors: a.map((_, i) => turn.map((row) => row[i])) };
}

/**
 * Bring one entry of a symmetric matrix to 0 by a rotation, in place.
 * @param {number[][]} a
 * @param {number[][]} turn
 * @param {number} p
 * @param {number} q
 */
function rotate(a, turn, p, q) {
  const theta = (a[q][q] - a[p][p]) / (2 * a[p][q]);
  const t = (theta < 0 ? -1 : 1) / (Math.abs(theta) + Math.sqrt(theta * theta + 1));
  const c = 1 / Math.sqrt(t * t + 1);
  const s = t * c;
  for (const row of a) [row[p], row[q]] = [c * row[p] - s * row[q], s * row[p] + c * row[q]];
  for (let k = 0; k < a.length; k++) [a[p][k], a[q][k]] = [c * a[p][k] - s * a[q][k], s * a[p][k] + c * a[q][k]];
  for (const row of turn) [row[p], row[q]] = [c * row[p] - s * row[q], s * row[p] + c * row[q]];
}

/**
 * Return a vector mirrored at the plane at a right angle to another.
 * @param {number[]} vector
 * @param {number[]} mirror
 */
function reflected(vector, mirror) {
  let along = 0;
  let square = 0;
  for (let i = 0; i < vector.length; i++) {
    along += vector[i] * mirror[i];
    square += mirror[i] * mirror[i];
  }
  return square === 0 ? vector : vector.map((value, i) => value - ((2 * along) / square) * mirror[i]);
}

/**
 * @param {number} n
 * @returns {number[]}
 */
function identity(n) {
  return Array.from({ length: n * n }, (_, i) => (i % (n + 1) === 0 ? 1 : 0));
}

/**
 * @param {number[]} a
 * @param {number[]} b
 * @param {number} n
 */
function product(a, b, n) {
  const out = new Array(n * n).fill(0);
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < n; k++) {
      for (let j = 0; j < n; j++) out[i * n + j] += a[i * n + k] * b[k * n + j];
    }
  }
  return out;
}
