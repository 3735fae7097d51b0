// Strokes that say what of a layer is free to move and what is held, and the pivot about which it swings.

import { drawn, element } from "photoflow/elements.js";
import { lineOf, pairsOf, pointsOf, simplified } from "photoflow/geometry.js";
import { icon } from "photoflow/icons.js";
import { handle, line, nudgeOf, Tool } from "photoflow/tool.js";

/** @typedef {import("photoflow/types.js").Point} Point */
/** @typedef {import("photoflow/types.js").Pair} Pair */
/** @typedef {import("photoflow/state.js").State} State */
/** @typedef {import("photoflow/stagearea.js").StageArea} StageArea */

/** Strokes on what is free, or on what is pinned. */
export class HoldTool extends Tool {
  /**
   * @param {State} state
   * @param {"free" | "pinned"} what
   */
  constructor(state, what) {
    super(state, what === "free"
      ? { name: "free", word: "Free", icon: "free", letter: "F", group: "Motion" }
      : { name: "pin", word: "Pin", icon: "pin", letter: "P", group: "Motion" }); // prettier-ignore
    /** @type {"free" | "pinned"} */
    this.what = what;
    /** @type {Point[]} */
    this.stroke = [];
    /** @type {string | null} */
    this.active = null;
  }

  get offered() {
    return this.state.layer !== null && !this.state.layer.region;
  }

  get hint() {
    const name = this.state.title;
    return this.what === "free"
      ? `Paint over what of ${name} may move.`
      : `Paint over what of ${name} stays where it is.`;
  }

  options() {
    const { layer } = this.state;
    if (!layer || !(layer.free.length + layer.pinned.length)) return [];
    const last = () => layer[this.what].length && this.#say(layer[this.what].slice(0, -1));
    const clear = () => this.state.edit({ edit: "hold", layer: layer.name, free: [], pinned: [] });
    return [
      element(
        "button",
        { class: "button quiet", type: "button", "data-key": "last", disabled: !layer[this.what].length, click: last },
        icon("undo"),
        "Remove last",
      ),
      element(
        "button",
        { class: "button quiet", type: "button", "data-key": "clear", click: clear },
        icon("trash"),
        "Remove all",
      ),
    ];
  }

  /**
   * @param {StageArea} area
   * @param {Point} p
   * @param {PointerEvent} event
   * @param {string | null} key
   */
  down(area, p, event, key) {
    this.active = key;
    this.stroke = [p];
  }

  /**
   * @param {StageArea} area
   * @param {Point} p
   */
  move(area, p) {
    if (this.stroke.length) this.stroke.push(p);
  }

  /** @param {StageArea} area */
  up(area) {
    const { layer } = this.state;
    const points = this.stroke;
    this.stroke = [];
    if (!layer || !points.length) return;
    const kept = simplified(points, area.unit).map((i) => points[i]);
    this.#say([...layer[this.what], pairsOf(kept)]);
  }

  cancel() {
    this.stroke = [];
  }

  /**
   * @param {StageArea} area
   * @param {string | null} key
   */
  focused(area, key) {
    this.active = key;
  }

  /**
   * @param {StageArea} area
   * @param {KeyboardEvent} event
   */
  pressed(area, event) {
    const { layer } = this.state;
    if (!layer || this.active === null || (event.key !== "Delete" && event.key !== "Backspace")) return false;
    const [what, number] = this.active.split("-");
    if (what !== this.what) return false;
    this.active = null;
    this.#say(layer[this.what].filter((_, i) => i !== Number(number)));
    return true;
  }

  /** @param {StageArea} area */
  drawn(area) {
    const { layer } = this.state;
    const shown = [];
    for (const what of /** @type {const} */ (["free", "pinned"])) {
      for (const [i, stroke] of (layer?.[what] ?? []).entries()) {
        const label = `${what === "free" ? "Free" : "Pinned"} stroke ${i + 1}`;
        const given = { class: "stroke", "data-key": `${what}-${i}`, tabindex: 0, role: "button", "aria-label": label };
        shown.push(drawn("g", given, drawn("title", {}, label), ...line(strokeOf(pointsOf(stroke)), what)));
      }
    }
    if (this.stroke.length) shown.push(...line(strokeOf(this.stroke), this.what));
    return shown;
  }

  /** @param {Pair[][]} strokes */
  #say(strokes) {
    const { layer } = this.state;
    if (layer) this.state.edit({ edit: "hold", layer: layer.name, [this.what]: strokes });
  }
}

/** The point about which a layer swings. */
export class PivotTool extends Tool {
  /** @param {State} state */
  constructor(state) {
    super(state, { name: "pivot", word: "Pivot", icon: "pivot", letter: "O", group: "Motion" });
    this.held = false;
  }

  get offered() {
    return this.motion !== undefined;
  }

  get hint() {
    return `Drag the cross to where ${this.state.title} hangs, or click there.`;
  }

  get motion() {
    const { chosen } = this.state;
    return chosen ? this.state.motions(chosen).find((one) => one.type === "swing") : undefined;
  }

  /** Where it is; a side of the layer is the middle of that side. */
  get place() {
    const { motion } = this;
    const { layer } = this.state;
    if (!motion || !layer) return null;
    if (Array.isArray(motion.pivot)) return { x: motion.pivot[0], y: motion.pivot[1] };
    const [x, y, width, height] = layer.box;
    const shares = { top: [0.5, 0], bottom: [0.5, 1], left: [0, 0.5], right: [1, 0.5], centre: [0.5, 0.5] };
    const [across, down] = shares[/** @type {keyof typeof shares} */ (motion.pivot)];
    return { x: x + across * width, y: y + down * height };
  }

  /**
   * @param {StageArea} area
   * @param {Point} p
   * @param {PointerEvent} event
   * @param {string | null} key
   */
  down(area, p, event, key) {
    this.held = true;
    if (key === null) this.#put(p);
  }

  /**
   * @param {StageArea} area
   * @param {Point} p
   */
  move(area, p) {
    if (this.held) this.#put(p);
  }

  up() {
    this.held = false;
  }

  cancel() {
    this.held = false;
  }

  /**
   * @param {StageArea} area
   * @param {KeyboardEvent} event
   */
  pressed(area, event) {
    const [way, p] = [nudgeOf(event), this.place];
    if (!way || !p) return false;
    this.#put({ x: p.x + way.x * area.unit, y: p.y + way.y * area.unit });
    return true;
  }

  /** @param {StageArea} area */
  drawn(area) {
    const p = this.place;
    if (!p) return [];
    const arm = 14 * area.unit;
    return [
      ...line(`M${p.x - arm} ${p.y}h${2 * arm}M${p.x} ${p.y - arm}v${2 * arm}`),
      handle(area, p, "pivot", "Pivot"),
    ];
  }

  /** @param {Point} p */
  #put(p) {
    const { motion } = this;
    const { chosen } = this.state;
    if (!motion || chosen === null) return;
    const [pivot] = pairsOf([p]);
    const next = this.state.motions(chosen).map((one) => (one === motion ? { ...one, pivot } : one));
    this.state.say(chosen, next, this.state.key("pivot"));
  }
}

/** @param {Point[]} points */
function strokeOf(points) {
  return points.length > 1 ? lineOf(points) : `${lineOf(points)}h0.01`;
}
