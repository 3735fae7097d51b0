// Two looks at the motion for those who want to know: its flow as colours, and one row of the photo over time.

import { asked } from "photoflow/api.js";
import { byId } from "photoflow/elements.js";

/** @typedef {import("photoflow/state.js").State} State */
/** @typedef {import("photoflow/preview.js").Preview} Preview */

const STEPS = 20; // moments a second at which the flow is asked for

export class Lenses {
  /**
   * @param {State} state
   * @param {Preview} preview
   */
  constructor(state, preview) {
    this.state = state;
    this.preview = preview;
    this.flowing = false;
    this.slicing = false;
    this.row = 0.5; // share of the photo's height
    this.time = 0;
    this.colours = new Fetched(/** @type {HTMLImageElement} */ (byId("flow")));
    this.rows = new Fetched(/** @type {HTMLImageElement} */ (byId("slice-picture")));
    this.line = byId("row-line");
    this.#listen();
  }

  /** @param {"flow" | "slice"} which */
  toggle(which) {
    if (which === "flow") this.flowing = !this.flowing;
    else this.slicing = !this.slicing;
    this.update();
    if (which === "slice" && this.slicing) this.line.focus();
  }

  update() {
    const { work } = this.state;
    const { ready } = this.preview;
    byId("flow").hidden = !(this.flowing && ready);
    byId("slice").hidden = this.line.hidden = !(this.slicing && ready);
    if (!work || !ready) return;
    const { height } = work.photo;
    this.line.style.setProperty("top", `${100 * this.row}%`);
    this.line.setAttribute("aria-valuenow", String(Math.round(this.row * height)));
    this.line.setAttribute("aria-valuemax", String(height - 1));
    byId("slice").classList.toggle("above", this.row > 0.6);
    const at = `/api/works/${work.id}`;
    const changed = this.preview.shown.split(" ")[1];
    if (this.slicing)
      this.rows.want(`${at}/slice.png?row=${Math.min(height - 1, Math.round(this.row * height))}`, changed);
    if (this.flowing)
      this.colours.want(`${at}/flow.png?t=${(Math.round(this.time * STEPS) / STEPS).toFixed(2)}`, changed);
  }

  /** @param {number} time seconds */
  tick(time) {
    this.time = Math.min(time, this.state.work?.settings.seconds ?? 0);
    if (this.flowing) this.update();
  }

  #listen() {
    const { line } = this;
    const put = (/** @type {number} */ share) => {
      this.row = Math.min(1, Math.max(0, share));
      this.update();
    };
    line.addEventListener("pointerdown", (event) => {
      line.setPointerCapture(event.pointerId);
      event.stopPropagation();
    });
    line.addEventListener("pointermove", (event) => {
      if (!line.hasPointerCapture(event.pointerId)) return;
      const place = byId("frame").getBoundingClientRect();
      put((event.clientY - place.top) / place.height);
    });
    line.addEventListener("keydown", (event) => {
      const way = { ArrowUp: -0.01, ArrowDown: 0.01 }[event.key];
      if (way === undefined) return;
      event.preventDefault();
      event.stopPropagation();
      put(this.row + way);
    });
  }
}

/** A picture of the server, of which the newest is asked for as soon as the one before is there. */
class Fetched {
  /** @param {HTMLImageElement} image */
  constructor(image) {
    this.image = image;
    this.wanted = ["", ""];
    this.there = "";
    this.busy = false;
  }

  /**
   * @param {string} address
   * @param {string} changed a word that is another one when the picture is
   */
  want(address, changed) {
    this.wanted = [address, changed];
    if (!this.busy) this.#fetch();
  }

  async #fetch() {
    this.busy = true;
    while (this.there !== this.wanted.join(" ")) {
      const wanted = this.wanted.join(" ");
      try {
        const url = URL.createObjectURL(await (await asked(this.wanted[0])).blob());
        const old = this.image.src;
        this.image.src = url;
        await this.image.decode();
        if (old.startsWith("blob:")) URL.revokeObjectURL(old);
      } catch {
        // what went wrong with the motion is said where the moving picture is
      }
      this.there = wanted;
    }
    this.busy = false;
  }
}
