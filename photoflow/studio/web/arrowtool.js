// Arrows on the photo: where water, clouds and smoke flow, and where a thing is moved or pulled to.

import { drawn, element } from "photoflow/elements.js";
import { segments } from "photoflow/controls.js";
import { distance } from "photoflow/geometry.js";
import { icon } from "photoflow/icons.js";
import { joined } from "photoflow/starts.js";
import { handle, head, line, nudgeOf, Tool } from "photoflow/tool.js";

/** @typedef {import("photoflow/types.js").Point} Point */
/** @typedef {import("photoflow/types.js").Motion} Motion */
/** @typedef {import("photoflow/state.js").State} State */
/** @typedef {import("photoflow/stagearea.js").StageArea} StageArea */

const SHORTEST = 6; // pixels of the screen: less is no arrow
const FASTEST = 0.1; // of the photo's longest side a second: what is faster than that is torn
/** @type {Motion} */
const FLOW = { type: "drift", arrows: [], anchors: [], period: 3, direction: 0, speed: 0.012 };

/** Arrows and points of a flow. */
export class ArrowTool extends Tool {
  /** @param {State} state */
  constructor(state) {
    super(state, { name: "arrows", word: "Arrows", icon: "arrows", letter: "A", group: "Motion" });
    this.way = "arrow";
    /** @type {{from: Point, to: Point} | null} */
    this.drawing = null;
    /** @type {string | null} */
    this.held = null;
    /** @type {string | null} */
    this.active = null;
  }

  get offered() {
    return this.state.layer !== null && (this.state.layer.region || this.motion !== undefined);
  }

  get hint() {
    if (this.way === "point") return "Click what stands still in the flow: a stone, a bank.";
    return "Draw which way it flows. A longer arrow is faster.";
  }

  options() {
    const ways = segments("What is drawn", [["arrow", "Arrow"], ["point", "Still point"]], this.way, (way) => {
      this.way = way;
      this.state.tell();
    }); // prettier-ignore
    if (!this.motion?.arrows.length) return [ways];
    const clear = element(
      "button",
      { class: "button quiet", type: "button", "data-key": "no-arrows", click: () => this.#say([], []) },
      icon("trash"),
      "Remove all",
    );
    return [ways, clear];
  }

  /** The flow of the chosen layer. */
  get motion() {
    const { chosen } = this.state;
    return chosen ? this.state.motions(chosen).find((one) => one.type === "drift") : undefined;
  }

  /**
   * @param {StageArea} area
   * @param {Point} p
   * @param {PointerEvent} event
   * @param {string | null} key
   */
  down(area, p, event, key) {
    this.held = this.active = this.motion && key ? key : null;
    if (!this.held) this.drawing = { from: p, to: p };
  }

  /**
   * @param {StageArea} area
   * @param {Point} p
   */
  move(area, p) {
    if (this.held) this.#put(this.held, p);
    else if (this.drawing) this.drawing.to = this.#within(this.drawing.from, p);
  }

  /**
   * Return a point no farther from another than what flows goes in a second.
   * @param {Point} from
   * @param {Point} to
   */
  #within(from, to) {
    const photo = this.state.work?.photo ?? { width: Infinity, height: Infinity };
    const share = Math.min(1, (FASTEST * Math.max(photo.width, photo.height)) / (distance(from, to) || 1));
    return { x: from.x + share * (to.x - from.x), y: from.y + share * (to.y - from.y) };
  }

  /**
   * @param {StageArea} area
   * @param {Point} point
   */
  up(area, point) {
    const { drawing, held } = this;
    const p = drawing && this.way === "arrow" ? this.#within(drawing.from, point) : point;
    this.held = this.drawing = null;
    if (held || !drawing) return;
    const { arrows, anchors } = this.motion ?? FLOW;
    if (this.way === "point") {
      if (arrows.length) this.#say(arrows, [...anchors, pair(p)]);
      else this.state.onproblem("Draw an arrow first: still points stand between arrows.");
    } else if (distance(drawing.from, p) < SHORTEST * area.unit) {
      this.state.onproblem("Draw a longer arrow: press at its tail, let go at its tip.");
    } else {
      this.#say([...arrows, [...pair(drawing.from), ...pair(p)]], anchors);
    }
  }

  cancel() {
    this.held = this.drawing = null;
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
    const { active, motion } = this;
    if (!active || !motion) return false;
    const way = nudgeOf(event);
    const p = this.#placeOf(active);
    if (way && p) this.#put(active, { x: p.x + way.x * area.unit, y: p.y + way.y * area.unit });
    else if (event.key === "Delete" || event.key === "Backspace") this.#remove(active);
    else return false;
    return true;
  }

  /** @param {StageArea} area */
  drawn(area) {
    const shown = [];
    const { arrows, anchors } = this.motion ?? FLOW;
    for (const [i, [x1, y1, x2, y2]] of arrows.entries()) {
      const [from, to] = [
        { x: x1, y: y1 },
        { x: x2, y: y2 },
      ];
      shown.push(...arrow(area, from, to));
      shown.push(
        handle(area, from, `tail-${i}`, `Tail of arrow ${i + 1}`, "small"),
        handle(area, to, `tip-${i}`, `Tip of arrow ${i + 1}`, "small"),
      );
    }
    for (const [i, [x, y]] of anchors.entries())
      shown.push(handle(area, { x, y }, `anchor-${i}`, `Still point ${i + 1}`, "still"));
    if (this.drawing && this.way === "arrow") shown.push(...arrow(area, this.drawing.from, this.drawing.to));
    return shown;
  }

  /** @param {string} key */
  #placeOf(key) {
    const [what, number] = key.split("-");
    const { arrows, anchors } = this.motion ?? FLOW;
    const found = what === "anchor" ? anchors[Number(number)] : arrows[Number(number)]?.slice(what === "tip" ? 2 : 0);
    return found ? { x: found[0], y: found[1] } : null;
  }

  /**
   * @param {string} key
   * @param {Point} p
   */
  #put(key, p) {
    const [what, number] = key.split("-");
    const { arrows, anchors } = structuredClone(this.motion ?? FLOW);
    const arrow = arrows[Number(number)];
    if (what === "anchor") anchors[Number(number)] = pair(p);
    else {
      const [x, y] = what === "tip" ? arrow : arrow.slice(2);
      arrow.splice(what === "tip" ? 2 : 0, 2, ...pair(this.#within({ x, y }, p)));
    }
    this.#say(arrows, anchors);
  }

  /** @param {string} key */
  #remove(key) {
    const [what, number] = key.split("-");
    const { arrows, anchors } = structuredClone(this.motion ?? FLOW);
    (what === "anchor" ? anchors : arrows).splice(Number(number), 1);
    this.active = null;
    this.#say(arrows, anchors);
  }

  /**
   * @param {number[][]} arrows
   * @param {number[][]} anchors
   */
  #say(arrows, anchors) {
    const { chosen } = this.state;
    if (!chosen) return;
    if (arrows.some(([x1, y1, x2, y2]) => x1 === x2 && y1 === y2)) return; // it has no length on the way to another one
    const own = this.motion ?? FLOW;
    const flow = arrows.length
      ? { ...own, arrows, anchors, direction: null, speed: null }
      : { ...own, arrows: [], anchors: [], direction: FLOW.direction, speed: FLOW.speed };
    const before = this.state.motions(chosen);
    const next = this.motion
      ? before.map((one) => (one === this.motion ? flow : one))
      : joined(before, flow, this.state.layer);
    this.state.say(chosen, next, this.state.key("arrows"));
  }
}

/** One arrow: where a thing is moved to, or how it is pulled. */
export class AimTool extends Tool {
  /** @param {State} state */
  constructor(state) {
    super(state, { name: "aim", word: "Aim", icon: "aim", letter: "M", group: "Motion" });
    /** @type {string | null} */
    this.held = null;
    /** @type {string | null} */
    this.active = null;
  }

  get offered() {
    return this.motion !== undefined;
  }

  get hint() {
    return this.motion?.type === "poke"
      ? `Drag the arrow: ${this.state.title} is pulled from its tail to its tip.`
      : `Drag the arrow's tip: ${this.state.title} goes there.`;
  }

  get motion() {
    const { chosen, layer } = this.state;
    return layer && chosen
      ? this.state.motions(chosen).find((one) => one.type === "poke" || one.type === "translate")
      : undefined;
  }

  /**
   * @param {StageArea} area
   * @param {Point} p
   * @param {PointerEvent} event
   * @param {string | null} key
   */
  down(area, p, event, key) {
    this.held = this.active = key;
  }

  /**
   * @param {StageArea} area
   * @param {Point} p
   */
  move(area, p) {
    if (this.held) this.#put(this.held, p);
  }

  up() {
    this.held = null;
  }

  cancel() {
    this.held = null;
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
    const [way, ends] = [nudgeOf(event), this.#ends()];
    if (!way || !ends || !this.active) return false;
    const p = this.active === "tail" ? ends.from : ends.to;
    this.#put(this.active, { x: p.x + way.x * area.unit, y: p.y + way.y * area.unit });
    return true;
  }

  /** @param {StageArea} area */
  drawn(area) {
    const ends = this.#ends();
    if (!ends) return [];
    const tail = this.motion?.type === "poke" ? [handle(area, ends.from, "tail", "Where it is pulled", "small")] : [];
    return [...arrow(area, ends.from, ends.to), ...tail, handle(area, ends.to, "tip", "Where it goes")];
  }

  #ends() {
    const { motion } = this;
    const { layer } = this.state;
    if (!motion || !layer) return null;
    const [x, y, width, height] = layer.box;
    const from = motion.type === "poke" ? { x: motion.x, y: motion.y } : { x: x + width / 2, y: y + height / 2 };
    return { from, to: { x: from.x + motion.dx, y: from.y + motion.dy } };
  }

  /**
   * @param {string} key
   * @param {Point} p
   */
  #put(key, p) {
    const { motion } = this;
    const { chosen } = this.state;
    const ends = this.#ends();
    if (!motion || !ends || chosen === null) return;
    const [x, y] = pair(p);
    const what = key === "tail" ? { x, y } : { dx: round(p.x - ends.from.x), dy: round(p.y - ends.from.y) };
    const next = this.state.motions(chosen).map((one) => (one === motion ? { ...one, ...what } : one));
    this.state.say(chosen, next, this.state.key("aim"));
  }
}

/** @param {Point} p */
function pair({ x, y }) {
  return [round(x), round(y)];
}

/** @param {number} value */
function round(value) {
  return Math.round(100 * value) / 100;
}

/**
 * @param {StageArea} area
 * @param {Point} from
 * @param {Point} to
 */
function arrow(area, from, to) {
  const d = `M${from.x} ${from.y}L${to.x} ${to.y}${head(from, to, 20 * area.unit)}`;
  return [drawn("g", { class: "arrow" }, ...line(d))];
}
