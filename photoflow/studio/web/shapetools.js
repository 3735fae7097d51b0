// Tools that say what belongs to a layer, and that add layers.

import { drawn } from "photoflow/elements.js";
import { lineOf, pairsOf, simplified } from "photoflow/geometry.js";
import { segments, sizeSlider } from "photoflow/controls.js";
import { line, Tool } from "photoflow/tool.js";

/** @typedef {import("photoflow/types.js").Point} Point */
/** @typedef {import("photoflow/types.js").Pair} Pair */
/** @typedef {import("photoflow/types.js").Work} Work */
/** @typedef {import("photoflow/state.js").State} State */
/** @typedef {import("photoflow/stagearea.js").StageArea} StageArea */

const CLICK = 5; // pixels of the screen: less is a click

/** Clicks that add to a layer or take away from it. */
export class PointTool extends Tool {
  /** @param {State} state */
  constructor(state) {
    super(state, { name: "point", word: "Point", icon: "point", letter: "C", group: "Shape" });
    this.still = true;
    this.takes = false;
    /** @type {(Point & {takes: boolean})[]} clicks that are not answered yet */
    this.pending = [];
  }

  get offered() {
    return this.state.layer !== null;
  }

  get hint() {
    return this.takes
      ? `Click what does not belong to ${this.state.title}.`
      : `Click what belongs to ${this.state.title}. With Shift, a click takes away.`;
  }

  options() {
    return [segments("What a click does", [["add", "Add"], ["take", "Take away"]], this.takes ? "take" : "add", (value) => {
      this.takes = value === "take";
      this.state.tell();
    })]; // prettier-ignore
  }

  /**
   * @param {StageArea} area
   * @param {Point} p
   * @param {PointerEvent} event
   */
  async up(area, p, event) {
    const { layer } = this.state;
    if (!layer) return;
    const takes = this.takes !== (event.shiftKey || event.altKey);
    const mark = { ...p, takes };
    this.pending.push(mark);
    await this.state.edit({ edit: "refine", layer: layer.name, [takes ? "remove" : "add"]: pairsOf([p]) });
    this.pending.splice(this.pending.indexOf(mark), 1);
    area.draw();
  }

  /** @param {StageArea} area */
  drawn(area) {
    return this.pending.map((p) => mark(area, p, p.takes));
  }
}

/** A round brush that paints over a layer, or erases of it. */
export class BrushTool extends Tool {
  /**
   * @param {State} state
   * @param {boolean} erases
   * @param {{size: number}} brush whose size both have in common: a share of the photo's longest side
   */
  constructor(state, erases, brush) {
    super(state, erases
      ? { name: "eraser", word: "Eraser", icon: "eraser", letter: "E", group: "Shape" }
      : { name: "brush", word: "Brush", icon: "brush", letter: "B", group: "Shape" }); // prettier-ignore
    this.still = true;
    this.erases = erases;
    this.brush = brush;
    /** @type {Point[]} */
    this.stroke = [];
    /** @type {{points: Point[], size: number}[]} strokes that are not answered yet */
    this.pending = [];
  }

  get offered() {
    return this.state.layer !== null;
  }

  get hint() {
    return this.erases
      ? `Paint over what does not belong to ${this.state.title}.`
      : `Paint over what belongs to ${this.state.title}.`;
  }

  /** Diameter, pixels of the photo. */
  get size() {
    const photo = this.state.work?.photo ?? { width: 1, height: 1 };
    return Math.max(1, this.brush.size * Math.max(photo.width, photo.height));
  }

  options() {
    return [sizeSlider(this.brush.size, (size) => {
      this.brush.size = size;
    })]; // prettier-ignore
  }

  /**
   * @param {StageArea} area
   * @param {Point} p
   */
  down(area, p) {
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
  async up(area) {
    const { layer } = this.state;
    const points = this.stroke;
    this.stroke = [];
    if (!layer || !points.length) return;
    const said = { points, size: this.size };
    this.pending.push(said);
    const kept = simplified(points, 0.5 * area.unit).map((i) => points[i]);
    await this.state.edit({
      edit: "paint",
      layer: layer.name,
      strokes: [pairsOf(kept)],
      size: this.size,
      erase: this.erases,
    });
    this.pending.splice(this.pending.indexOf(said), 1);
    area.draw();
  }

  cancel() {
    this.stroke = [];
  }

  /**
   * @param {StageArea} area
   * @param {KeyboardEvent} event
   */
  pressed(area, event) {
    if (event.key !== "[" && event.key !== "]") return false;
    this.brush.size = Math.min(0.3, Math.max(0.004, this.brush.size * (event.key === "]" ? 1.2 : 1 / 1.2)));
    this.state.tell();
    return true;
  }

  /** @param {StageArea} area */
  drawn(area) {
    const kind = this.erases ? "erasing" : "painting";
    const strokes = [...this.pending, ...(this.stroke.length ? [{ points: this.stroke, size: this.size }] : [])];
    const shown = strokes.map(({ points, size }) => painted(points, size, kind));
    if (area.at) shown.push(...cursor(area.at, this.size / 2));
    return shown;
  }
}

/** Adds a layer: what is clicked, boxed or painted over. */
export class AddTool extends Tool {
  /**
   * @param {State} state
   * @param {{size: number}} brush
   */
  constructor(state, brush) {
    super(state, { name: "add", word: "Add", icon: "plus", letter: "N", group: "Shape" });
    this.still = true;
    this.brush = brush;
    this.way = "click";
    this.flows = false;
    /** @type {Point[]} */
    this.stroke = [];
    this.waits = false;
  }

  get hint() {
    if (this.waits) return "Looking for its outline …";
    const what = this.flows ? "water, sky or smoke" : "something";
    if (this.way === "box") return `Draw a box around ${what} that should move.`;
    return this.way === "brush" ? `Paint over ${what} that should move.` : `Click ${what} that should move.`;
  }

  options() {
    const ways = segments("How it is shown", [["click", "Click"], ["box", "Box"], ["brush", "Brush"]], this.way, (way) => {
      this.way = way;
      this.state.tell();
    }); // prettier-ignore
    const kinds = segments("What it is", [["thing", "A thing"], ["region", "Water, sky, smoke"]], this.flows ? "region" : "thing", (kind) => {
      this.flows = kind === "region";
      this.state.tell();
    }); // prettier-ignore
    return [ways, kinds];
  }

  /**
   * @param {StageArea} area
   * @param {Point} p
   */
  down(area, p) {
    if (!this.waits) this.stroke = [p];
  }

  /**
   * @param {StageArea} area
   * @param {Point} p
   */
  move(area, p) {
    if (this.stroke.length) this.stroke.push(p);
  }

  /** @param {StageArea} area */
  async up(area) {
    const points = this.stroke;
    if (this.waits || !points.length) return;
    const said = this.#said(area, points);
    if (!said) {
      this.stroke = [];
      return;
    }
    this.waits = true;
    this.state.tell();
    const before = this.state.work;
    const work = await this.state.edit({ edit: "add", region: this.flows, ...said });
    this.waits = false;
    this.stroke = [];
    const added = work?.layers.find((layer) => !before?.layers.some((old) => old.name === layer.name));
    if (added) this.state.set({ chosen: added.name, tool: "point", view: "layers" });
    else this.state.tell();
  }

  cancel() {
    if (!this.waits) this.stroke = [];
  }

  /** @param {StageArea} area */
  drawn(area) {
    const { stroke, way } = this;
    if (!stroke.length) return way === "brush" && area.at ? cursor(area.at, this.#width(area) / 2) : [];
    if (way === "click") return [mark(area, stroke[0], false)];
    if (way === "brush") return [painted(stroke, this.#width(area), "painting")];
    const { x, y, width, height } = boxOf(stroke);
    return [drawn("rect", { class: "box", x, y, width, height })];
  }

  /** @param {StageArea} area */
  #width(area) {
    return 12 * area.unit;
  }

  /**
   * @param {StageArea} area
   * @param {Point[]} points
   */
  #said(area, points) {
    if (this.way === "click") return { points: pairsOf(points.slice(0, 1)) };
    if (this.way === "brush") return { strokes: [pairsOf(simplified(points, 2 * area.unit).map((i) => points[i]))] };
    const { x, y, width, height } = boxOf(points);
    if (Math.min(width, height) >= CLICK * area.unit) return { box: [x, y, width, height] };
    this.state.onproblem("Draw a larger box: press, drag to the opposite corner, let go.");
    return null;
  }
}

/** @param {Point[]} stroke */
function boxOf(stroke) {
  const [from, to] = [stroke[0], stroke[stroke.length - 1]];
  return {
    x: Math.min(from.x, to.x), y: Math.min(from.y, to.y),
    width: Math.abs(from.x - to.x), height: Math.abs(from.y - to.y),
  }; // prettier-ignore
}

/**
 * @param {StageArea} area
 * @param {Point} p
 * @param {boolean} takes
 */
function mark({ unit }, { x, y }, takes) {
  const r = 8 * unit;
  const arm = 4 * unit;
  const d = `M${x - arm} ${y}h${2 * arm}${takes ? "" : `M${x} ${y - arm}v${2 * arm}`}`;
  return drawn("g", { class: "mark" }, drawn("circle", { cx: x, cy: y, r }), drawn("path", { d }));
}

/**
 * @param {Point[]} points
 * @param {number} size
 * @param {string} kind
 */
function painted(points, size, kind) {
  const d = points.length > 1 ? lineOf(points) : `${lineOf(points)}h0.01`;
  const made = drawn("path", { class: `paint ${kind}`, d });
  made.style.setProperty("stroke-width", String(size));
  return made;
}

/**
 * @param {Point} p
 * @param {number} r
 */
function cursor({ x, y }, r) {
  return line(`M${x - r} ${y}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0`, "thin");
}
