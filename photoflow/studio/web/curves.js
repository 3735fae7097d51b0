// Lines that a hand draws: few points that say the same, and the smooth curve through them.

/** @typedef {number[]} Point */

/**
 * Return the points of a line without which it would be off by more than a tolerance (Ramer 1972; Douglas and Peucker 1973).
 * @param {Point[]} points
 * @param {number} tolerance
 * @returns {Point[]}
 */
export function simplified(points, tolerance) {
  if (points.length < 3) return points;
  const [first, last] = [points[0], points[points.length - 1]];
  let farthest = 0;
  let most = -1;
  for (let i = 1; i + 1 < points.length; i++) {
    const off = distance(points[i], first, last);
    if (off > most) [farthest, most] = [i, off];
  }
  if (most <= tolerance) return [first, last];
  return [...simplified(points.slice(0, farthest + 1), tolerance).slice(0, -1), ...simplified(points.slice(farthest), tolerance)];
}

/**
 * Return how far a point is from the line between two others.
 * @param {Point} point
 * @param {Point} a
 * @param {Point} b
 */
function distance(point, a, b) {
  const [dx, dy] = [b[0] - a[0], b[1] - a[1]];
  const square = dx * dx + dy * dy;
  const along = square ? Math.min(Math.max(((point[0] - a[0]) * dx + (point[1] - a[1]) * dy) / square, 0), 1) : 0;
  return Math.hypot(point[0] - a[0] - along * dx, point[1] - a[1] - along * dy);
}

/**
 * Return many points of the curve through points, as photoflow.motion.Path goes (Catmull and Rom, 1974).
 * @param {Point[]} points
 * @param {boolean} closed
 * @param {number} [pieces] of each segment
 * @returns {Point[]}
 */
export function curve(points, closed, pieces = 24) {
  if (points.length < 2) return points;
  const mirrored = (/** @type {Point} */ end, /** @type {Point} */ next) => [2 * end[0] - next[0], 2 * end[1] - next[1]];
  const [last, before] = [points[points.length - 1], points[points.length - 2]];
  const control = closed ? [last, ...points, points[0], points[1]] : [mirrored(points[0], points[1]), ...points, mirrored(last, before)];
  const out = [];
  for (let k = 0; k + 3 < control.length; k++) {
    const [a, b, c, d] = control.slice(k, k + 4);
    for (let i = 0; i < pieces; i++) {
      const u = i / pieces;
      out.push([0, 1].map((x) => 0.5 * (2 * b[x] + (c[x] - a[x]) * u + (2 * a[x] - 5 * b[x] + 4 * c[x] - d[x]) * u ** 2 + (3 * b[x] - a[x] - 3 * c[x] + d[x]) * u ** 3)));
    }
  }
  out.push(control[control.length - 2]);
  return out;
}

/**
 * Return the lengths of a line up to each of its points.
 * @param {Point[]} line
 */
function lengths(line) {
  const out = [0];
  for (let i = 1; i < line.length; i++) out.push(out[i - 1] + Math.hypot(line[i][0] - line[i - 1][0], line[i][1] - line[i - 1][1]));
  return out;
}

/**
 * Return the point after a share of a line's length.
 * @param {Point[]} line
 * @param {number} share
 * @returns {Point}
 */
export function pointAfter(line, share) {
  const length = lengths(line);
  const goal = share * length[length.length - 1];
  let i = 1;
  while (i < line.length - 1 && length[i] < goal) i++;
  const part = length[i] > length[i - 1] ? (goal - length[i - 1]) / (length[i] - length[i - 1]) : 0;
  return [0, 1].map((x) => line[i - 1][x] + part * (line[i][x] - line[i - 1][x]));
}

/**
 * Return the share of a line's length after which it is nearest to a point.
 * @param {Point[]} line
 * @param {Point} point
 */
export function shareNearest(line, point) {
  const length = lengths(line);
  let best = 0;
  let least = Infinity;
  line.forEach((one, i) => {
    const off = Math.hypot(one[0] - point[0], one[1] - point[1]);
    if (off < least) [best, least] = [i, off];
  });
  return length[best] / (length[length.length - 1] || 1);
}

/**
 * Return a line as an attribute of a path.
 * @param {Point[]} line
 * @param {boolean} [closed]
 */
export function asPath(line, closed = false) {
  return line.map(([x, y], i) => `${i ? "L" : "M"}${x.toFixed(2)} ${y.toFixed(2)}`).join("") + (closed ? "Z" : "");
}
