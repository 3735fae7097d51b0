// The hand that is there at first: it pulls what moves, and chooses what is clicked.

import { element } from "photoflow/elements.js";
import { distance } from "photoflow/geometry.js";
import { icon } from "photoflow/icons.js";
import { joined } from "photoflow/starts.js";
import { Tool } from "photoflow/tool.js";

/** @typedef {import("photoflow/types.js").Point} Point */
/** @typedef {import("photoflow/types.js").Motion} Motion */
/** @typedef {import("photoflow/state.js").State} State */
/** @typedef {import("photoflow/stagearea.js").StageArea} StageArea */
/** @typedef {import("photoflow/preview.js").Preview} Preview */
/** @typedef {import("photoflow/player.js").Pull} Pull */

const CLICK = 4; // pixels of the screen: less is a click
const BEGIN = 0.5; // seconds until a pull that is kept begins
const REST = 0.5; // seconds left at least in a loop for what was let go

export class PullTool extends Tool {
  /**
   * @param {State} state
   * @param {Preview} preview
   */
  constructor(state, preview) {
    super(state, { name: "pull", word: "Pull", icon: "hand", letter: "V", group: "Play" });
    this.preview = preview;
    /** @type {Point | null} */
    this.from = null;
    this.held = false;
    this.far = false;
    /** @type {Pull | null} the last pull, in pixels of the photo */
    this.pulled = null;
    this.work = "";
  }

  get hint() {
    if (this.pulled) return "Like that? Keep this pull as a motion.";
    return "Pull the picture and let go. Click a thing to choose it.";
  }

  options() {
    if (!this.pulled || this.state.work?.id !== this.work) return [];
    const keep = element(
      "button",
      { class: "button accent", type: "button", "data-key": "keep", click: () => this.keep() },
      icon("check"),
      "Keep this pull",
    );
    const forget = element(
      "button",
      { class: "button quiet", type: "button", "data-key": "forget", click: () => this.forget() },
      "No",
    );
    return [keep, forget];
  }

  /**
   * @param {StageArea} area
   * @param {Point} p
   */
  down(area, p) {
    this.from = p;
    this.far = false;
    this.held = this.preview.grab(p) !== null;
    area.frame.classList.toggle("grabbing", this.held);
  }

  /**
   * @param {StageArea} area
   * @param {Point} p
   */
  move(area, p) {
    if (!this.from) return;
    this.far ||= distance(p, this.from) > CLICK * area.unit;
    if (this.held) this.preview.drag(p);
  }

  /**
   * @param {StageArea} area
   * @param {Point} p
   */
  up(area, p) {
    const pulled = this.held ? this.preview.release() : null;
    const wasHeld = this.held;
    this.cancel(area);
    if (!this.far) {
      const found = area.layerAt(p);
      if (!found) return;
      this.pulled = null;
      area.flash();
      this.state.set({ chosen: found.name });
    } else if (pulled && this.state.layerOf(pulled.layer)) {
      this.pulled = pulled;
      this.work = this.state.work?.id ?? "";
      this.state.tell();
    } else if (!wasHeld) {
      this.state.onproblem("This cannot be pulled: it is no thing of its own. Make it one with Add.");
    }
  }

  /**
   * @param {StageArea} area
   * @param {Point} p
   */
  hover(area, p) {
    const found = area.layerAt(p)?.name ?? null;
    area.frame.classList.toggle("grabs", found !== null);
    if (found !== this.state.hovered) this.state.set({ hovered: found });
  }

  /** @param {StageArea} area */
  cancel(area) {
    if (this.held) this.preview.release();
    this.held = false;
    this.from = null;
    area.frame.classList.remove("grabbing");
  }

  /** @param {StageArea} area */
  left(area) {
    this.cancel(area);
    this.pulled = null;
    area.frame.classList.remove("grabs");
  }

  forget() {
    this.pulled = null;
    this.state.tell();
  }

  /** Make the last pull a motion of its layer. */
  keep() {
    const { pulled, state } = this;
    if (!pulled || !state.work) return;
    const { layer, x, y, dx, dy } = pulled;
    const { seconds } = state.work.settings;
    const at = Math.min(BEGIN, seconds / 8);
    const hold = Math.min(Math.max(pulled.seconds, 0.2), Math.max(0.1, seconds - at - REST), seconds / 3);
    const motions = state.motions(layer).filter((one) => one.type !== "poke");
    const like = motions.find((one) => one.type === "spectral")?.source ?? "plant";
    const round = (/** @type {number} */ value) => Math.round(100 * value) / 100;
    /** @type {Motion} */
    const poke = {
      type: "poke",
      x: round(x),
      y: round(y),
      dx: round(dx),
      dy: round(dy),
      at: round(at),
      hold: round(hold),
      like,
    };
    this.pulled = null;
    state.set({ chosen: layer, view: "motion" });
    state.say(layer, joined(motions, poke, state.layerOf(layer)));
  }
}
