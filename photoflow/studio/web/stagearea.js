// The photo with all that lies over it: the moving picture, outlines, and what the tools draw.

import { byId, drawn, refill } from "photoflow/elements.js";
import { Masks } from "photoflow/masks.js";

/** @typedef {import("photoflow/types.js").Point} Point */
/** @typedef {import("photoflow/types.js").Layer} Layer */
/** @typedef {import("photoflow/state.js").State} State */
/** @typedef {import("photoflow/tool.js").Tool} Tool */

const FLASH = 1400; // milliseconds for which the outline of what was chosen is seen

export class StageArea {
  /**
   * @param {State} state
   * @param {Record<string, Tool>} tools
   */
  constructor(state, tools) {
    this.state = state;
    this.tools = tools;
    this.room = byId("room");
    this.frame = byId("frame");
    this.still = /** @type {HTMLImageElement} */ (byId("still"));
    this.canvas = /** @type {HTMLCanvasElement} */ (byId("moving"));
    this.overlay = /** @type {SVGSVGElement} */ (/** @type {unknown} */ (byId("overlay")));
    this.outlines = drawn("g");
    this.drawing = drawn("g");
    this.overlay.append(this.outlines, this.drawing);
    this.masks = new Masks(() => this.draw());
    this.unit = 1; // pixels of the photo in a pixel of the screen
    this.shownAs = "";
    this.flashed = "";
    this.flashing = 0;
    /** @type {number | null} */
    this.pointer = null;
    /** @type {Point | null} where the pointer is */
    this.at = null;
    this.touched = false; // by a finger, which hides what is under it
    new ResizeObserver(() => this.fit()).observe(this.room);
    this.#listen();
  }

  get tool() {
    return this.tools[this.state.tool];
  }

  /** Show the work that is open. */
  update() {
    const { work } = this.state;
    this.frame.hidden = !work;
    if (!work) return;
    if (this.still.getAttribute("src") !== work.photo.url) {
      this.still.classList.add("waits"); // until it is there a browser shows the one before
      this.still.onload = () => this.still.classList.remove("waits");
      this.still.src = work.photo.url;
      this.still.alt = `The photo ${work.name}`;
      this.fit();
    }
    const { chosen } = this.state;
    const shown = `${work.id} ${chosen}`;
    if (shown !== this.flashed) {
      this.flashed = shown;
      this.flash();
    }
    this.frame.dataset.tool = this.state.tool;
    this.frame.classList.toggle("corrects", this.tool.still);
    this.draw();
  }

  /** Let the outline of the chosen layer be seen for a moment. */
  flash() {
    clearTimeout(this.flashing);
    this.flashing = setTimeout(() => {
      this.flashing = 0;
      this.draw();
    }, FLASH);
  }

  /** Make the photo as large as there is room. */
  fit() {
    const { work } = this.state;
    if (!work) return;
    const { width, height } = work.photo;
    const room = this.room.getBoundingClientRect();
    if (!room.width || !room.height) return;
    const scale = Math.min(room.width / width, room.height / height);
    this.unit = 1 / scale;
    const { style } = this.frame;
    style.setProperty("width", `${width * scale}px`);
    style.setProperty("height", `${height * scale}px`);
    style.setProperty("left", `${(room.width - width * scale) / 2}px`);
    style.setProperty("top", `${(room.height - height * scale) / 2}px`);
    this.overlay.setAttribute("viewBox", `-0.5 -0.5 ${width} ${height}`);
    this.draw();
  }

  /**
   * Return the point of the photo at which a pointer is, kept inside it.
   * @param {{clientX: number, clientY: number}} event
   * @returns {Point}
   */
  pointAt(event) {
    const place = this.frame.getBoundingClientRect();
    const photo = this.state.work?.photo ?? { width: 1, height: 1 };
    const x = ((event.clientX - place.left) / place.width) * photo.width - 0.5;
    const y = ((event.clientY - place.top) / place.height) * photo.height - 0.5;
    return { x: Math.min(Math.max(x, 0), photo.width - 1), y: Math.min(Math.max(y, 0), photo.height - 1) };
  }

  /**
   * Return the layer in front at a point.
   * @param {Point} p
   */
  layerAt(p) {
    const { work } = this.state;
    return work?.layers.find((layer) => layer.on && this.maskOf(layer)?.has(p)) ?? null;
  }

  /** @param {Layer} layer */
  maskOf(layer) {
    return this.state.work ? this.masks.of(layer, this.state.work.photo) : null;
  }

  /** Draw outlines and what the tool shows. */
  draw() {
    const { work } = this.state;
    if (!work) return;
    this.overlay.style.setProperty("--unit", String(this.unit));
    refill(this.outlines, ...this.#outlines());
    refill(this.drawing, ...this.tool.drawn(this));
  }

  /** Whether a hand pulls the picture, which then is elsewhere than its outline. */
  get grabbing() {
    return this.frame.classList.contains("grabbing");
  }

  #outlines() {
    const { work, hovered, layer, tool, busy } = this.state;
    const shown = [];
    for (const one of work?.layers ?? []) {
      const mask = this.maskOf(one); // asked for even where it is not drawn, so that it is there when it is needed
      const edited = one === layer && (this.tool.still || this.flashing) && tool !== "add";
      if (!mask || this.grabbing || !(edited || one.name === hovered)) continue;
      const kind = edited ? (this.tool.still ? "edited" : "flashed") : "hovered";
      shown.push(
        drawn("path", { class: `under ${kind}`, d: mask.outline }),
        drawn("path", { class: `outline ${kind}`, d: mask.outline }),
      );
    }
    this.frame.classList.toggle("busy", busy);
    return shown;
  }

  #listen() {
    const { overlay } = this;
    overlay.addEventListener("pointerdown", (event) => this.#down(event));
    overlay.addEventListener("pointermove", (event) => this.#move(event));
    overlay.addEventListener("pointerup", (event) => this.#up(event, true));
    overlay.addEventListener("pointercancel", (event) => this.#up(event, false));
    overlay.addEventListener("pointerleave", (event) => this.#leave(event));
    overlay.addEventListener("contextmenu", (event) => event.preventDefault());
    overlay.addEventListener("focusin", (event) => this.tool.focused(this, keyOf(event.target)));
  }

  /** @param {PointerEvent} event */
  #down(event) {
    if (this.pointer !== null || event.button !== 0 || !this.state.work) return;
    this.pointer = event.pointerId;
    this.touched = event.pointerType === "touch";
    this.overlay.setPointerCapture(event.pointerId);
    this.at = this.pointAt(event);
    this.state.ended();
    const key = keyOf(event.target);
    this.tool.down(this, this.at, event, key);
    event.preventDefault(); // nothing else is done with it, and what has the focus keeps it
    const handle = key === null ? null : this.overlay.querySelector(`[data-key="${CSS.escape(key)}"]`);
    if (handle instanceof SVGElement) handle.focus({ preventScroll: true });
    this.draw();
  }

  /** @param {PointerEvent} event */
  #move(event) {
    if (this.pointer !== null && event.pointerId !== this.pointer) return;
    this.at = this.pointAt(event);
    if (this.pointer === null) this.tool.hover(this, this.at, event);
    else {
      const passed = event.getCoalescedEvents?.() ?? [];
      for (const one of passed.length ? passed : [event]) this.tool.move(this, this.pointAt(one), event);
    }
    this.draw();
  }

  /**
   * @param {PointerEvent} event
   * @param {boolean} meant
   */
  #up(event, meant) {
    if (event.pointerId !== this.pointer) return;
    this.pointer = null;
    if (meant) this.tool.up(this, this.pointAt(event), event);
    else this.tool.cancel(this);
    if (this.touched) this.at = null;
    this.draw();
  }

  /** @param {PointerEvent} event */
  #leave(event) {
    if (this.pointer !== null && event.pointerId === this.pointer) return;
    this.at = null;
    if (this.state.hovered !== null) this.state.set({ hovered: null });
    this.draw();
  }
}

/** @param {EventTarget | null} target */
function keyOf(target) {
  return (target instanceof Element && target.closest("[data-key]")?.getAttribute("data-key")) || null;
}
