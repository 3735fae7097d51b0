// What a hand does with the photo: a tool has a letter, a word, a hint, and turns strokes into edits.

import { icon, make } from "photoflow/elements.js";
import { simplified } from "photoflow/curves.js";
import { store } from "photoflow/store.js";

/** @typedef {import("photoflow/curves.js").Point} Point */
/**
 * @typedef {object} Tool
 * @property {string} name also of its icon
 * @property {string} key
 * @property {string} word
 * @property {string} hint
 * @property {"outline" | "motion" | "hand"} group
 * @property {"tap" | "line" | "box" | "stroke" | "pull" | "arrow"} gesture
 * @property {(points: Point[], how: {unit: number, away: boolean}) => void} [done] points in pixels of the photo; `unit`
 *   of these is a pixel of the screen; `away` whether Alt is held
 */

const PATIENCE = 6; // pixels of the screen: a line is kept to that
const OUTLINE_HINT = "Hold Alt to take away.";

/** @type {Tool[]} */
export const TOOLS = [
  { name: "hand", key: "h", word: "Pull", hint: "Pull something and let go. A click chooses it.", group: "hand", gesture: "pull" },
  { name: "add", key: "a", word: "Add", hint: `Click on what belongs to it. ${OUTLINE_HINT}`, group: "outline", gesture: "tap", done: (points, how) => correct(points, how.away) },
  { name: "away", key: "x", word: "Take away", hint: "Click on what does not belong to it.", group: "outline", gesture: "tap", done: (points) => correct(points, true) },
  { name: "brush", key: "b", word: "Brush", hint: `Paint over it. [ and ] change the size. ${OUTLINE_HINT}`, group: "outline", gesture: "stroke", done: (points, how) => paint(points, how.unit, how.away) },
  { name: "eraser", key: "e", word: "Eraser", hint: "Wipe off what does not belong to it. [ and ] change the size.", group: "outline", gesture: "stroke", done: (points, how) => paint(points, how.unit, true) },
  { name: "box", key: "r", word: "Box", hint: "Draw a box around something: it becomes a layer of its own.", group: "outline", gesture: "box", done: box },
  { name: "path", key: "p", word: "Path", hint: "Draw where it goes, beginning on it. End at the start for a round trip.", group: "motion", gesture: "line", done: path },
  { name: "arrow", key: "f", word: "Flow", hint: "Draw where water, clouds or smoke flow; a long arrow is fast, a click stays still.", group: "motion", gesture: "arrow", done: arrow },
  { name: "pin", key: "n", word: "Pin", hint: "Draw over what must not move.", group: "motion", gesture: "line", done: (points, how) => hold("pinned", points, how.unit) },
  { name: "free", key: "m", word: "Free", hint: "Draw over what is to move; the rest of it gives way.", group: "motion", gesture: "line", done: (points, how) => hold("free", points, how.unit) },
];
const GROUPS = { hand: "", outline: "Outline", motion: "Motion" };

export const toolNow = () => TOOLS.find((tool) => tool.name === store.tool) ?? TOOLS[0];

/**
 * Fill the bar of tools; it follows the store.
 * @param {HTMLElement} bar
 */
export function toolBar(bar) {
  let group = "";
  for (const tool of TOOLS) {
    if (tool.group !== group && GROUPS[tool.group]) bar.append(make("h2", { text: GROUPS[tool.group] }));
    group = tool.group;
    bar.append(make("button", { type: "button", "data-tool": tool.name, title: `${tool.hint} (${tool.key.toUpperCase()})`, onclick: () => store.use(tool.name) },
      icon(tool.name), make("span", { text: tool.word }))); // prettier-ignore
  }
  const mark = () => {
    for (const one of bar.querySelectorAll("button")) one.setAttribute("aria-pressed", one.dataset.tool === store.tool ? "true" : "false");
  };
  store.on("tool", mark);
  mark();
  bar.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
    const all = [...bar.querySelectorAll("button")];
    if (!step) return;
    all[(all.indexOf(/** @type {any} */ (document.activeElement)) + step + all.length) % all.length]?.focus();
    event.preventDefault();
  });
}

/** @param {Point[]} points */
const rounded = (points) => points.map((point) => point.map((value) => Math.round(value * 10) / 10));

/**
 * @param {Point[]} points
 * @param {boolean} away
 */
function correct(points, away) {
  const [point] = rounded(points);
  if (store.layer) store.edit({ edit: "refine", layer: store.layer.name, [away ? "remove" : "add"]: [point] });
  else if (!away) store.edit({ edit: "add", points: [point] });
}

/**
 * @param {Point[]} points
 * @param {number} unit
 * @param {boolean} erase
 */
function paint(points, unit, erase) {
  const stroke = rounded(simplified(points, 0.5 * unit));
  if (store.layer) store.edit({ edit: "paint", layer: store.layer.name, strokes: [stroke], size: Math.max(1, store.brush * unit), erase });
  else if (!erase) store.edit({ edit: "add", strokes: [stroke] });
}

/** @param {Point[]} points two corners */
function box(points) {
  const [a, b] = rounded(points);
  const [x, y] = [Math.min(a[0], b[0]), Math.min(a[1], b[1])];
  const [width, height] = [Math.abs(a[0] - b[0]), Math.abs(a[1] - b[1])];
  if (width > 4 && height > 4) store.edit({ edit: "add", box: [x, y, width, height] });
}

/**
 * @param {Point[]} points
 * @param {{unit: number}} how
 */
function path(points, { unit }) {
  const { layer } = store;
  if (!layer) return;
  const [first, last] = [points[0], points[points.length - 1]];
  let few = simplified(points, 2 * unit);
  const length = points.reduce((sum, point, i) => (i ? sum + Math.hypot(point[0] - points[i - 1][0], point[1] - points[i - 1][1]) : 0), 0);
  if (length < PATIENCE * unit) return;
  const closed = few.length > 3 && Math.hypot(first[0] - last[0], first[1] - last[1]) < 0.15 * length;
  if (closed) few = few.slice(0, -1);
  const drawn = { ...startOf("path"), points: rounded(few), closed };
  replace(layer.name, "path", drawn);
}

/** @param {Point[]} points tail and tip */
function arrow(points) {
  const { layer } = store;
  if (!layer) return;
  const [tail, tip] = rounded(points);
  const before = store.motions.find((motion) => motion.type === "drift");
  const drift = { ...startOf("drift"), ...(before ?? {}), direction: null, speed: null };
  const arrows = before?.arrows ?? [];
  const still = Math.hypot(tip[0] - tail[0], tip[1] - tail[1]) < 3;
  if (still && !arrows.length) return;
  const said = still ? { ...drift, arrows, anchors: [...(before?.anchors ?? []), tail] } : { ...drift, arrows: [...arrows, [...tail, ...tip]] };
  store.move(layer.name, [said]);
}

/**
 * @param {"free" | "pinned"} word
 * @param {Point[]} points
 * @param {number} unit
 */
function hold(word, points, unit) {
  const { layer } = store;
  if (!layer) return;
  const stroke = rounded(simplified(points, unit));
  store.edit({ edit: "hold", layer: layer.name, [word]: [...layer[word], stroke] });
}

/** @param {string} type */
function startOf(type) {
  return structuredClone(store.catalogue.motions.find((entry) => entry.type === type)?.start ?? { type });
}

/**
 * Put a motion in the place of the one of its type, or of all that there are.
 * @param {string} layer
 * @param {string} type
 * @param {import("photoflow/api.js").Motion} motion
 */
function replace(layer, type, motion) {
  const motions = store.motionsOf(layer);
  const there = motions.findIndex((one) => one.type === type);
  store.move(layer, there < 0 ? [motion] : motions.map((one, i) => (i === there ? { ...motion, half: one.half ?? motion.half } : one)));
}
