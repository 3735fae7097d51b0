// Lines drawn by hand: made of few points, smooth between them, and measured along the way.

/** @typedef {import("photoflow/types.js").Point} Point */
/** @typedef {import("photoflow/types.js").Pair} Pair */

const MOST_POINTS = 24; // of a path: more are no longer moved one by one
const PER_SEGMENT = 32; // points of a curve between two of its own

/**
 * Return the distance between two points.
 * @param {Point} a
 * @param {Point} b
 */
export function distance(a, b) {
  return Math.hypot(a.x - b.x, a.y - b.y);
}

/**
 * Return the point of a segment that is nearest to a point.
 * @param {Point} p
 * @param {Point} a
 * @param {Point} b
 */
function nearestOn(p, a, b) {
  const [dx, dy] = [b.x - a.x, b.y - a.y];
  const length = dx * dx + dy * dy;
  const u = length ? Math.min(1, Math.max(0, ((p.x - a.x) * dx + (p.y - a.y) * dy) / length)) : 0;
  return { x: a.x + u * dx, y: a.y + u * dy, u };
}

/**
 * Return the points of a line without which it would leave its way by more than a tolerance, by their numbers.
 *
 * Source: Ramer 1972; Douglas and Peucker 1973.
 * @param {Point[]} points
 * @param {number} tolerance
 */
export function simplified(points, tolerance) {
  const kept = new Set([0, points.length - 1]);
  const parts = [[0, points.length - 1]];
  for (let part = parts.pop(); part; part = parts.pop()) {
    const [from, to] = part;
    let [worst, at] = [tolerance, -1];
    for (let i = from + 1; i < to; i++) {
      const off = distance(points[i], nearestOn(points[i], points[from], points[to]));
      if (off > worst) [worst, at] = [off, i];
    }
    if (at < 0) continue;
    kept.add(at);
    parts.push([from, at], [at, to]);
  }
  return [...kept].sort((a, b) => a - b);
}

/**
 * Return few of a drawn line's points, such that the smooth curve through them stays near the line.
 * @param {Point[]} points
 * @param {boolean} closed
 * @param {number} tolerance
 */
export function fitted(points, closed, tolerance) {
  const kept = simplified(points, 4 * tolerance);
  for (;;) {
    const curve = smooth(
      kept.map((i) => points[i]),
      closed,
    );
    let [worst, at] = [tolerance, -1];
    for (let i = 1; i < points.length - 1; i++) {
      if (kept.includes(i)) continue;
      const off = nearest(curve, points[i]).off;
      if (off > worst) [worst, at] = [off, i];
    }
    if (at < 0 || kept.length >= MOST_POINTS) return kept.map((i) => points[i]);
    kept.push(at);
    kept.sort((a, b) => a - b);
  }
}

/**
 * Return points along the smooth curve through points, as the renderer draws it.
 *
 * Source: Catmull and Rom 1974; open ends are continued by reflecting the second point.
 * @param {Point[]} points at least two
 * @param {boolean} closed
 */
export function smooth(points, closed) {
  const n = points.length;
  const reflected = (/** @type {Point} */ a, /** @type {Point} */ b) => ({ x: 2 * a.x - b.x, y: 2 * a.y - b.y });
  const before = closed ? points[n - 1] : reflected(points[0], points[1]);
  const after = closed ? [points[0], points[1 % n]] : [reflected(points[n - 1], points[n - 2])];
  const control = [before, ...points, ...after];
  const curve = [];
  for (let i = 1; i + 2 < control.length; i++) {
    for (let k = 0; k < PER_SEGMENT; k++) curve.push(between(control, i, k / PER_SEGMENT));
  }
  curve.push(control[control.length - 2]);
  return curve;
}

/**
 * @param {Point[]} control
 * @param {number} i the segment begins at this one
 * @param {number} u
 */
function between(control, i, u) {
  const at = (/** @type {"x" | "y"} */ axis) => {
    const [a, b, c, d] = [control[i - 1][axis], control[i][axis], control[i + 1][axis], control[i + 2][axis]];
    const cubic = 3 * b - a - 3 * c + d;
    return 0.5 * (2 * b + (c - a) * u + (2 * a - 5 * b + 4 * c - d) * u ** 2 + cubic * u ** 3);
  };
  return { x: at("x"), y: at("y") };
}

/**
 * Return the way along a line to each of its points.
 * @param {Point[]} curve
 */
function lengths(curve) {
  const passed = [0];
  for (let i = 1; i < curve.length; i++) passed.push(passed[i - 1] + distance(curve[i - 1], curve[i]));
  return passed;
}

/**
 * Return the point of a line at a share of its length.
 * @param {Point[]} curve
 * @param {number} share
 */
export function along(curve, share) {
  const passed = lengths(curve);
  const goal = share * passed[passed.length - 1];
  const i = Math.max(
    1,
    passed.findIndex((length) => length >= goal),
  );
  const part = passed[i] - passed[i - 1];
  const u = part ? (goal - passed[i - 1]) / part : 0;
  return {
    x: curve[i - 1].x + u * (curve[i].x - curve[i - 1].x),
    y: curve[i - 1].y + u * (curve[i].y - curve[i - 1].y),
  };
}

/**
 * Return how far a point is off a line, and the share of the line's length at which it is nearest.
 * @param {Point[]} curve
 * @param {Point} p
 */
export function nearest(curve, p) {
  const passed = lengths(curve);
  let [off, way] = [Infinity, 0];
  for (let i = 1; i < curve.length; i++) {
    const on = nearestOn(p, curve[i - 1], curve[i]);
    const d = distance(p, on);
    if (d < off) [off, way] = [d, passed[i - 1] + on.u * (passed[i] - passed[i - 1])];
  }
  return { off, share: way / (passed[passed.length - 1] || 1) };
}

/** @param {Pair[]} pairs */
export function pointsOf(pairs) {
  return pairs.map(([x, y]) => ({ x, y }));
}

/**
 * Return points as the server takes them.
 * @param {Point[]} points
 * @returns {Pair[]}
 */
export function pairsOf(points) {
  return points.map(({ x, y }) => [Math.round(100 * x) / 100, Math.round(100 * y) / 100]);
}

/**
 * Return what draws a line through points.
 * @param {Point[]} points
 */
export function lineOf(points) {
  return points.map(({ x, y }, i) => `${i ? "L" : "M"}${x.toFixed(2)} ${y.toFixed(2)}`).join("");
}
