// Keeps the last work in the browser, so that it opens where one was.

import { asked } from "photoflow/api.js";

/** @typedef {import("photoflow/types.js").Work} Work */
/** @typedef {import("photoflow/types.js").Kept} Kept */
/** @typedef {{id: string, name: string, stage: Blob, document: Kept, at: number}} Saved */

const LAST = "photoflow-studio";
const [BASE, STORE] = ["photoflow-studio", "works"];
const MOST = 6; // works
const IDLE = 1500; // milliseconds without a change until a work is kept

/** Return the id of the work that was open last; null: none was. */
export function lastWork() {
  try {
    return localStorage.getItem(LAST);
  } catch {
    return null; // the browser keeps nothing
  }
}

/** @param {string | null} id */
export function rememberLast(id) {
  try {
    if (id === null) localStorage.removeItem(LAST);
    else localStorage.setItem(LAST, id);
  } catch {
    // the browser keeps nothing
  }
}

/**
 * Return what was kept of a work.
 * @param {string} id
 * @returns {Promise<Saved | undefined>}
 */
export async function savedWork(id) {
  try {
    return await done((await store("readonly")).get(id));
  } catch {
    return undefined;
  }
}

/** @param {Work} work */
function documentOf(work) {
  const off = work.layers.filter((layer) => !layer.on).map((layer) => layer.name);
  return { motion: work.motion, settings: work.settings, off };
}

/** Keeps a work a while after its last change. */
export class Keeper {
  constructor() {
    this.timer = 0;
    this.kept = ""; // the layers of the stage that was fetched last
    /** @type {Blob | null} */
    this.stage = null;
  }

  /**
   * Keep a work soon.
   * @param {Work} work
   */
  soon(work) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.#keep(work), IDLE);
  }

  /** @param {Work} work */
  async #keep(work) {
    try {
      const layers = JSON.stringify([
        work.id,
        work.layers.map((l) => [l.name, l.kind, l.label, l.mask, l.free, l.pinned]),
      ]);
      if (!this.stage || layers !== this.kept) {
        this.stage = await (await asked(`/api/works/${work.id}/files/work.stage?whole=true`)).blob();
        this.kept = layers;
      }
      /** @type {Saved} */
      const saved = { id: work.id, name: work.name, stage: this.stage, document: documentOf(work), at: Date.now() };
      const works = await store("readwrite");
      await done(works.put(saved));
      /** @type {Saved[]} */
      const all = await done(works.getAll());
      for (const old of all.sort((a, b) => b.at - a.at).slice(MOST)) works.delete(old.id);
    } catch {
      // Keeping is a comfort: where the browser has no room, or the studio is gone, nothing else fails.
    }
  }
}

/** @param {IDBTransactionMode} mode */
async function store(mode) {
  const request = indexedDB.open(BASE, 1);
  request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: "id" });
  return (await done(request)).transaction(STORE, mode).objectStore(STORE);
}

/**
 * @template T
 * @param {IDBRequest<T>} request
 * @returns {Promise<T>}
 */
function done(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
