// What is worked on, what is selected, and the edits on their way to the server.

import * as api from "photoflow/api.js";
import { say } from "photoflow/elements.js";

/** @typedef {import("photoflow/api.js").Work} Work */
/** @typedef {import("photoflow/api.js").Motion} Motion */

/** What happens: the work changed; the selection changed; the tool changed. @typedef {"work" | "selection" | "tool"} Happening */

class Store {
  constructor() {
    /** @type {Work | null} */
    this.work = null;
    /** @type {import("photoflow/api.js").Catalogue} */
    this.catalogue = { motions: [], kinds: [], formats: [] };
    /** Name of the selected layer; null: none. @type {string | null} */
    this.selected = null;
    this.tool = "hand";
    this.brush = 40; // pixels of the screen
    /** @type {Map<Happening, Set<() => void>>} */
    this.listeners = new Map();
    /** Edits that wait for the one on its way. @type {{edit: any, done: (work: Work | null) => void}[]} */
    this.waiting = [];
    this.sending = false;
  }

  /**
   * Call a function whenever something happens.
   * @param {Happening} what
   * @param {() => void} act
   */
  on(what, act) {
    const known = this.listeners.get(what) ?? new Set();
    this.listeners.set(what, known.add(act));
  }

  /** @param {Happening} what */
  tell(what) {
    for (const act of this.listeners.get(what) ?? []) act();
  }

  get layer() {
    return this.work?.layers.find((layer) => layer.name === this.selected) ?? null;
  }

  /** The motions of the selected layer. @returns {Motion[]} */
  get motions() {
    return this.selected === null ? [] : this.motionsOf(this.selected);
  }

  /** @param {string} name of a layer; "": the camera @returns {Motion[]} */
  motionsOf(name) {
    return this.work?.motion[name] ?? [];
  }

  /**
   * Take a work in.
   * @param {Work} work
   */
  take(work) {
    const other = work.id !== this.work?.id;
    const before = new Set(other ? [] : this.work?.layers.map((layer) => layer.name));
    const fresh = work.layers.find((layer) => !before.has(layer.name));
    this.work = work;
    if (other) this.selected = work.layers[0]?.name ?? null;
    else if (fresh && work.layers.length > before.size) this.selected = fresh.name;
    else if (!work.layers.some((layer) => layer.name === this.selected)) this.selected = work.layers[0]?.name ?? null;
    this.tell("work");
  }

  /** @param {string | null} name of a layer */
  select(name) {
    if (this.selected === name) return;
    this.selected = name;
    this.tell("selection");
  }

  /** @param {string} name of a tool */
  use(name) {
    if (this.tool === name) return;
    this.tool = name;
    this.tell("tool");
  }

  /**
   * Send an edit; those that have the key of one that still waits take its place. Return the work after it, or null.
   * @param {any} edit
   * @returns {Promise<Work | null>}
   */
  edit(edit) {
    return new Promise((done) => {
      const last = this.waiting.at(-1);
      if (last && edit.key && last.edit.key === edit.key) {
        last.done(null);
        this.waiting[this.waiting.length - 1] = { edit, done };
      } else {
        this.waiting.push({ edit, done });
      }
      this.#send();
    });
  }

  /**
   * Say how a layer moves, at once here and soon there.
   * @param {string} layer "": the camera
   * @param {Motion[]} motions
   * @param {string} [key] of edits that are undone together
   */
  move(layer, motions, key) {
    if (this.work) this.work.motion[layer] = motions;
    return this.edit({ edit: "motion", layer, motions, ...(key ? { key } : {}) });
  }

  async #send() {
    if (this.sending || !this.work) return;
    this.sending = true;
    while (this.waiting.length) {
      const { edit, done } = /** @type {{edit: any, done: (work: Work | null) => void}} */ (this.waiting.shift());
      const { id } = this.work;
      try {
        const work = await api.edit(id, edit);
        if (this.work.id === id) {
          // What waits is newer than this answer: it must not jump back under the hand.
          for (const later of this.waiting) {
            if (later.edit.edit === "motion") work.motion[later.edit.layer] = later.edit.motions;
          }
          this.take(work);
        }
        done(work);
      } catch (error) {
        say(error instanceof Error ? error.message : String(error), true);
        await this.#reload(id);
        done(null);
      }
    }
    this.sending = false;
  }

  /**
   * Show again what the server has.
   * @param {string} id
   */
  async #reload(id) {
    try {
      const work = await api.work(id);
      if (this.work?.id === id) this.take(work);
    } catch {
      // said already
    }
  }
}

export const store = new Store();
