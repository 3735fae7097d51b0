// A photo comes in: dropped, pasted, chosen, or taken with the camera of a phone.

import * as api from "photoflow/api.js";
import { byId, say } from "photoflow/elements.js";
import { store } from "photoflow/store.js";

/** Listen for photos. */
export function listen() {
  const input = /** @type {HTMLInputElement} */ (byId("file-input"));
  const camera = /** @type {HTMLInputElement} */ (byId("camera-input"));
  for (const one of [input, camera]) {
    one.addEventListener("change", () => {
      if (one.files?.[0]) bring(one.files[0]);
      one.value = "";
    });
  }
  byId("choose").addEventListener("click", () => input.click());
  byId("open").addEventListener("click", () => input.click());
  byId("take").addEventListener("click", () => camera.click());
  // Only where there is a finger is there likely a camera that looks at things.
  byId("take").hidden = !matchMedia("(pointer: coarse)").matches;
  listenToDrops();
  document.addEventListener("paste", (event) => {
    const file = [...(event.clipboardData?.files ?? [])][0];
    if (file) bring(file);
    else if (!(event.target instanceof HTMLInputElement)) say("The clipboard holds no picture; copy one first.", true);
  });
}

function listenToDrops() {
  const over = (/** @type {boolean} */ is) => {
    byId("empty").classList.toggle("over", is);
    byId("frame").classList.toggle("over", is);
  };
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    over(true);
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) over(false);
  });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    over(false);
    const file = event.dataTransfer?.files[0];
    if (file) bring(file);
    else say("That is no file; expected a photo.", true);
  });
}

/**
 * Open a photo, or a stage.
 * @param {File} file
 */
export async function bring(file) {
  const done = busy("Looking at the photo …");
  try {
    const work = await api.open(file, file.name || "photo");
    store.take(work);
    if (!work.layers.length) say(work.note ? `Nothing was found: ${work.note}. Add what should move.` : "Nothing was found. Add what should move.");
  } catch (error) {
    say(error instanceof Error ? error.message : String(error), true);
  } finally {
    done();
  }
}

/**
 * Show that something takes its time; return what ends that.
 * @param {string} text
 */
export function busy(text) {
  const element = byId("busy");
  const line = /** @type {HTMLElement} */ (element.querySelector("span"));
  line.textContent = text;
  element.hidden = false;
  return () => {
    if (line.textContent === text) element.hidden = true;
  };
}
