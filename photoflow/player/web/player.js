// The player: plays a moving picture at the screen's rate, and lets a hand pull what is in it.

import { Drawing } from "photoflow/draw.js";
import { floatsOf, between, Modes } from "photoflow/modes.js";
import { imagesOf, VERSION } from "photoflow/picture.js";
import { sampled, Simulation } from "photoflow/pull.js";

/** @typedef {import("photoflow/picture.js").PictureDocument} PictureDocument */
/** @typedef {import("photoflow/picture.js").LayerDocument} LayerDocument */
/** @typedef {{layer: string, x: number, y: number, dx: number, dy: number, seconds: number}} Pulled */

const LONGEST = 0.1; // seconds between two frames that are made up for: after a pause nothing leaps
const SEARCHES = 12; // steps to the place of a layer that is seen at a point
const HIT = 0.4; // opacity from which a layer is there
const HIT_SIDE = 320; // longest side of the picture in which it is told where a layer is

/** A layer as it is played. */
class Played {
  /**
   * @param {LayerDocument} layer
   * @param {boolean} loop
   * @param {HTMLImageElement} image
   */
  constructor(layer, loop, image) {
    this.layer = layer;
    this.loop = loop;
    this.image = image;
    this.moves = layer.moves ? new Modes(layer.moves, loop, true) : null;
    this.reads = (layer.passes ?? []).map((one) => (one.reads ? new Modes(one.reads, loop, false) : null));
    this.weights = (layer.passes ?? []).map((one) => floatsOf(one.weights));
    this.nodes = layer.columns * layer.rows;
    this.own = new Float32Array(2 * this.nodes); // displacement without the hand's
    this.moved = new Float32Array(2 * this.nodes);
    this.looks = this.reads.map(() => new Float32Array(2 * this.nodes));
    this.simulation = layer.pull ? new Simulation(layer.pull, layer.columns, layer.rows) : null;
    /** @type {{width: number, height: number, data: Uint8ClampedArray} | null} */
    this.hits = null;
  }

  /**
   * Return how the layer is drawn at a time.
   * @param {number} share of the clip
   * @returns {import("photoflow/draw.js").LayerFrame}
   */
  frame(share) {
    this.own.fill(0);
    this.moves?.addTo(this.own, share);
    this.moved.set(this.own);
    const pulled = this.simulation !== null && !this.simulation.rests;
    if (pulled) this.simulation?.addTo(this.moved, this.layer.step);
    this.reads.forEach((one, i) => {
      this.looks[i].fill(0);
      one?.addTo(this.looks[i], share);
    });
    return {
      moved: this.moves || pulled ? this.moved : null,
      reads: this.looks,
      weights: this.weights.map((one) => between(one, share, this.loop)),
    };
  }

  /**
   * Return the place of the layer, in steps of its mesh, that is seen at a point of the picture; null: it is not there.
   * @param {number} x
   * @param {number} y
   */
  placeAt(x, y) {
    const { layer, moved, nodes } = this;
    const [left, top, width, height] = layer.box;
    const goal = [(x - left) / layer.step, (y - top) / layer.step];
    const place = goal.slice();
    for (let i = 0; i < SEARCHES; i++) {
      for (const axis of [0, 1]) {
        place[axis] = goal[axis] - sampled(moved, axis * nodes, layer.columns, layer.rows, place[0], place[1]) / layer.step;
      }
    }
    const [u, v] = [(place[0] * layer.step + 0.5) / width, (place[1] * layer.step + 0.5) / height];
    if (!(u >= 0 && u <= 1 && v >= 0 && v <= 1)) return null;
    return this.#opacity(u, v) >= HIT ? { x: place[0], y: place[1] } : null;
  }

  /**
   * @param {number} u
   * @param {number} v
   */
  #opacity(u, v) {
    this.hits ??= hitsOf(this.image);
    const { width, height, data } = this.hits;
    const column = Math.min(Math.floor(u * width), width - 1);
    const row = Math.min(Math.floor(v * height), height - 1);
    return data[4 * (row * width + column) + 3] / 255;
  }
}

export class Player {
  /**
   * @param {HTMLCanvasElement} canvas
   */
  constructor(canvas) {
    this.canvas = canvas;
    this.drawing = new Drawing(canvas);
    /** @type {PictureDocument | null} */
    this.picture = null;
    /** @type {Played[]} */
    this.layers = [];
    /** @type {Map<string, HTMLImageElement>} */
    this.images = new Map();
    this.rate = 1;
    this.playing = false;
    /** @type {((t: number) => void) | null} */
    this.onframe = null;
    /** @type {((pull: Pulled) => void) | null} */
    this.onpull = null;
    this.clock = 0;
    this.last = 0;
    this.request = 0;
    this.latest = 0;
    /** @type {{played: Played, x: number, y: number, to: {x: number, y: number}, since: number} | null} */
    this.held = null;
    /** @type {(() => void) | null} */
    this.unhandle = null;
    canvas.addEventListener("webglcontextlost", this.#lost);
    canvas.addEventListener("webglcontextrestored", this.#restored);
  }

  /**
   * Show a picture; time goes on, and images that are known are not loaded again.
   * @param {PictureDocument} picture
   */
  async show(picture) {
    if (picture.version !== VERSION) throw new Error(`A picture of version ${picture.version}; expected ${VERSION}.`);
    const turn = ++this.latest;
    const images = await imagesOf(picture, this.images);
    if (turn !== this.latest) return; // a newer one came meanwhile
    this.release();
    const first = this.picture === null;
    this.picture = picture;
    this.images = images;
    const before = new Map(this.layers.map((played) => [played.layer.name, played]));
    this.layers = picture.layers.map((layer) => {
      const image = /** @type {HTMLImageElement} */ (images.get(picture.images[layer.image]));
      const played = new Played(layer, picture.loop, image);
      const old = before.get(layer.name);
      if (old?.image === image) played.hits = old.hits;
      return played;
    });
    this.#take();
    if (first && !matchMedia("(prefers-reduced-motion: reduce)").matches) this.play();
    this.draw();
    this.#wake();
  }

  play() {
    this.playing = true;
    if (this.picture && !this.picture.loop && this.clock >= this.picture.seconds) this.clock = 0;
    this.#wake();
  }

  pause() {
    this.playing = false;
  }

  /** @param {number} t seconds */
  seek(t) {
    this.clock = t;
    this.draw();
  }

  get seconds() {
    return this.picture?.seconds ?? 0;
  }

  /** The time within the clip, seconds. */
  get time() {
    const { seconds } = this;
    if (!seconds) return 0;
    return this.picture?.loop ? ((this.clock % seconds) + seconds) % seconds : Math.min(Math.max(this.clock, 0), seconds);
  }

  /**
   * Return the point of the picture at which a pointer is.
   * @param {{clientX: number, clientY: number}} event
   */
  pointAt(event) {
    const place = this.canvas.getBoundingClientRect();
    return {
      x: ((event.clientX - place.left) / place.width) * this.canvas.width - 0.5,
      y: ((event.clientY - place.top) / place.height) * this.canvas.height - 0.5,
    };
  }

  /**
   * Return what could be pulled at a point, and where that rests.
   * @param {number} x
   * @param {number} y
   */
  at(x, y) {
    for (const played of this.layers.slice().reverse()) {
      const { simulation, layer } = played;
      if (!simulation) continue;
      const place = played.placeAt(x, y);
      if (place && simulation.canHold(place.x, place.y)) {
        return { played, layer: layer.name, x: layer.box[0] + place.x * layer.step, y: layer.box[1] + place.y * layer.step, place };
      }
    }
    return null;
  }

  /**
   * Take hold of what is at a point.
   * @param {number} x
   * @param {number} y
   */
  grab(x, y) {
    const found = this.at(x, y);
    if (!found) return null;
    this.held = { played: found.played, ...found.place, to: { x, y }, since: performance.now() };
    this.drag(x, y);
    return { layer: found.layer, x: found.x, y: found.y };
  }

  /**
   * Pull what is held to a point.
   * @param {number} x
   * @param {number} y
   */
  drag(x, y) {
    if (!this.held) return;
    this.held.to = { x, y };
    this.#pull();
    this.#wake();
  }

  /**
   * Let go.
   * @returns {Pulled | null} what was held, the place where it rests, and how far it was pulled from where it would be
   */
  release() {
    const { held } = this;
    if (!held) return null;
    const [dx, dy] = held.played.simulation?.target ?? [0, 0];
    held.played.simulation?.release();
    this.held = null;
    const { box, step, name } = held.played.layer;
    const pull = {
      layer: name, x: box[0] + held.x * step, y: box[1] + held.y * step, dx: dx * step, dy: dy * step,
      seconds: (performance.now() - held.since) / 1000,
    }; // prettier-ignore
    this.onpull?.(pull);
    this.#wake();
    return pull;
  }

  /** Bring back what was pulled. */
  reset() {
    this.release();
    for (const played of this.layers) played.simulation?.reset();
    this.draw();
  }

  /** Whether the player listens to pointers itself. */
  get handle() {
    return this.unhandle !== null;
  }

  set handle(wanted) {
    if (wanted === this.handle) return;
    if (this.unhandle) this.unhandle();
    this.unhandle = wanted ? handled(this) : null;
  }

  /** Draw the present frame. */
  draw() {
    if (!this.picture || this.drawing.gl.isContextLost()) return;
    const share = this.time / this.picture.seconds;
    this.drawing.draw(this.layers.map((played) => played.frame(share)));
    this.onframe?.(this.time);
  }

  /** Return the present frame, RGBA. */
  pixels() {
    this.draw();
    return this.drawing.pixels();
  }

  destroy() {
    cancelAnimationFrame(this.request);
    this.latest++;
    this.handle = false;
    this.picture = null;
    this.canvas.removeEventListener("webglcontextlost", this.#lost);
    this.canvas.removeEventListener("webglcontextrestored", this.#restored);
    this.drawing.free();
  }

  #take() {
    const { picture } = this;
    if (picture && !this.drawing.gl.isContextLost()) {
      const addresses = new Map(Object.entries(picture.images));
      this.drawing.take(picture.layers, addresses, this.images, picture.width, picture.height);
    }
  }

  /** Aim the simulation of what is held at the hand, from where its own motion has brought it. */
  #pull() {
    if (!this.held) return;
    const { played, x, y, to } = this.held;
    const { layer, own, nodes, simulation } = played;
    const own_ = [0, 1].map((axis) => sampled(own, axis * nodes, layer.columns, layer.rows, x, y));
    const dx = (to.x - layer.box[0] - own_[0]) / layer.step - x;
    const dy = (to.y - layer.box[1] - own_[1]) / layer.step - y;
    simulation?.drag(x, y, dx, dy);
  }

  #wake() {
    if (!this.request && this.picture) {
      this.last = performance.now();
      this.request = requestAnimationFrame(this.#frame);
    }
  }

  /** @param {number} now */
  #frame = (now) => {
    this.request = 0;
    const dt = Math.min(Math.max((now - this.last) / 1000, 0), LONGEST);
    this.last = now;
    if (!this.picture) return;
    if (this.playing) {
      this.clock += dt * this.rate;
      if (!this.picture.loop && this.clock >= this.picture.seconds) this.playing = false;
      if (this.picture.loop) this.clock = this.time;
    }
    this.#pull();
    let stirs = false;
    for (const { simulation } of this.layers) {
      if (simulation && !simulation.rests) {
        simulation.step(dt);
        stirs = true;
      }
    }
    this.draw();
    if (this.playing || stirs || this.held) this.request = requestAnimationFrame(this.#frame);
  };

  /** @param {Event} event */
  #lost = (event) => {
    event.preventDefault(); // so that it may come back
  };

  #restored = () => {
    this.drawing.prepare();
    this.#take();
    this.draw();
    this.#wake();
  };
}

/**
 * Let a player listen to pointers; return what ends that.
 * @param {Player} player
 */
function handled(player) {
  const { canvas } = player;
  /** @type {number | null} */
  let finger = null;
  const down = (/** @type {PointerEvent} */ event) => {
    if (finger !== null || event.button !== 0) return;
    const { x, y } = player.pointAt(event);
    if (!player.grab(x, y)) return;
    finger = event.pointerId;
    canvas.setPointerCapture(finger);
    canvas.style.cursor = "grabbing";
    event.preventDefault();
  };
  const move = (/** @type {PointerEvent} */ event) => {
    const { x, y } = player.pointAt(event);
    if (event.pointerId === finger) player.drag(x, y);
    else if (finger === null) canvas.style.cursor = player.at(x, y) ? "grab" : "default";
  };
  const up = (/** @type {PointerEvent} */ event) => {
    if (event.pointerId !== finger) return;
    finger = null;
    canvas.style.cursor = "default";
    player.release();
  };
  // What is pulled must not scroll the page; beside it, the page scrolls as ever.
  const touch = (/** @type {TouchEvent} */ event) => {
    const [first] = event.touches;
    if (event.touches.length !== 1) return;
    const { x, y } = player.pointAt(first);
    if (player.held || player.at(x, y)) event.preventDefault();
  };
  canvas.addEventListener("pointerdown", down);
  canvas.addEventListener("pointermove", move);
  canvas.addEventListener("pointerup", up);
  canvas.addEventListener("pointercancel", up);
  canvas.addEventListener("touchstart", touch, { passive: false });
  return () => {
    canvas.removeEventListener("pointerdown", down);
    canvas.removeEventListener("pointermove", move);
    canvas.removeEventListener("pointerup", up);
    canvas.removeEventListener("pointercancel", up);
    canvas.removeEventListener("touchstart", touch);
  };
}

/**
 * Return an image small enough to be looked up at once.
 * @param {HTMLImageElement} image
 */
function hitsOf(image) {
  const scale = Math.min(1, HIT_SIDE / Math.max(image.naturalWidth, image.naturalHeight));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(image.naturalWidth * scale));
  canvas.height = Math.max(1, Math.round(image.naturalHeight * scale));
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d", { willReadFrequently: true }));
  context.drawImage(image, 0, 0, canvas.width, canvas.height);
  return context.getImageData(0, 0, canvas.width, canvas.height);
}
