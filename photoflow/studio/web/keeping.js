// Autosave: what is worked on is kept in the browser, so that one can reopen it where one was.

import * as api from "photoflow/api.js";
import { store } from "photoflow/store.js";

const NAME = "photoflow-studio";
const IDLE = 3000; // milliseconds without a change after which it is kept
const LAST = "photoflow-studio/last"; // the address of the work

let timer = 0;
let masks = ""; // of which the stage that is kept is

/** Keep the work some time after each change. */
export function keep() {
  store.on("work", () => {
    if (store.work) remember(store.work.id);
    clearTimeout(timer);
    timer = window.setTimeout(write, IDLE);
  });
}

/** @param {string} id */
function remember(id) {
  try {
    localStorage.setItem(LAST, id);
  } catch {
    // a private window keeps nothing
  }
}

/** Forget what is kept. */
export function forget() {
  try {
    localStorage.removeItem(LAST);
  } catch {
    // there is nothing
  }
}

/**
 * Return the work that was open last, from the server or from what was kept here; null: there is none.
 * @returns {Promise<api.Work | null>}
 */
export async function reopened() {
  let id = null;
  try {
    id = localStorage.getItem(LAST);
  } catch {
    return null;
  }
  if (!id) return null;
  try {
    return await api.work(id);
  } catch {
    return restored();
  }
}

async function restored() {
  try {
    const kept = await read();
    if (!kept) return null;
    const work = await api.open(work.stage, kept.name);
    return await api.edit(work.id, { edit: "restore", document: kept.document });
  } catch {
    return null;
  }
}

async function write() {
  const { work } = store;
  if (!work) return;
  try {
    const now = JSON.stringify([work.id, work.layers.map((one) => [one.name, one.mask, one.kind, one.free, one.pinned])]);
    const kept = now === masks ? await read() : null;
    const stage = kept?.stage ?? (await (await api.file(work.id, "work.stage")).blob());
    const off = work.layers.filter((one) => !one.on).map((one) => one.name);
    await put({ stage, name: work.name, document: { motion: work.motion, settings: work.settings, off } });
    masks = now;
  } catch {
    // it is kept after the next change
  }
}

/** @typedef {{stage: Blob, name: string, document: any}} Kept */

/** @returns {Promise<IDBDatabase>} */
function database() {
  return new Promise((done, failed) => {
    const request = indexedDB.open(NAME, 1);
    request.onupgradeneeded = () => request.result.createObjectStore("works");
    request.onsuccess = () => done(request.result);
    request.onerror = () => failed(request.error);
  });
}

/** @returns {Promise<Kept | undefined>} */
async function read() {
  const base = await database();
  return new Promise((done, failed) => {
    const request = base.transaction("works").objectStore("works").get("last");
    request.onsuccess = () => done(request.result);
    request.onerror = () => failed(request.error);
  });
}

/** @param {Kept} kept */
async function put(kept) {
  const base = await database();
  return new Promise((done, failed) => {
    const request = base.transaction("works", "readwrite").objectStore("works").put(kept, "last");
    request.onsuccess = () => done(null);
    request.onerror = () => failed(request.error);
  });
}
