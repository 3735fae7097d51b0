// What all tools have in common.

import { drawn } from "photoflow/elements.js";

/** @typedef {import("photoflow/types.js").Point} Point */
/** @typedef {import("photoflow/state.js").State} State */
/** @typedef {import("photoflow/stagearea.js").StageArea} StageArea */
/** @typedef {import("photoflow/icons.js").Icon} Icon */
/** @typedef {import("photoflow/elements.js").Child} Child */

/** What a hand does on the photo. Points are pixels of the photo. */
export class Tool {
  /**
   * @param {State} state
   * @param {{name: string, word: string, icon: Icon, letter: string, group: string}} about
   */
  constructor(state, about) {
    this.state = state;
    this.name = about.name;
    this.word = about.word;
    this.icon = about.icon;
    this.letter = about.letter;
    this.group = about.group;
    this.still = false; // whether the photo is shown as it is, so that outlines lie where things are
  }

  /** Whether it is offered for what is chosen. */
  get offered() {
    return true;
  }

  /** What to do with it, in a line. */
  get hint() {
    return "";
  }

  /** What else can be set while it is in hand.
   * @returns {Child[]}
   */
  options() {
    return [];
  }

  /** @param {StageArea} area */
  left(area) {
    this.cancel(area);
  }

  /**
   * @param {StageArea} area
   * @param {Point} p
   * @param {PointerEvent} event
   * @param {string | null} key of the handle that is touched
   */
  down(area, p, event, key) {}

  /**
   * @param {StageArea} area
   * @param {Point} p
   * @param {PointerEvent} event
   */
  move(area, p, event) {}

  /**
   * @param {StageArea} area
   * @param {Point} p
   * @param {PointerEvent} event
   */
  up(area, p, event) {}

  /**
   * @param {StageArea} area
   * @param {Point} p
   * @param {PointerEvent} event
   */
  hover(area, p, event) {}

  /**
   * A handle has the focus.
   * @param {StageArea} area
   * @param {string | null} key
   */
  focused(area, key) {}

  /** @param {StageArea} area */
  cancel(area) {}

  /**
   * Answer a key; return whether it was for this tool.
   * @param {StageArea} area
   * @param {KeyboardEvent} event
   */
  pressed(area, event) {
    return false;
  }

  /**
   * Return what is drawn over the photo.
   * @param {StageArea} area
   * @returns {SVGElement[]}
   */
  drawn(area) {
    return [];
  }
}

/**
 * Return the way that an arrow key goes, in pixels of the screen; null: it is none.
 * @param {KeyboardEvent} event
 */
export function nudgeOf(event) {
  const far = event.shiftKey ? 10 : 1;
  const ways = { ArrowLeft: [-far, 0], ArrowRight: [far, 0], ArrowUp: [0, -far], ArrowDown: [0, far] };
  const way = ways[/** @type {keyof typeof ways} */ (event.key)];
  return way ? { x: way[0], y: way[1] } : null;
}

/**
 * Return a handle that is dragged by a hand and reached by the keyboard.
 * @param {StageArea} area
 * @param {Point} p
 * @param {string} key
 * @param {string} label
 * @param {string} [kind]
 */
export function handle(area, p, key, label, kind = "") {
  const { unit } = area;
  const given = { class: `handle ${kind}`, "data-key": key, tabindex: 0, role: "button", "aria-label": label };
  const wide = drawn("circle", { class: "reach", cx: p.x, cy: p.y, r: 18 * unit });
  const shape = kind.includes("time")
    ? drawn("path", { class: "knob", d: diamond(p, 9 * unit) })
    : drawn("circle", { class: "knob", cx: p.x, cy: p.y, r: 6.5 * unit });
  return drawn("g", given, drawn("title", {}, label), wide, shape);
}

/**
 * @param {Point} p
 * @param {number} r
 */
function diamond({ x, y }, r) {
  return `M${x} ${y - r}L${x + r} ${y}L${x} ${y + r}L${x - r} ${y}Z`;
}

/**
 * Return a line with a dark one under it, to be seen on any photo.
 * @param {string} d
 * @param {string} [kind]
 */
export function line(d, kind = "") {
  return [drawn("path", { class: `under ${kind}`, d }), drawn("path", { class: `line ${kind}`, d })];
}

/**
 * Return what draws the head of an arrow.
 * @param {Point} from a point before its end
 * @param {Point} to its end
 * @param {number} size
 */
export function head(from, to, size) {
  const angle = Math.atan2(to.y - from.y, to.x - from.x);
  const wing = (/** @type {number} */ turn) =>
    `${(to.x - size * Math.cos(angle + turn)).toFixed(2)} ${(to.y - size * Math.sin(angle + turn)).toFixed(2)}`;
  return `M${wing(0.5)}L${to.x.toFixed(2)} ${to.y.toFixed(2)}L${wing(-0.5)}`;
}
