// The page of the clip: its length, its rate, and whether it is a loop.

import { make } from "photoflow/elements.js";
import { slider, toggle } from "photoflow/controls.js";
import { store } from "photoflow/store.js";

export function clipParts() {
  const settings = store.work?.settings;
  if (!settings) return [];
  const set = (/** @type {string} */ name) => (/** @type {any} */ value) => {
    Object.assign(settings, { [name]: value });
    store.edit({ edit: "settings", [name]: value, key: `settings/${name}` });
  };
  return [
    make("h3", { text: "The clip" }),
    slider({ word: "Length", hint: "How long the clip is.", unit: "s", least: 1, most: 20, step: 0.5, value: settings.seconds, start: 4, change: set("seconds") }),
    slider({ word: "Frames", hint: "More are smoother, and take longer to save.", unit: "a second", least: 10, most: 60, step: 1, value: settings.fps, start: 30, change: set("fps") }),
    toggle({ word: "Loop", hint: "The end leads into the beginning, without a seam.", value: settings.loop, change: set("loop") }),
  ];
}

/** Return the part of a page with the clip's settings; it follows the store. */
export function clipPage() {
  const page = make("div", { class: "page" });
  let built = "";
  store.on("work", () => {
    if (built === store.work?.id && page.contains(document.activeElement)) return;
    built = store.work?.id ?? "";
    page.replaceChildren(...clipParts());
  });
  return page;
}
