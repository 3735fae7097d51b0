/**
 * Plays moving pictures on a canvas, and lets a hand pull what is in them.
 *
 * @typedef {import("photoflow/layer.js").PictureDocument} PictureDocument
 * @typedef {import("photoflow/draw.js").Shown} Shown
 * @typedef {{layer: string, x: number, y: number}} Grip a layer's name, and a point that is held, where it rests
 * @typedef {{layer: string, x: number, y: number, dx: number, dy: number, seconds: number}} Pull a point, where it rests,
 *   its displacement when it was let go, pixels of the picture, and for how long it was held
 */

import { Drawing } from "photoflow/draw.js";
import { Images } from "photoflow/images.js";
import { Layer } from "photoflow/layer.js";
import { Clock } from "photoflow/modes.js";
import { HOLDABLE } from "photoflow/pull.js";

const VERSION = 1; // of moving pictures
const LONGEST = 0.1; // seconds between two frames: after a longer pause, time goes on from where it was
const SLOW = 0.06; // seconds between frames, from which on they are drawn faster, and softer
const FRAMES = 12; // that are looked at for it
const SOLID = 128; // opacity, of 255, from which a point can be taken hold of
const REACH = 14; // pixels of the screen by which a hand may miss

export class Player {
  /**
   * @param {HTMLCanvasElement} canvas it gets as many pixels as the picture; its size on the page is the page's affair.
   */
  constructor(canvas) {
    this.canvas = canvas;
    /** @type {null | ((t: number) => void)} is told the time of each frame that is drawn */
    this.onframe = null;
    /** @type {null | ((pull: Pull) => void)} is told each pull when it ends */
    this.onpull = null;
    this.rate = 1;
    this.#drawing = new Drawing(canvas);
    this.#images = new Images((picture) => this.#drawing.forget(picture));
    this.#listen();
  }

  #drawing;
  #images;
  #ended = new AbortController();
  /** @type {PictureDocument | null} */
  #picture = null;
  /** @type {Shown[]} from the back to the front */
  #shown = [];
  #number = 0; // of calls of `show`
  #playing = !matchMedia("(prefers-reduced-motion: reduce)").matches;
  #time = 0;
  #frame = 0; // that is asked for
  #last = NaN; // when the latest one was drawn, milliseconds
  #changed = true;
  #pace = 0; // seconds between the latest frames, about
  #quick = false; // the latest frame was drawn so
  #handles = false;
  /** @type {{layer: Layer, rest: [number, number], since: number, dx: number, dy: number} | null} */
  #held = null;

  /**
   * Show a moving picture in place of the present one, while time goes on.
   *
   * @param {PictureDocument} picture
   */
  async show(picture) {
    if (picture.version !== VERSION) {
      throw new Error(`player: expected a moving picture of version ${VERSION}, got ${picture.version}`);
    }
    const number = ++this.#number;
    const names = Object.keys(picture.images);
    const loaded = await Promise.all(names.map((name) => this.#images.load(picture.images[name])));
    if (number !== this.#number) return; // another one was asked for meanwhile
    const image = (/** @type {string} */ name) => loaded[names.indexOf(name)];
    const clock = new Clock(picture.seconds, picture.loop);
    const before = this.#shown;
    this.release();
    this.#shown = picture.layers.map((document, i) => ({
      layer: continued(new Layer(document, clock), before),
      image: image(document.image),
      opacity: document.opacity === null ? null : image(document.opacity),
      cut: i > 0 && document.passes === null,
    }));
    this.#picture = picture;
    this.#images.tidy(new Set(Object.values(picture.images)));
    this.#drawing.keep(this.#shown);
    const { canvas } = this;
    if (canvas.width !== picture.width) canvas.width = picture.width;
    if (canvas.height !== picture.height) canvas.height = picture.height;
    this.seek(this.#time);
    this.#changed = true;
    this.#pace = 0;
    this.#update(0);
    this.#draw(false);
  }

  get playing() {
    return this.#playing;
  }

  /** Go on; at the end of what does not loop, begin anew. */
  play() {
    if (!this.#picture?.loop && this.#time >= this.seconds) this.#time = 0;
    this.#playing = true;
    this.#changed = true;
    this.#wake();
  }

  /** Stop, and show the moment where it was. */
  pause() {
    this.#playing = false;
    this.#changed = true;
    this.#wake();
  }

  /** The moment that is shown, seconds. */
  get time() {
    return this.#time;
  }

  /** The length of the picture, seconds. */
  get seconds() {
    return this.#picture?.seconds ?? 0;
  }

  /** @param {number} t seconds. */
  seek(t) {
    this.#time = this.#within(t);
    this.#wake();
  }

  /** Whether it listens to pointers itself. */
  get handle() {
    return this.#handles;
  }

  set handle(handle) {
    this.#handles = handle;
    if (!handle) this.canvas.style.cursor = "";
  }

  /**
   * Take hold of what is in front at a place, if that can be pulled, or of what is close by.
   *
   * @param {number} x pixels of the picture.
   * @param {number} y
   * @returns {Grip | null} what is held now.
   */
  grab(x, y) {
    this.release();
    const found = this.#under(x, y);
    if (!found) return null;
    const { layer, column, row } = found;
    layer.hold(column, row, found.x, found.y);
    const rest = layer.resting(column, row);
    this.#held = { layer, rest, since: performance.now(), dx: x - found.x, dy: y - found.y };
    this.#wake();
    return { layer: layer.name, x: rest[0], y: rest[1] };
  }

  /**
   * Pull what is held to a place.
   *
   * @param {number} x pixels of the picture.
   * @param {number} y
   */
  drag(x, y) {
    const held = this.#held?.layer.held;
    if (!this.#held || !held) return;
    held.x = x - this.#held.dx;
    held.y = y - this.#held.dy;
    this.#wake();
  }

  /**
   * Let go.
   *
   * @returns {Pull | null} what was done.
   */
  release() {
    const held = this.#held;
    if (!held) return null;
    this.#held = null;
    const [dx, dy] = held.layer.release();
    const [x, y] = held.rest;
    const pull = { layer: held.layer.name, x, y, dx, dy, seconds: (performance.now() - held.since) / 1000 };
    this.#wake();
    this.onpull?.(pull);
    return pull;
  }

  /**
   * Return where the point is now that moves most easily, of those that are seen; null: nothing can be pulled.
   *
   * @returns {{x: number, y: number} | null} pixels of the picture.
   */
  loosest() {
    let best = null;
    let most = 0;
    for (const { layer } of this.#shown) {
      for (const node of layer.mobile()) {
        const mobility = layer.pull?.mobility[node] ?? 0;
        if (mobility <= most) break;
        const [x, y] = layer.at(node);
        if (this.#front(x, y)?.layer !== layer) continue;
        most = mobility;
        best = { x, y };
        break;
      }
    }
    return best;
  }

  /**
   * Return where a pointer is, pixels of the picture.
   *
   * @param {{clientX: number, clientY: number}} event
   */
  pointAt(event) {
    const { left, top, width, height } = this.canvas.getBoundingClientRect();
    const { canvas } = this;
    return {
      x: (event.clientX - left) / width * canvas.width - 0.5,
      y: (event.clientY - top) / height * canvas.height - 0.5,
    };
  }

  /** Return the present frame, RGBA, the first row first. */
  pixels() {
    this.#update(0);
    return this.#drawing.pixels(this.#shown);
  }

  /** Stop for good. */
  destroy() {
    this.#ended.abort();
    cancelAnimationFrame(this.#frame);
    this.#drawing.gl.getExtension("WEBGL_lose_context")?.loseContext();
  }

  /** @param {number} t */
  #within(t) {
    if (!this.#picture) return Math.max(t, 0);
    const { seconds, loop } = this.#picture;
    return loop ? t - seconds * Math.floor(t / seconds) : Math.min(Math.max(t, 0), seconds);
  }

  #wake() {
    if (!this.#frame && !this.#ended.signal.aborted) this.#frame = requestAnimationFrame((now) => this.#tick(now));
  }

  /** @param {number} now milliseconds. */
  #tick(now) {
    this.#frame = 0;
    if (!this.#picture || this.#drawing.gl.isContextLost()) return;
    const dt = Math.min(Math.max((now - this.#last) / 1000, 0) || 0, LONGEST);
    this.#last = now;
    if (this.#playing) {
      const t = this.#time + dt * this.rate;
      this.#time = this.#within(t);
      if (!this.#picture.loop && t >= this.seconds) this.#playing = false;
    }
    this.#update(dt);
    const runs = this.#playing || this.#shown.some(({ layer }) => layer.held || layer.swinging);
    this.#pace += (dt - this.#pace) / FRAMES;
    // Drawn fast, a frame takes a third of the time: there is a gap, or it would change to and fro.
    this.#draw(runs && this.#pace > (this.#quick ? SLOW / 4 : SLOW));
    if (runs) this.#wake();
    else this.#last = NaN;
  }

  /** @param {boolean} quick whether to draw fast, and softer. */
  #draw(quick) {
    if (quick !== this.#quick) this.#changed = true;
    if (!this.#changed || this.#drawing.gl.isContextLost()) return;
    this.#changed = false;
    this.#quick = quick;
    this.#drawing.draw(this.#shown, quick);
    this.onframe?.(this.#time);
  }

  /** @param {number} dt */
  #update(dt) {
    for (const { layer } of this.#shown) {
      const { revision } = layer;
      layer.update(this.#time, dt);
      if (layer.revision !== revision) this.#changed = true;
    }
  }

  /**
   * Find what can be pulled at a place, or as near to it as a hand may miss.
   *
   * @param {number} x
   * @param {number} y
   */
  #under(x, y) {
    const there = this.#front(x, y);
    if (there) return this.#holdable(there, x, y);
    const pixel = this.canvas.width / Math.max(this.canvas.clientWidth, 1);
    for (const far of [REACH / 2, REACH]) {
      for (let turn = 0; turn < 8; turn++) {
        const [px, py] = [x + far * pixel * Math.cos(turn * Math.PI / 4), y + far * pixel * Math.sin(turn * Math.PI / 4)];
        const near = this.#front(px, py);
        const found = near && this.#holdable(near, px, py);
        if (found) return found;
      }
    }
    return null;
  }

  /**
   * @param {{layer: Layer, column: number, row: number}} point
   * @param {number} x
   * @param {number} y
   */
  #holdable(point, x, y) {
    return (point.layer.pull?.mobilityAt(point.column, point.row) ?? 0) >= HOLDABLE ? { ...point, x, y } : null;
  }

  /**
   * Return the layer in front at a place, of those that can be pulled, and the point of its mesh there.
   *
   * @param {number} x
   * @param {number} y
   */
  #front(x, y) {
    for (const { layer, image, opacity } of [...this.#shown].reverse()) {
      const at = layer.pull && layer.under(x, y);
      if (!at) continue;
      const [left, top] = layer.resting(at[0], at[1]);
      const [boxLeft, boxTop, width, height] = layer.document.box;
      const veil = opacity ?? image;
      const [column, row] = [[left - boxLeft + 0.5, width, veil.width], [top - boxTop + 0.5, height, veil.height]].map(
        ([place, side, pixels]) => Math.min(Math.max(Math.floor(place / side * pixels), 0), pixels - 1));
      if (veil.opacity()[row * veil.width + column] >= SOLID) return { layer, column: at[0], row: at[1] };
    }
    return null;
  }

  #listen() {
    const { canvas } = this;
    const { signal } = this.#ended;
    canvas.addEventListener("webglcontextlost", (event) => event.preventDefault(), { signal });
    canvas.addEventListener("webglcontextrestored", () => {
      this.#drawing.restore();
      this.#changed = true;
      this.#wake();
    }, { signal });
    canvas.addEventListener("pointerdown", (event) => this.#press(event), { signal });
    canvas.addEventListener("pointermove", (event) => this.#move(event), { signal });
    for (const name of /** @type {const} */ (["pointerup", "pointercancel"])) {
      canvas.addEventListener(name, () => this.#lift(), { signal });
    }
    // A finger that pulls does not scroll; one beside what can be pulled does, and so do two.
    canvas.addEventListener("touchmove", (event) => {
      if (this.#handles && this.#held && event.touches.length === 1 && event.cancelable) event.preventDefault();
    }, { signal, passive: false });
  }

  /** @param {PointerEvent} event */
  #press(event) {
    if (!this.#handles || event.button !== 0) return;
    if (!event.isPrimary) {
      this.#lift();
      return;
    }
    const { x, y } = this.pointAt(event);
    if (!this.grab(x, y)) return;
    this.canvas.setPointerCapture(event.pointerId);
    this.canvas.style.cursor = "grabbing";
  }

  /** @param {PointerEvent} event */
  #move(event) {
    if (!this.#handles) return;
    const { x, y } = this.pointAt(event);
    if (this.#held) this.drag(x, y);
    else if (event.pointerType === "mouse") this.canvas.style.cursor = this.#under(x, y) ? "grab" : "";
  }

  #lift() {
    if (!this.#handles || !this.#held) return;
    this.release();
    this.canvas.style.cursor = "";
  }
}

/**
 * Let a layer swing on as one of that name does that can be pulled in the same way.
 *
 * @param {Layer} layer
 * @param {Shown[]} before
 */
function continued(layer, before) {
  const old = before.find((one) => one.layer.name === layer.name)?.layer;
  const same = old?.document.pull && old.document.pull.shapes === layer.document.pull?.shapes && old.rows === layer.rows;
  if (same) layer.pull = old.pull;
  return layer;
}
