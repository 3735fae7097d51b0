// How a motion begins on a layer: where the catalogue's own start does not know the photo.

/** @typedef {import("photoflow/types.js").Entry} Entry */
/** @typedef {import("photoflow/types.js").Layer} Layer */
/** @typedef {import("photoflow/types.js").Motion} Motion */
/** @typedef {import("photoflow/types.js").Work} Work */
/** @typedef {import("photoflow/masks.js").Mask} Mask */

const FAR = 0.08; // of the photo's longest side: how far a thing goes at first

/**
 * Return the motion with which an entry of the catalogue begins.
 * @param {Entry} entry
 * @param {Work} work
 * @param {Layer | null} layer
 * @param {Mask | null | undefined} mask
 * @returns {Motion}
 */
export function startOf(entry, work, layer, mask) {
  const start = /** @type {Motion} */ (structuredClone(entry.start));
  if (!layer) return start;
  const far = Math.round(FAR * Math.max(work.photo.width, work.photo.height));
  const [left, top, width, height] = layer.box;
  const middle = { x: left + width / 2, y: top + height / 2 };
  if (start.type === "path") {
    const [x, y] = [Math.round(middle.x), Math.round(middle.y)];
    start.points = [[x, y], [x + far, y - Math.round(far / 2)]]; // prettier-ignore
  } else if (start.type === "translate") {
    Object.assign(start, { dx: far, dy: 0 });
  } else if (start.type === "poke") {
    const high = { x: middle.x, y: top + 0.2 * height }; // what is held at its foot is pulled by its head
    const { x, y } = mask?.nearest(high) ?? middle;
    Object.assign(start, { x: Math.round(x), y: Math.round(y), dx: far, dy: 0 });
  }
  return start;
}

/**
 * Return the tool that shows a motion on the photo; null: there is none.
 * @param {Motion} motion
 */
export function toolOf(motion) {
  const tools = { path: "path", translate: "aim", poke: "aim", swing: "pivot", drift: "arrows" };
  return tools[/** @type {keyof typeof tools} */ (motion.type)] ?? null;
}

/**
 * Return the entries of the catalogue for a layer or the camera, those that suit it first.
 * @param {Entry[]} all
 * @param {Layer | null} layer null: the camera
 */
export function offered(all, layer) {
  const place = layer ? (layer.region ? "region" : "subject") : "camera";
  const fits = (/** @type {Entry} */ entry) => {
    const own = layer?.chosen;
    if (own && own.type === entry.type && own.source === entry.start.source) return 0;
    return entry.on[0] === place ? 1 : 2;
  };
  return all.filter((entry) => entry.on.includes(place)).sort((a, b) => fits(a) - fits(b));
}

const IN_PLACE = ["drift", "water"]; // what flows where it is, and goes with no other motion

/**
 * Return a layer's motions with one more; where they do not go together, the new one alone.
 * @param {Motion[]} motions
 * @param {Motion} motion
 * @param {Layer | null} layer
 */
export function joined(motions, motion, layer) {
  const alone = layer?.region || [...motions, motion].some((one) => IN_PLACE.includes(one.type));
  return alone ? [motion] : [...motions, motion];
}
