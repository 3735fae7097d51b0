// Below the photo: play and pause, the time, the speed, and a look at the photo as it was.

import { byId, element } from "photoflow/elements.js";
import { icon } from "photoflow/icons.js";

/** @typedef {import("photoflow/state.js").State} State */
/** @typedef {import("photoflow/preview.js").Preview} Preview */
/** @typedef {import("photoflow/lenses.js").Lenses} Lenses */

const RATES = [["1", "1×"], ["0.5", "½×"], ["0.25", "¼×"]]; // prettier-ignore

export class Transport {
  /**
   * @param {State} state
   * @param {Preview} preview
   * @param {Lenses} lenses
   */
  constructor(state, preview, lenses) {
    this.state = state;
    this.preview = preview;
    this.lenses = lenses;
    this.node = byId("transport");
    this.shownTime = "";
    this.play = element("button", {
      class: "button round",
      type: "button",
      "data-key": "play",
      click: () => preview.toggle(),
    });
    this.scrubber = element("input", {
      type: "range",
      min: 0,
      max: 4,
      step: 0.01,
      value: 0,
      id: "time",
      "aria-label": "Time",
      title: "Time: drag to any moment",
    });
    this.clock = element("output", { class: "clock", for: "time" });
    this.rate = element(
      "select",
      { class: "small", title: "Speed of the preview", "aria-label": "Speed" },
      ...RATES.map(([value, word]) => element("option", { value }, word)),
    );
    this.compare = this.#button("compare", "compare", "Compare", "Hold to see the photo as it was (hold Y)");
    this.flow = this.#button("flow", "flow", "Flow", "Colours show which way and how far everything has moved (G)");
    this.slice = this.#button("slice", "slice", "Slice", "One row of the photo over time: drag its line (T)");
    this.flow.addEventListener("click", () => this.#look("flow"));
    this.slice.addEventListener("click", () => this.#look("slice"));
    this.node.append(this.play, this.scrubber, this.clock);
    const phone = matchMedia("(max-width: 760px)");
    phone.addEventListener("change", () => this.#place(phone.matches));
    this.#place(phone.matches);
    this.#listen();
    preview.onframe = () => this.#tick();
  }

  update() {
    const { preview } = this;
    const { player } = preview;
    this.node.hidden = !this.state.work;
    const playing = Boolean(player?.playing);
    const word = playing ? "Pause" : "Play";
    if (this.play.title !== `${word} (Space)`) {
      this.play.title = `${word} (Space)`;
      this.play.replaceChildren(icon(playing ? "pause" : "play"), element("span", { class: "unseen" }, word));
    }
    for (const one of [this.play, this.scrubber, this.rate, this.compare, this.flow, this.slice])
      one.disabled = !preview.ready;
    this.scrubber.max = String(player?.seconds || 4);
    this.flow.setAttribute("aria-pressed", String(this.lenses.flowing));
    this.slice.setAttribute("aria-pressed", String(this.lenses.slicing));
    this.#tick();
  }

  /**
   * On a phone there is no room below the photo for all looks at it.
   * @param {boolean} narrow
   */
  #place(narrow) {
    this.node.append(this.compare);
    (narrow ? byId("looks") : this.node).append(this.flow, this.slice, this.rate);
  }

  /** @param {"flow" | "slice"} which */
  #look(which) {
    if (!this.preview.ready) return;
    this.lenses.toggle(which);
    this.update();
  }

  /**
   * Answer a key of the whole page.
   * @param {KeyboardEvent} event
   */
  pressed(event) {
    if (event.key === " ") this.preview.toggle();
    else if (event.key === "g") this.#look("flow");
    else if (event.key === "t") this.#look("slice");
    else if (event.key === "y" && !event.repeat) this.#compare(true);
    else return event.key === "y";
    return true;
  }

  /**
   * @param {string} key
   * @param {import("photoflow/icons.js").Icon} shape
   * @param {string} word
   * @param {string} title
   */
  #button(key, shape, word, title) {
    return element(
      "button",
      { class: "button quiet", type: "button", "data-key": key, title },
      icon(shape),
      element("span", { class: "word" }, word),
    );
  }

  #listen() {
    const { scrubber, compare, rate, preview } = this;
    scrubber.addEventListener("input", () => {
      if (preview.player?.playing) preview.toggle();
      preview.seek(Number(scrubber.value));
    });
    rate.addEventListener("change", () => {
      if (preview.player) preview.player.rate = Number(rate.value);
    });
    const [show, hide] = [() => this.#compare(true), () => this.#compare(false)];
    compare.addEventListener("pointerdown", show);
    for (const name of ["pointerup", "pointercancel", "pointerleave", "blur"]) compare.addEventListener(name, hide);
    compare.addEventListener(
      "keydown",
      (event) =>
        (event.key === " " || event.key === "Enter") && (event.preventDefault(), event.stopPropagation(), show()),
    );
    compare.addEventListener("keyup", hide);
    compare.addEventListener("contextmenu", (event) => event.preventDefault());
    window.addEventListener("keyup", (event) => event.key.toLowerCase() === "y" && hide());
  }

  /** @param {boolean} on */
  #compare(on) {
    byId("frame").classList.toggle("compares", on);
    this.compare.setAttribute("aria-pressed", String(on));
  }

  #tick() {
    const { player } = this.preview;
    const time = player?.time ?? 0;
    const words = `${time.toFixed(1)} / ${(player?.seconds ?? 0).toFixed(1)} s`;
    if (words !== this.shownTime) {
      this.shownTime = words;
      this.clock.textContent = words;
      this.scrubber.setAttribute("aria-valuetext", words);
    }
    this.scrubber.value = String(time);
    this.scrubber.style.setProperty("--share", `${(100 * time) / (player?.seconds || 1)}%`);
    this.lenses.tick(time);
  }
}
