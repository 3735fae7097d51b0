// The way that a layer goes, drawn by hand: a smooth curve with points, and a handle for its timing.

import { element } from "photoflow/elements.js";
import { along, distance, fitted, lineOf, nearest, pairsOf, pointsOf, smooth } from "photoflow/geometry.js";
import { icon } from "photoflow/icons.js";
import { joined } from "photoflow/starts.js";
import { handle, head, line, nudgeOf, Tool } from "photoflow/tool.js";

/** @typedef {import("photoflow/types.js").Point} Point */
/** @typedef {import("photoflow/types.js").Motion} Motion */
/** @typedef {import("photoflow/state.js").State} State */
/** @typedef {import("photoflow/stagearea.js").StageArea} StageArea */

const SHORTEST = 8; // pixels of the screen: less is no path
const JOINS = 16; // pixels of the screen: ended so near to its start, a path is closed
const TOLERANCE = 1.5; // pixels of the screen by which the curve may leave what was drawn
const [SOONEST, LATEST] = [0.05, 0.95]; // of the way at half time

export class PathTool extends Tool {
  /** @param {State} state */
  constructor(state) {
    super(state, { name: "path", word: "Path", icon: "path", letter: "W", group: "Motion" });
    /** @type {Point[]} what is drawn at the moment */
    this.drawing = [];
    /** @type {string | null} the handle in hand: the number of a point, or "time" */
    this.held = null;
    /** @type {string | null} the handle chosen last */
    this.active = null;
  }

  get offered() {
    return this.state.layer !== null && !this.state.layer.region;
  }

  get hint() {
    if (!this.state.layer) return "";
    if (!this.motion) return `Draw the way that ${this.state.title} goes. End where you began for a round trip.`;
    return "Drag its points; the diamond is where it is at half time.";
  }

  options() {
    if (!this.motion) return [];
    const remove = () => {
      const { chosen } = this.state;
      if (chosen)
        this.state.say(
          chosen,
          this.state.motions(chosen).filter((one) => one !== this.motion),
        );
    };
    return [
      element(
        "button",
        { class: "button quiet", type: "button", "data-key": "no-path", click: remove },
        icon("trash"),
        "Remove path",
      ),
    ];
  }

  /** The path of the chosen layer. */
  get motion() {
    const { chosen, layer } = this.state;
    return layer && chosen ? this.state.motions(chosen).find((one) => one.type === "path") : undefined;
  }

  /**
   * @param {StageArea} area
   * @param {Point} p
   * @param {PointerEvent} event
   * @param {string | null} key
   */
  down(area, p, event, key) {
    this.held = this.motion && key ? key : null;
    this.active = this.held;
    if (!this.held) this.drawing = [p];
  }

  /**
   * @param {StageArea} area
   * @param {Point} p
   */
  move(area, p) {
    if (this.held) this.#drag(p);
    else if (this.drawing.length) this.drawing.push(p);
  }

  /** @param {StageArea} area */
  up(area) {
    const { drawing, held } = this;
    this.held = null;
    this.drawing = [];
    if (held || !drawing.length) return;
    const start = drawing[0];
    const farthest = Math.max(...drawing.map((p) => distance(p, start)));
    if (farthest < SHORTEST * area.unit) {
      this.state.onproblem("Draw the path in one stroke: press, draw, let go.");
      return;
    }
    const joins = JOINS * area.unit;
    const closed = farthest > 3 * joins && distance(drawing[drawing.length - 1], start) < joins;
    let end = drawing.length;
    if (closed) while (end > 3 && distance(drawing[end - 1], start) < joins) end -= 1;
    this.#say({ points: pairsOf(fitted(drawing.slice(0, end), closed, TOLERANCE * area.unit)), closed, half: 0.5 });
  }

  cancel() {
    this.held = null;
    this.drawing = [];
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
    const { motion, active } = this;
    if (!motion || active === null) return false;
    const way = nudgeOf(event);
    if (way && active === "time") {
      this.#say({ half: clamped(motion.half + (way.x - way.y) / 100) });
    } else if (way) {
      const points = pointsOf(motion.points);
      const p = points[Number(active)];
      if (!p) return false;
      points[Number(active)] = { x: p.x + way.x * area.unit, y: p.y + way.y * area.unit };
      this.#say({ points: pairsOf(points) });
    } else if (event.key === "Delete" || event.key === "Backspace") {
      if (active === "time") this.#say({ half: 0.5 });
      else if (motion.points.length > 2)
        this.#say({
          points: motion.points.filter((/** @type {any} */ _, /** @type {number} */ i) => i !== Number(active)),
        });
      else return false;
    } else return false;
    return true;
  }

  /** @param {StageArea} area */
  drawn(area) {
    if (this.drawing.length) return line(lineOf(this.drawing), "drawing");
    const { motion } = this;
    if (!motion) return [];
    const points = pointsOf(motion.points);
    const curve = smooth(points, motion.closed);
    const [last, before] = [curve[curve.length - 1], along(curve, 0.97)];
    const size = 20 * area.unit;
    const name = this.state.title;
    return [
      ...line(lineOf(curve), "path"),
      ...line(motion.closed ? head(along(curve, 0.24), along(curve, 0.26), size) : head(before, last, size), "path"),
      ...points.map((p, i) => handle(area, p, String(i), `Point ${i + 1} of the path of ${name}`, i ? "" : "start")),
      handle(
        area,
        along(curve, motion.half),
        "time",
        `Where ${name} is at half time: ${Math.round(100 * motion.half)} % of the way`,
        "time",
      ),
    ];
  }

  /** @param {Point} p */
  #drag(p) {
    const { motion, held } = this;
    if (!motion || held === null) return;
    const points = pointsOf(motion.points);
    if (held === "time") {
      this.#say({ half: clamped(nearest(smooth(points, motion.closed), p).share) });
      return;
    }
    points[Number(held)] = p;
    this.#say({ points: pairsOf(points) });
  }

  /** @param {Partial<Motion>} what */
  #say(what) {
    const { motion } = this;
    const { chosen } = this.state;
    if (chosen === null) return;
    const before = this.state.motions(chosen);
    const next = motion
      ? before.map((one) => (one === motion ? { ...one, ...what } : one))
      : joined(before, { type: "path", ...what }, this.state.layer);
    this.state.say(chosen, next, this.state.key("path"));
  }
}

/** @param {number} share */
function clamped(share) {
  return Math.round(100 * Math.min(LATEST, Math.max(SOONEST, share))) / 100;
}
