// The bar below the photo: time, pace, and what can be laid over it.

import * as api from "photoflow/api.js";
import { byId, icon, make } from "photoflow/elements.js";
import { store } from "photoflow/store.js";
import { draw } from "photoflow/elements.js";

const SOON = 150; // milliseconds after which what is laid over is asked for

/**
 * Fill the bar.
 * @param {import("photoflow/view.js").View} view
 */
export function transport(view) {
  const { player } = view;
  const bar = byId("transport");
  const play = make("button", { type: "button", class: "quiet", "aria-label": "Play or pause", title: "Play or pause (space)" }, icon("pause"));
  const scrub = make("input", { type: "range", min: 0, max: 1, step: 0.001, value: 0, "aria-label": "Time" });
  const time = make("span", { class: "time" });
  const pace = make("select", { class: "optional", "aria-label": "Speed", title: "Speed of the preview" }, ...[["1", "1×"], ["0.5", "½×"], ["0.25", "¼×"]].map(([value, text]) => make("option", { value, text }))); // prettier-ignore
  const compare = toggled("eye", "Photo", "Show the photo as it is (C)");
  const flow = toggled("flow", "Flow", "Colours show where each place goes, and how far");
  const slice = toggled("slice", "Slice", "One row of the picture over time");
  bar.append(play, time, scrub, pace, compare, flow, slice);

  const toggle = () => {
    if (!player) return;
    if (player.playing) player.pause();
    else player.play();
    showPlaying();
  };
  const showPlaying = () => play.replaceChildren(icon(player?.playing ? "pause" : "play"));
  play.addEventListener("click", toggle);
  scrub.addEventListener("input", () => {
    player?.pause();
    player?.seek(Number(scrub.value));
    showPlaying();
  });
  pace.addEventListener("change", () => player && (player.rate = Number(pace.value)));
  if (player) {
    let playing = false;
    player.onframe = (t) => {
      if (document.activeElement !== scrub || player.playing) scrub.value = String(t);
      scrub.style.setProperty("--filled", `${(100 * t) / (player.seconds || 1)}%`);
      time.textContent = `${t.toFixed(1)} / ${player.seconds.toFixed(1)} s`;
      if (playing !== player.playing) {
        playing = player.playing;
        showPlaying();
      }
      overlays.soon();
    };
  }
  const overlays = new Overlays(view, flow, slice);
  compare.addEventListener("click", () => {
    byId("still").hidden = !byId("still").hidden;
    compare.setAttribute("aria-pressed", byId("still").hidden ? "false" : "true");
  });
  store.on("work", () => {
    bar.hidden = false;
    scrub.max = String(store.work?.settings.seconds ?? 1);
    overlays.changed();
  });
  return { toggle, compare };
}

/**
 * @param {string} name
 * @param {string} word
 * @param {string} hint
 */
function toggled(name, word, hint) {
  return make("button", { type: "button", class: "quiet", "aria-pressed": "false", title: hint, "aria-label": word }, icon(name), make("b", { text: word }));
}

/** What is laid over the photo for those who want to know: the flow's colours, and a slice. */
class Overlays {
  /**
   * @param {import("photoflow/view.js").View} view
   * @param {HTMLButtonElement} flow
   * @param {HTMLButtonElement} slice
   */
  constructor(view, flow, slice) {
    this.view = view;
    this.row = 0;
    this.asked = "";
    this.timer = 0;
    this.colours = /** @type {HTMLImageElement} */ (byId("flow"));
    this.strip = byId("slice");
    flow.addEventListener("click", () => {
      this.colours.hidden = !this.colours.hidden;
      flow.setAttribute("aria-pressed", this.colours.hidden ? "false" : "true");
      if (!this.colours.hidden && view.player?.playing) {
        // At rest there are no colours: a time at which something moves is more use.
        view.player.pause();
        view.player.seek(0.3 * view.player.seconds);
      }
      this.asked = "";
      this.soon();
    });
    slice.addEventListener("click", () => {
      this.strip.hidden = !this.strip.hidden;
      slice.setAttribute("aria-pressed", this.strip.hidden ? "false" : "true");
      this.line();
      this.changed();
    });
    store.on("work", () => this.line());
  }

  /** Ask for what belongs to the present time, a little later: not for each frame. */
  soon() {
    if (this.colours.hidden || this.timer) return;
    this.timer = window.setTimeout(() => {
      this.timer = 0;
      const { work } = store;
      const t = this.view.player?.time ?? 0;
      if (!work || this.colours.hidden) return;
      const address = `${api.flowAddress(work.id, Math.min(t, work.settings.seconds))}&v=${work.revision}`;
      if (address !== this.asked) this.colours.src = this.asked = address;
    }, SOON);
  }

  /** Ask for the slice of the work as it is now. */
  changed() {
    this.soon();
    const { work } = store;
    if (!work || this.strip.hidden) return;
    this.row ||= Math.round(work.photo.height / 2);
    const image = /** @type {HTMLImageElement} */ (this.strip.querySelector("img"));
    image.src = `${api.sliceAddress(work.id, Math.min(this.row, work.photo.height - 1))}&v=${work.revision}`;
  }

  /** Draw the line that says which row it is. */
  line() {
    const { overlay, frame } = this.view;
    frame.querySelector("#row")?.remove();
    const { work } = store;
    if (!work || this.strip.hidden) return;
    this.row ||= Math.round(work.photo.height / 2);
    const line = draw("svg", { id: "row", class: "handle", viewBox: overlay.getAttribute("viewBox") ?? "", preserveAspectRatio: "none", tabindex: 0, role: "slider", "aria-label": "Row of the slice", "aria-valuemin": 0, "aria-valuemax": work.photo.height - 1, "aria-valuenow": this.row });
    const hit = draw("g", { class: "handle" });
    const at = (/** @type {number} */ y) => {
      hit.replaceChildren(...[["transparent", 20], ["#fff", 1.5]].map(([stroke, width]) => draw("path", { d: `M0 ${y}H${work.photo.width}`, stroke, "stroke-width": width, "stroke-dasharray": width === 20 ? null : "8 6", "vector-effect": "non-scaling-stroke" }))); // prettier-ignore
      this.row = Math.min(Math.max(Math.round(y), 0), work.photo.height - 1);
      line.setAttribute("aria-valuenow", String(this.row));
    };
    at(this.row);
    line.append(hit);
    hit.addEventListener("pointerdown", (event) => {
      hit.setPointerCapture(/** @type {PointerEvent} */ (event).pointerId);
      event.stopPropagation();
    });
    hit.addEventListener("pointermove", (event) => {
      if (hit.hasPointerCapture(/** @type {PointerEvent} */ (event).pointerId)) at(this.view.at(/** @type {PointerEvent} */ (event))[1]);
    });
    hit.addEventListener("pointerup", () => this.changed());
    line.addEventListener("keydown", (event) => {
      const step = { ArrowUp: -4, ArrowDown: 4 }[/** @type {KeyboardEvent} */ (event).key];
      if (!step) return;
      at(this.row + step);
      this.changed();
      event.preventDefault();
      event.stopPropagation();
    });
    frame.append(line);
  }
}
