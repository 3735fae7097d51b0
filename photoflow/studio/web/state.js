// What is open and chosen: the work as the server says it, and what the page adds to that.

import { Edits, Failure } from "photoflow/api.js";
import { calledOf } from "photoflow/titles.js";

/** @typedef {import("photoflow/types.js").Work} Work */
/** @typedef {import("photoflow/types.js").Layer} Layer */
/** @typedef {import("photoflow/types.js").Motion} Motion */
/** @typedef {import("photoflow/types.js").Edit} Edit */
/** @typedef {import("photoflow/types.js").Entry} Entry */
/** @typedef {import("photoflow/types.js").Catalogue} Catalogue */
/** @typedef {import("photoflow/types.js").Settings} Settings */
/** @typedef {"layers" | "motion" | "clip" | "export"} View */

export const CAMERA = ""; // the name under which the camera's motions stand

export class State {
  constructor() {
    /** @type {Work | null} */
    this.work = null;
    /** @type {Catalogue} */
    this.catalogue = { motions: [], kinds: [], formats: [] };
    /** @type {string | null} name of a layer, `CAMERA`, or none */
    this.chosen = null;
    /** @type {string | null} name of the layer under the pointer */
    this.hovered = null;
    this.tool = "pull";
    /** @type {View} */
    this.view = "layers";
    this.busy = false;
    /** @type {Edits | null} */
    this.edits = null;
    /** @type {Map<string, Motion[]>} what was said and is not answered yet */
    this.drafts = new Map();
    /** @type {Set<() => void>} */
    this.listeners = new Set();
    /** @type {(line: string) => void} */
    this.onproblem = () => {};
    this.strokes = 0; // counts what is done with one stroke of the hand, which is undone at once
  }

  /** @param {() => void} listener */
  listen(listener) {
    this.listeners.add(listener);
  }

  tell() {
    for (const listener of this.listeners) listener();
  }

  /**
   * Change what the page adds, and tell everybody.
   * @param {Partial<Pick<State, "chosen" | "hovered" | "tool" | "view" | "busy">>} what
   */
  set(what) {
    Object.assign(this, what);
    this.tell();
  }

  /** @param {Work} work */
  open(work) {
    this.work = work;
    this.drafts.clear();
    this.edits = new Edits(work.id, (busy) => this.set({ busy }));
    const first = work.layers.find((layer) => layer.on && work.motion[layer.name]?.length) ?? work.layers[0];
    this.set({ chosen: first?.name ?? null, hovered: null, tool: "pull", view: "layers" });
  }

  close() {
    this.work = null;
    this.edits = null;
    this.set({ chosen: null, hovered: null, tool: "pull", busy: false });
  }

  /** The chosen layer; null: the camera or nothing is chosen. */
  get layer() {
    return this.layerOf(this.chosen);
  }

  /**
   * @param {string | null} name
   * @returns {Layer | null}
   */
  layerOf(name) {
    return this.work?.layers.find((layer) => layer.name === name) ?? null;
  }

  /** What the chosen layer is called within a sentence. */
  get title() {
    return this.layer ? calledOf(this.work, this.layer) : "the camera";
  }

  /**
   * Return the motions of a layer or of the camera, with what was said last.
   * @param {string} name
   */
  motions(name) {
    return this.drafts.get(name) ?? this.work?.motion[name] ?? [];
  }

  /**
   * Return the key of all edits of the present stroke of the hand.
   * @param {string} what
   */
  key(what) {
    return `${what}/${this.strokes}`;
  }

  /** End a stroke of the hand: the next edit is a step of its own. */
  ended() {
    this.strokes += 1;
  }

  /**
   * Send an edit; what goes wrong is said.
   * @param {Edit} edit
   * @returns {Promise<Work | null>} null: it went wrong
   */
  async edit(edit) {
    const { edits } = this;
    if (!edits) return null;
    try {
      const work = await edits.push(edit);
      if (edits !== this.edits) return null; // another photo was opened meanwhile
      this.#take(work);
      return work;
    } catch (error) {
      if (edits !== this.edits) return null;
      if (edits.rest) this.drafts.clear();
      this.onproblem(error instanceof Failure ? error.message : String(error));
      this.tell();
      return null;
    }
  }

  /**
   * Say how a layer or the camera moves.
   * @param {string} name
   * @param {Motion[]} motions
   * @param {string} [key] see `key`
   */
  say(name, motions, key) {
    this.drafts.set(name, motions);
    const sent = this.edit({ edit: "motion", layer: name, motions, ...(key === undefined ? {} : { key }) });
    this.tell();
    return sent;
  }

  /**
   * Return the entry of the catalogue that a motion belongs to.
   * @param {Motion} motion
   * @returns {Entry | undefined}
   */
  entryOf(motion) {
    const all = this.catalogue.motions.filter((entry) => entry.type === motion.type);
    return all.find((entry) => entry.start.source === motion.source) ?? all[0];
  }

  /**
   * Return in words how a layer or the camera moves.
   * @param {string} name
   */
  wordsOf(name) {
    const words = this.motions(name).map((motion) => this.entryOf(motion)?.word ?? motion.type);
    return words.join(" + ") || "Stays still";
  }

  /** @param {Work} work */
  #take(work) {
    const before = this.work;
    if (before && work.revision < before.revision) return;
    this.work = work;
    if (this.edits?.rest) this.drafts.clear();
    if (this.chosen !== CAMERA && !this.layer) {
      const added = work.layers.find((layer) => !before?.layers.some((old) => old.name === layer.name));
      this.chosen = (added ?? work.layers[0])?.name ?? null;
    }
    this.tell();
  }
}
