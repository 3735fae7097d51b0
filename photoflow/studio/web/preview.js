// The moving picture: fetched after each change, played at once.

import { asked } from "photoflow/api.js";
import { byId } from "photoflow/elements.js";
import { Player } from "photoflow/player.js";

/** @typedef {import("photoflow/types.js").Point} Point */
/** @typedef {import("photoflow/state.js").State} State */

const CORRECTED = 800; // milliseconds without a change until what nobody sees at the moment is fetched

export class Preview {
  /**
   * @param {State} state
   * @param {() => boolean} covered whether the photo is shown as it is, in place of the moving picture
   */
  constructor(state, covered) {
    this.state = state;
    this.covered = covered;
    this.timer = 0;
    this.canvas = /** @type {HTMLCanvasElement} */ (byId("moving"));
    /** @type {Player | null} */
    this.player = null;
    this.lack = ""; // why nothing is played
    try {
      this.player = new Player(this.canvas);
    } catch (error) {
      this.lack = error instanceof Error ? error.message : String(error);
    }
    this.scale = 1; // pixels of the picture in a pixel of the photo
    this.shown = ""; // the work and revision that is shown
    this.problem = "";
    /** @type {AbortController | null} of the request on its way */
    this.request = null;
    this.wanted = "";
    this.work = "";
    this.onchange = () => {};
    this.onframe = () => {};
    if (this.player) this.player.onframe = () => this.onframe();
  }

  /** Whether something that moves is shown. */
  get ready() {
    return this.player !== null && this.shown.startsWith(`${this.work} `) && !this.problem;
  }

  /** Fetch what changed. */
  update() {
    const { work } = this.state;
    if (work?.id !== this.work) {
      clearTimeout(this.timer);
      this.timer = 0;
      this.request?.abort();
      this.request = null;
      this.work = work?.id ?? "";
      this.shown = this.wanted = this.problem = "";
      if (!matchMedia("(prefers-reduced-motion: reduce)").matches) this.player?.play(); // another one may have been stopped
      this.canvas.classList.remove("ready");
    }
    if (!work || !this.player) return;
    const wanted = `${work.id} ${work.revision}`;
    if (wanted === this.wanted && !(this.timer && !this.covered())) return;
    this.wanted = wanted;
    clearTimeout(this.timer);
    this.timer = 0;
    // A mask that is corrected is answered sooner when the server does not draw what is not seen.
    if (this.covered()) this.timer = setTimeout(() => this.#begin(), CORRECTED);
    else this.#begin();
  }

  #begin() {
    this.timer = 0;
    if (!this.request) this.#fetch();
  }

  async #fetch() {
    const { state, player } = this;
    while (player && state.work && this.wanted !== this.shown) {
      const { id, problem } = state.work;
      const wanted = this.wanted;
      const request = (this.request = new AbortController());
      try {
        if (problem) throw new Error(problem);
        const answer = await asked(`/api/works/${id}/picture`, { signal: request.signal });
        const picture = await answer.json();
        await player.show(picture);
        if (request.signal.aborted) return;
        this.scale = picture.width / state.work.photo.width;
        this.#told(wanted, "");
      } catch (error) {
        if (request.signal.aborted) return;
        this.#told(wanted, error instanceof Error ? error.message : String(error));
      }
    }
    this.request = null;
  }

  /**
   * @param {string} shown
   * @param {string} problem
   */
  #told(shown, problem) {
    this.shown = shown;
    this.problem = problem;
    this.canvas.classList.toggle("ready", !problem);
    this.onchange();
  }

  /** @param {Point} p of the photo */
  grab(p) {
    if (!this.ready || !this.player || !this.canvas.classList.contains("ready")) return null;
    return this.player.grab(this.#toPicture(p.x), this.#toPicture(p.y));
  }

  /** @param {Point} p */
  drag(p) {
    this.player?.drag(this.#toPicture(p.x), this.#toPicture(p.y));
  }

  /** Let go; return the pull in pixels of the photo. */
  release() {
    const pulled = this.player?.release();
    if (!pulled) return null;
    const { scale } = this;
    const [x, y] = [(pulled.x + 0.5) / scale - 0.5, (pulled.y + 0.5) / scale - 0.5];
    return { ...pulled, x, y, dx: pulled.dx / scale, dy: pulled.dy / scale };
  }

  /** @param {number} value */
  #toPicture(value) {
    return (value + 0.5) * this.scale - 0.5;
  }

  toggle() {
    const { player } = this;
    if (!player) return;
    if (player.playing) player.pause();
    else player.play();
    this.onchange();
  }

  /** @param {number} t seconds */
  seek(t) {
    this.player?.seek(t);
  }
}
