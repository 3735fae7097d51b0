// The photo: the player, what is drawn over it, and the hand on it.

import * as api from "photoflow/api.js";
import { byId, draw, say } from "photoflow/elements.js";
import { asPath } from "photoflow/curves.js";
import { Handles } from "photoflow/handles.js";
import { busy } from "photoflow/opening.js";
import { Player } from "photoflow/player.js";
import { store } from "photoflow/store.js";
import { toolNow } from "photoflow/tools.js";

/** @typedef {import("photoflow/curves.js").Point} Point */

const CLICK = 5; // pixels of the screen: less than this is no drag
const SLOW = 400; // milliseconds after which it is said that something takes its time
const CROSS = 4; // steps of the cross that the arrow keys move, pixels of the screen

export class View {
  constructor() {
    this.frame = byId("frame");
    this.canvas = /** @type {HTMLCanvasElement} */ (byId("canvas"));
    this.overlay = /** @type {SVGSVGElement} */ (/** @type {unknown} */ (byId("overlay")));
    /** @type {Player | null} */
    this.player = null;
    /** @type {AbortController | null} */
    this.asking = null;
    this.shown = -1; // revision of the picture on the screen
    /** @type {{points: Point[], pointer: number, away: boolean, pulled: boolean} | null} */
    this.stroke = null;
    /** Where the cross of the keys is, pixels of the photo. @type {Point | null} */
    this.cross = null;
    this.handles = new Handles(this.overlay, () => this.unit, (event) => this.at(event));
    /** @type {((pull: any) => void) | null} */
    this.onpull = null;
    this.start();
  }

  start() {
    try {
      this.player = new Player(this.canvas);
    } catch (error) {
      say(`${error instanceof Error ? error.message : error} The photo can be worked on, but not be played.`, true);
    }
    new ResizeObserver(() => this.fit()).observe(byId("canvas-room"));
    store.on("work", () => this.follow());
    store.on("selection", () => this.decorate());
    store.on("tool", () => this.prepare());
    this.frame.addEventListener("pointerdown", (event) => this.down(event));
    this.frame.addEventListener("pointermove", (event) => this.move(event));
    this.frame.addEventListener("pointerup", (event) => this.up(event));
    this.frame.addEventListener("pointercancel", () => this.cancel());
    this.frame.addEventListener("pointerleave", () => this.brushRing(null));
    this.frame.addEventListener("keydown", (event) => this.key(event));
    this.frame.addEventListener("blur", () => {
      this.cross = null;
      this.decorate();
    });
  }

  /** Pixels of the photo per pixel of the screen. */
  get unit() {
    return (store.work?.photo.width ?? 1) / (this.frame.clientWidth || 1);
  }

  /**
   * Return where a pointer is, pixels of the photo.
   * @param {{clientX: number, clientY: number}} event
   * @returns {Point}
   */
  at(event) {
    const place = this.frame.getBoundingClientRect();
    const { width, height } = store.work?.photo ?? { width: 1, height: 1 };
    const inside = (/** @type {number} */ share, /** @type {number} */ most) => Math.min(Math.max(share * most - 0.5, 0), most - 1);
    return [inside((event.clientX - place.left) / place.width, width), inside((event.clientY - place.top) / place.height, height)];
  }

  /** Return a point of the photo in pixels of the picture. @param {Point} point */
  inPicture([x, y]) {
    const { width, height } = store.work?.photo ?? { width: 1, height: 1 };
    return [((x + 0.5) / width) * this.canvas.width - 0.5, ((y + 0.5) / height) * this.canvas.height - 0.5];
  }

  /** Make the photo as large as fits. */
  fit() {
    const { work } = store;
    if (!work) return;
    const room = byId("canvas-room");
    const margin = room.clientWidth < 600 ? 8 : 24;
    const { width, height } = work.photo;
    const scale = Math.min((room.clientWidth - 2 * margin) / width, (room.clientHeight - 2 * margin) / height);
    this.frame.style.setProperty("width", `${Math.max(1, Math.floor(width * scale))}px`);
    this.frame.style.setProperty("height", `${Math.max(1, Math.floor(height * scale))}px`);
    this.overlay.setAttribute("viewBox", `-0.5 -0.5 ${width} ${height}`);
    this.overlay.setAttribute("preserveAspectRatio", "none");
    this.decorate();
  }

  /** Follow the work: show its picture as soon as the server has made it. */
  async follow() {
    const { work } = store;
    if (!work) return;
    const still = /** @type {HTMLImageElement} */ (byId("still"));
    if (still.getAttribute("src") !== work.photo.url) {
      still.src = work.photo.url;
      this.shown = -1;
      this.fit();
    }
    this.decorate();
    this.asking?.abort();
    const asking = (this.asking = new AbortController());
    /** @type {(() => void) | null} */
    let done = null;
    const slow = setTimeout(() => (done = busy(this.shown < 0 ? "Finding what can move …" : "Planning the motion …")), SLOW);
    try {
      const picture = await api.picture(work.id, asking.signal);
      if (asking === this.asking && this.player) await this.player.show(picture);
      this.shown = work.revision;
      this.frame.dataset.revision = String(work.revision);
    } catch (error) {
      if (!(error instanceof DOMException && error.name === "AbortError")) say(error instanceof Error ? error.message : String(error), true);
    } finally {
      clearTimeout(slow);
      /** @type {any} */ (done)?.();
    }
  }

  /** Get ready for the tool: what belongs to something is shown at rest. */
  prepare() {
    const tool = toolNow();
    this.frame.style.setProperty("cursor", tool.gesture === "stroke" ? "none" : tool.gesture === "pull" ? "grab" : "crosshair");
    if (tool.group === "outline") {
      this.player?.pause();
      this.player?.seek(0);
    } else if (!matchMedia("(prefers-reduced-motion: reduce)").matches) {
      this.player?.play();
    }
    this.tell();
    this.decorate();
  }

  /** Say what the tool does. */
  tell() {
    const tool = toolNow();
    const tip = byId("tip");
    const lacking = tool.group === "motion" && !store.layer;
    const wrong = tool.name === "arrow" && store.layer && !store.layer.region ? " It suits places such as water or sky." : "";
    tip.textContent = lacking ? "First choose something: click on it with Pull, or under “Layers”." : tool.group === "outline" && !store.layer ? "Click on what should move, brush over it, or draw a box around it." : tool.hint + wrong;
    tip.hidden = tool.name === "hand" && store.work !== null && this.pulledBefore === true;
  }

  /** Draw what belongs to the selection. */
  decorate() {
    const { layer, work } = store;
    const mask = byId("mask");
    const wanted = Boolean(work && layer && toolNow().group === "outline");
    mask.hidden = !wanted;
    if (wanted && layer) {
      const inner = /** @type {HTMLElement} */ (mask.firstElementChild);
      inner.style.setProperty("mask-image", `url("${layer.mask}")`);
      inner.style.setProperty("-webkit-mask-image", `url("${layer.mask}")`);
    }
    this.handles.show();
    this.tell();
    if (this.cross) this.drawCross();
  }

  /** @param {PointerEvent} event */
  down(event) {
    if (event.button !== 0 || !store.work || this.stroke) return;
    this.frame.setPointerCapture(event.pointerId);
    this.begin(this.at(event), event.pointerId, event.altKey);
  }

  /**
   * @param {Point} point
   * @param {number} pointer
   * @param {boolean} away
   */
  begin(point, pointer, away) {
    const tool = toolNow();
    this.stroke = { points: [point], pointer, away, pulled: false };
    if (tool.gesture === "pull" && this.player) {
      const [x, y] = this.inPicture(point);
      const found = this.player.grab(x, y);
      this.stroke.pulled = found !== null;
      if (found) this.frame.style.setProperty("cursor", "grabbing");
      if (found && store.work?.layers.some((one) => one.name === found.layer)) store.select(found.layer);
    }
  }

  /** @param {PointerEvent} event */
  move(event) {
    const { stroke } = this;
    const points = (event.getCoalescedEvents?.() ?? []).map((one) => this.at(one));
    const point = this.at(event);
    if (toolNow().gesture === "stroke") this.brushRing(point);
    if (!stroke || event.pointerId !== stroke.pointer) return;
    stroke.points.push(...points, point);
    this.drawn(point);
  }

  /**
   * Show a stroke as it is drawn.
   * @param {Point} point
   */
  drawn(point) {
    const { stroke } = this;
    const tool = toolNow();
    if (!stroke) return;
    if (tool.gesture === "pull") {
      const [x, y] = this.inPicture(point);
      this.player?.drag(x, y);
      return;
    }
    this.overlay.querySelector("#stroke")?.remove();
    const [first] = stroke.points;
    const wide = tool.gesture === "stroke" ? store.brush : 3;
    const colour = stroke.away || tool.name === "eraser" ? "#ff9d8f" : tool.name === "pin" ? "#ff9d6c" : tool.name === "free" ? "#8fe388" : "#7cc0ff";
    const line = tool.gesture === "box" ? [first, [point[0], first[1]], point, [first[0], point[1]]] : tool.gesture === "arrow" ? [first, point] : stroke.points;
    if (tool.gesture === "tap") return;
    this.overlay.append(draw("path", { id: "stroke", d: asPath(line, tool.gesture === "box"), fill: "none", stroke: colour, "stroke-width": wide, "stroke-opacity": tool.gesture === "stroke" ? 0.5 : 0.95,
      "stroke-linecap": "round", "stroke-linejoin": "round", "vector-effect": "non-scaling-stroke" })); // prettier-ignore
  }

  /** @param {PointerEvent} event */
  up(event) {
    if (event.pointerId === this.stroke?.pointer) this.end(this.at(event));
  }

  /** @param {Point} point */
  end(point) {
    const { stroke } = this;
    const tool = toolNow();
    this.stroke = null;
    this.overlay.querySelector("#stroke")?.remove();
    if (!stroke) return;
    stroke.points.push(point);
    if (tool.gesture === "pull") {
      this.letGo(stroke);
      return;
    }
    const [first] = stroke.points;
    if (tool.group === "motion" && !store.layer) {
      say("First choose what is meant: click on it with Pull, or under “Layers”.");
      return;
    }
    const points = tool.gesture === "tap" ? [first] : tool.gesture === "arrow" || tool.gesture === "box" ? [first, point] : stroke.points;
    tool.done?.(points, { unit: this.unit, away: stroke.away });
  }

  /** @param {{points: Point[], pulled: boolean}} stroke */
  letGo(stroke) {
    this.frame.style.setProperty("cursor", "grab");
    const pull = stroke.pulled ? this.player?.release() : null;
    const [first] = stroke.points;
    const far = Math.max(...stroke.points.map((one) => Math.hypot(one[0] - first[0], one[1] - first[1]))) / this.unit;
    if (far < CLICK) {
      if (!stroke.pulled) this.choose(first);
      return;
    }
    if (!pull) {
      say("Nothing there can be pulled. Add it as something that moves: Add, then a click.");
      return;
    }
    this.pulledBefore = true;
    this.tell();
    const scale = (store.work?.photo.width ?? 1) / this.canvas.width;
    this.onpull?.({ layer: pull.layer, x: pull.x * scale, y: pull.y * scale, dx: pull.dx * scale, dy: pull.dy * scale, hold: pull.seconds });
  }

  /**
   * Select what is at a point and cannot be pulled: a place, by its box.
   * @param {Point} point
   */
  choose([x, y]) {
    const around = store.work?.layers.filter(({ box }) => x >= box[0] && y >= box[1] && x <= box[0] + box[2] && y <= box[1] + box[3]) ?? [];
    const [least] = around.sort((a, b) => a.box[2] * a.box[3] - b.box[2] * b.box[3]);
    if (least) store.select(least.name);
  }

  cancel() {
    if (this.stroke?.pulled) this.player?.release();
    this.stroke = null;
    this.overlay.querySelector("#stroke")?.remove();
  }

  /**
   * Show how large the brush is.
   * @param {Point | null} point
   */
  brushRing(point) {
    this.overlay.querySelector("#ring")?.remove();
    if (!point) return;
    this.overlay.append(draw("circle", { id: "ring", cx: point[0], cy: point[1], r: (store.brush / 2) * this.unit, fill: "none", stroke: "#fff", "stroke-width": 1.5, "vector-effect": "non-scaling-stroke" }));
  }

  /**
   * Work without a pointer: arrow keys move a cross, Enter presses and lifts.
   * @param {KeyboardEvent} event
   */
  key(event) {
    if (event.target !== this.frame || !store.work) return;
    const { width, height } = store.work.photo;
    const step = (event.shiftKey ? 10 : 1) * CROSS * this.unit;
    const way = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] }[event.key];
    if (way) {
      const [x, y] = this.cross ?? [width / 2, height / 2];
      this.cross = [Math.min(Math.max(x + way[0], 0), width - 1), Math.min(Math.max(y + way[1], 0), height - 1)];
      if (this.stroke) {
        this.stroke.points.push(this.cross);
        this.drawn(this.cross);
      }
      this.drawCross();
    } else if (event.key === "Enter" && this.cross) {
      if (this.stroke) this.end(this.cross);
      else this.begin(this.cross, -1, event.altKey);
      if (toolNow().gesture === "tap") this.end(this.cross);
    } else if (event.key === "Escape" && this.stroke) {
      this.cancel();
    } else return;
    event.preventDefault();
  }

  drawCross() {
    this.overlay.querySelector("#cross")?.remove();
    if (!this.cross) return;
    const [x, y] = this.cross;
    const size = 10 * this.unit;
    this.overlay.append(draw("path", { id: "cross", d: `M${x - size} ${y}H${x + size}M${x} ${y - size}V${y + size}`, stroke: "#fff", "stroke-width": 2, "vector-effect": "non-scaling-stroke" }));
  }
}
