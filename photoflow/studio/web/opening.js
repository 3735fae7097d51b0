// How photos come in: dropped, pasted, chosen, taken with a phone; and how the last one opens again.

import { document as fetched, Failure, opened, sent } from "photoflow/api.js";
import { byId, element, refill } from "photoflow/elements.js";
import { icon } from "photoflow/icons.js";
import { lastWork, rememberLast, savedWork } from "photoflow/keeping.js";

/** @typedef {import("photoflow/types.js").Work} Work */
/** @typedef {import("photoflow/state.js").State} State */

const GONE = [404, 410]; // the server has forgotten the work
const FORMATS = "image/*,.heic,.heif,.stage";

export class Opening {
  /** @param {State} state */
  constructor(state) {
    this.state = state;
    this.node = byId("welcome");
    this.busy = "";
    this.problem = "";
    this.picker = element("input", {
      type: "file",
      accept: FORMATS,
      class: "unseen",
      tabindex: -1,
      "aria-hidden": "true",
      id: "picker",
    });
    this.camera = element("input", {
      type: "file",
      accept: "image/*",
      capture: "environment",
      class: "unseen",
      tabindex: -1,
      "aria-hidden": "true",
      id: "taker",
    });
    document.body.append(this.picker, this.camera);
    this.#listen();
  }

  update() {
    this.node.hidden = Boolean(this.state.work) && !this.busy;
    if (this.node.hidden) return;
    if (this.busy) {
      refill(
        this.node,
        element(
          "div",
          { class: "opening", role: "status" },
          element("span", { class: "spinner" }),
          element("h1", {}, this.busy),
          element("p", {}, "Looking for what could move."),
        ),
      );
      return;
    }
    refill(this.node,
      element("div", { class: "target" },
        icon("photo"),
        element("h1", {}, "Bring a photo to life"),
        element("p", {}, "Drop a photo here, or paste one. What could move is found by itself; then you say how."),
        element("div", { class: "buttons" },
          element("button", { class: "button accent large", type: "button", "data-key": "pick", click: () => this.picker.click() }, icon("photo"), "Choose a photo"),
          element("button", { class: "button large phone", type: "button", "data-key": "take", click: () => this.camera.click() }, icon("camera"), "Take a photo")),
        this.problem && element("p", { class: "problem", role: "alert" }, this.problem),
        element("p", { class: "small" }, "JPEG, PNG, WebP, TIFF or HEIC, or a .stage file. It stays on the machine that runs the studio."))); // prettier-ignore
  }

  /** Open what was open last, or what the address names. */
  async begin() {
    const named = new URLSearchParams(location.search).get("work");
    const id = named ?? lastWork();
    if (!id) return this.update();
    this.#says("Opening where you were");
    try {
      this.#took(await fetched(`/api/works/${encodeURIComponent(id)}`));
    } catch (error) {
      const gone = error instanceof Failure && GONE.includes(error.status);
      if (gone && (await this.#restored(id))) return;
      if (gone) rememberLast(null);
      this.#failed(gone ? (named ? "This photo is no longer open. Open it again." : "") : lineOf(error));
    }
  }

  /** @param {string} id */
  async #restored(id) {
    const saved = await savedWork(id);
    if (!saved) return false;
    try {
      const work = await opened(saved.stage, saved.name);
      this.#took(await sent(`/api/works/${work.id}/edits`, { edit: "restore", document: saved.document }));
      return true;
    } catch {
      return false;
    }
  }

  /**
   * Open a file.
   * @param {Blob} file
   * @param {string} name
   */
  async open(file, name) {
    if (this.busy) return;
    this.#says(`Opening ${name}`);
    try {
      this.#took(await opened(file, name));
    } catch (error) {
      this.#failed(lineOf(error));
    }
  }

  /** Ask for another photo. */
  pick() {
    this.picker.click();
  }

  /** @param {Work} work */
  #took(work) {
    this.busy = this.problem = "";
    rememberLast(work.id);
    history.replaceState(null, "", `?work=${work.id}`);
    document.title = `${work.name} · photoflow`;
    this.state.open(work);
  }

  /** @param {string} line */
  #failed(line) {
    this.busy = "";
    this.problem = line;
    if (this.state.work && line) this.state.onproblem(line);
    this.state.tell();
  }

  /** @param {string} line */
  #says(line) {
    this.busy = line;
    this.problem = "";
    this.state.tell();
  }

  #listen() {
    for (const input of [this.picker, this.camera]) {
      input.addEventListener("change", () => {
        const file = input.files?.[0];
        input.value = "";
        if (file) this.open(file, file.name);
      });
    }
    let depth = 0;
    const over = (/** @type {number} */ by) => {
      depth = Math.max(0, depth + by);
      document.body.classList.toggle("dropping", depth > 0);
    };
    const files = (/** @type {DragEvent} */ event) => event.dataTransfer?.types.includes("Files");
    window.addEventListener("dragenter", (event) => files(event) && over(1));
    window.addEventListener("dragleave", (event) => files(event) && over(-1));
    window.addEventListener("dragover", (event) => event.preventDefault());
    window.addEventListener("drop", (event) => {
      event.preventDefault();
      over(-depth);
      this.#first(event.dataTransfer, "Drop a photo: this was none.");
    });
    window.addEventListener("paste", (event) => this.#first(event.clipboardData, ""));
  }

  /**
   * Open the first file of what was dropped or pasted.
   * @param {DataTransfer | null} data
   * @param {string} otherwise what is said where there is none
   */
  #first(data, otherwise) {
    const [file] = data?.files ?? [];
    if (file) this.open(file, file.name || "pasted.png");
    else if (otherwise) this.#failed(otherwise);
  }
}

/** @param {unknown} error */
function lineOf(error) {
  return error instanceof Error ? error.message : String(error);
}
