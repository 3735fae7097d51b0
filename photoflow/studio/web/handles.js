// What is drawn over the photo: paths, arrows, pins and pivots of the selected layer, with handles to move them.

import { draw } from "photoflow/elements.js";
import { asPath, curve, pointAfter, shareNearest } from "photoflow/curves.js";
import { store } from "photoflow/store.js";

/** @typedef {import("photoflow/curves.js").Point} Point */

const ACCENT = "#7cc0ff";
const COLOURS = { free: "#8fe388", pinned: "#ff9d6c" };

/**
 * Draws the handles of the selected layer into an overlay whose unit is a pixel of the photo.
 */
export class Handles {
  /**
   * @param {SVGSVGElement} overlay
   * @param {() => number} unit pixels of the photo per pixel of the screen
   * @param {(event: PointerEvent) => Point} at place of a pointer, pixels of the photo
   */
  constructor(overlay, unit, at) {
    this.overlay = overlay;
    this.unit = unit;
    this.at = at;
    this.dragging = false;
  }

  /** Draw them anew, unless one is under the hand. */
  show() {
    const { overlay } = this;
    if (this.dragging) return;
    const focused = document.activeElement instanceof SVGElement ? document.activeElement.getAttribute("aria-label") : null;
    const { layer } = store;
    overlay.replaceChildren();
    if (!layer) return;
    if (["pin", "free"].includes(store.tool)) this.#holds(layer);
    store.motions.forEach((motion, i) => {
      if (motion.type === "path") this.#path(motion, i);
      if (motion.type === "drift") this.#arrows(motion, i);
      if (motion.type === "poke") this.#poke(motion, i);
      if (Array.isArray(motion.pivot)) this.#pivot(motion, i);
    });
    if (focused) /** @type {any} */ (overlay.querySelector(`[aria-label="${CSS.escape(focused)}"]`))?.focus();
  }

  /** @param {import("photoflow/api.js").Layer} layer */
  #holds(layer) {
    for (const word of /** @type {const} */ (["free", "pinned"])) {
      for (const stroke of layer[word]) this.#line(stroke, COLOURS[word], 8, 0.7);
    }
  }

  /**
   * @param {any} motion
   * @param {number} i
   */
  #path(motion, i) {
    const line = curve(motion.points, motion.closed);
    this.#line(line, "#000", 5, 0.5);
    this.#line(line, ACCENT, 2.5, 1);
    this.#tip(pointAfter(line, 0.97), line[line.length - 1]);
    motion.points.forEach((/** @type {Point} */ point, /** @type {number} */ k) => {
      this.#handle(point, `Path point ${k + 1}`, "circle", (to) => this.#change(i, { points: motion.points.map((/** @type {Point} */ one, /** @type {number} */ n) => (n === k ? to : one)) }),
        motion.points.length > 2 ? () => this.#change(i, { points: motion.points.filter((/** @type {Point} */ _, /** @type {number} */ n) => n !== k) }) : undefined); // prettier-ignore
    });
    const half = pointAfter(line, motion.half ?? 0.5);
    this.#handle(half, `Half-time: where it is after half the time, ${Math.round(100 * (motion.half ?? 0.5))} %`, "diamond", (to) => {
      const share = Math.min(Math.max(shareNearest(line, to), 0.05), 0.95);
      this.#change(i, { half: Math.round(share * 100) / 100 });
    });
  }

  /**
   * @param {any} motion
   * @param {number} i
   */
  #arrows(motion, i) {
    const set = (/** @type {number} */ k, /** @type {number[]} */ arrow) => this.#change(i, { arrows: motion.arrows.map((/** @type {number[]} */ one, /** @type {number} */ n) => (n === k ? arrow : one)) });
    (motion.arrows ?? []).forEach((/** @type {number[]} */ arrow, /** @type {number} */ k) => {
      const [tail, tip] = [arrow.slice(0, 2), arrow.slice(2)];
      const remove = motion.arrows.length > 1 ? () => this.#change(i, { arrows: motion.arrows.filter((/** @type {any} */ _, /** @type {number} */ n) => n !== k) }) : undefined;
      this.#line([tail, tip], "#000", 5, 0.5);
      this.#line([tail, tip], ACCENT, 2.5, 1);
      this.#tip(tail, tip);
      this.#handle(tail, `Arrow ${k + 1}, tail`, "circle", (to) => set(k, [...to, ...tip]), remove);
      this.#handle(tip, `Arrow ${k + 1}, tip`, "circle", (to) => set(k, [...tail, ...to]), remove);
    });
    (motion.anchors ?? []).forEach((/** @type {Point} */ point, /** @type {number} */ k) => {
      const others = (/** @type {Point | null} */ to) => motion.anchors.flatMap((/** @type {Point} */ one, /** @type {number} */ n) => (n === k ? (to ? [to] : []) : [one]));
      this.#handle(point, `Still point ${k + 1}`, "square", (to) => this.#change(i, { anchors: others(to) }), () => this.#change(i, { anchors: others(null) }));
    });
  }

  /**
   * @param {any} motion
   * @param {number} i
   */
  #poke(motion, i) {
    const [from, to] = [[motion.x, motion.y], [motion.x + motion.dx, motion.y + motion.dy]];
    this.#line([from, to], "#000", 5, 0.5);
    this.#line([from, to], ACCENT, 2.5, 1);
    this.#tip(from, to);
    this.#handle(from, "Where it is pulled", "circle", ([x, y]) => this.#change(i, { x, y }));
    this.#handle(to, "How far it is pulled", "circle", ([x, y]) => this.#change(i, { dx: x - motion.x, dy: y - motion.y }));
  }

  /**
   * @param {any} motion
   * @param {number} i
   */
  #pivot(motion, i) {
    this.#handle(motion.pivot, "Pivot", "cross", (to) => this.#change(i, { pivot: to }));
  }

  /**
   * Change a motion of the selected layer.
   * @param {number} i
   * @param {Record<string, any>} what
   */
  #change(i, what) {
    const name = store.selected;
    if (name === null) return;
    const motions = store.motionsOf(name).map((one, k) => (k === i ? { ...one, ...what } : one));
    store.move(name, motions, `${name}/${i}/${Object.keys(what).join()}`);
  }

  /**
   * @param {Point[]} line
   * @param {string} colour
   * @param {number} width of the screen
   * @param {number} opacity
   */
  #line(line, colour, width, opacity) {
    this.overlay.append(draw("path", { d: asPath(line.length > 1 ? line : [line[0], line[0]]), fill: "none", stroke: colour, "stroke-width": width, "stroke-opacity": opacity,
      "stroke-linecap": "round", "stroke-linejoin": "round", "vector-effect": "non-scaling-stroke" })); // prettier-ignore
  }

  /**
   * Draw the tip of an arrow.
   * @param {Point} from
   * @param {Point} to
   */
  #tip(from, to) {
    const size = 12 * this.unit();
    const angle = Math.atan2(to[1] - from[1], to[0] - from[0]);
    const wings = [2.6, -2.6].map((turn) => [to[0] + size * Math.cos(angle + turn), to[1] + size * Math.sin(angle + turn)]);
    this.#line([wings[0], to, wings[1]], ACCENT, 2.5, 1);
  }

  /**
   * Draw a handle.
   * @param {Point} point
   * @param {string} word
   * @param {"circle" | "diamond" | "square" | "cross"} shape
   * @param {(to: Point) => void} move
   * @param {() => void} [remove]
   */
  #handle(point, word, shape, move, remove) {
    const unit = this.unit();
    const size = (matchMedia("(pointer: coarse)").matches ? 11 : 7) * unit;
    const handle = draw("g", { class: "handle", tabindex: 0, role: "button", "aria-label": word, transform: `translate(${point[0]} ${point[1]})` });
    handle.append(draw("circle", { r: 2.2 * size, fill: "transparent" }), draw("path", { d: shapeOf(shape, size), fill: shape === "cross" ? "none" : "#fff", stroke: shape === "cross" ? "#fff" : "#06203a", "stroke-width": 2, "vector-effect": "non-scaling-stroke" }));
    handle.append(draw("title", { text: remove ? `${word}. Delete removes it.` : word }));
    const to = (/** @type {Point} */ place) => {
      const there = place.map((value) => Math.round(value * 10) / 10);
      handle.setAttribute("transform", `translate(${there[0]} ${there[1]})`);
      point = there;
      move(there);
    };
    handle.addEventListener("pointerdown", (event) => {
      const { pointerId } = /** @type {PointerEvent} */ (event);
      this.dragging = true;
      handle.setPointerCapture(pointerId);
      event.stopPropagation();
      event.preventDefault();
      /** @type {any} */ (handle).focus();
    });
    handle.addEventListener("pointermove", (event) => {
      if (this.dragging && handle.hasPointerCapture(/** @type {PointerEvent} */ (event).pointerId)) to(this.at(/** @type {PointerEvent} */ (event)));
    });
    const end = () => {
      this.dragging = false;
      this.show();
    };
    handle.addEventListener("pointerup", end);
    handle.addEventListener("pointercancel", end);
    handle.addEventListener("keydown", (event) => {
      const { key, shiftKey } = /** @type {KeyboardEvent} */ (event);
      const step = (shiftKey ? 10 : 1) * unit;
      const way = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] }[key];
      if (way) to([point[0] + way[0], point[1] + way[1]]);
      else if ((key === "Delete" || key === "Backspace") && remove) remove();
      else return;
      event.preventDefault();
      event.stopPropagation();
    });
    this.overlay.append(handle);
  }
}

/**
 * @param {string} shape
 * @param {number} size
 */
function shapeOf(shape, size) {
  if (shape === "diamond") return `M0 ${-1.4 * size}L${1.4 * size} 0L0 ${1.4 * size}L${-1.4 * size} 0Z`;
  if (shape === "square") return `M${-size} ${-size}H${size}V${size}H${-size}Z`;
  if (shape === "cross") return `M${-2 * size} 0H${2 * size}M0 ${-2 * size}V${2 * size}M${-size} 0a${size} ${size} 0 1 0 ${2 * size} 0a${size} ${size} 0 1 0 ${-2 * size} 0`;
  return `M${-size} 0a${size} ${size} 0 1 0 ${2 * size} 0a${size} ${size} 0 1 0 ${-2 * size} 0Z`;
}
