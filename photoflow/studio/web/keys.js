// Keys, and the page that tells them.

import { byId, make } from "photoflow/elements.js";
import { store } from "photoflow/store.js";
import { TOOLS } from "photoflow/tools.js";

/**
 * Listen to the keyboard.
 * @param {object} acts
 * @param {() => void} acts.toggle play or pause
 * @param {(on: boolean) => void} acts.compare
 * @param {(step: number) => void} acts.step in time
 * @param {() => void} acts.open
 * @param {() => void} acts.save
 * @param {() => void} acts.resized the brush has another size
 */
export function listenToKeys(acts) {
  document.addEventListener("keydown", (event) => {
    const { target } = event;
    const typing = target instanceof HTMLInputElement ? !["range", "radio", "checkbox"].includes(target.type) : target instanceof HTMLSelectElement;
    const dialog = /** @type {HTMLDialogElement} */ (byId("keys"));
    if (dialog.open) return;
    const key = event.key.toLowerCase();
    if ((event.ctrlKey || event.metaKey) && (key === "z" || key === "y")) {
      if (typing) return;
      step(key === "y" || event.shiftKey ? "redo" : "undo");
    } else if (event.ctrlKey || event.metaKey || typing) {
      return;
    } else if (key === "?") {
      showKeys();
    } else if (!store.work) {
      if (key !== "o") return;
      acts.open();
    } else if (key === " " && !(target instanceof HTMLButtonElement)) {
      acts.toggle();
    } else if (key === "c") {
      acts.compare(true);
    } else if (key === "[" || key === "]") {
      store.brush = Math.min(Math.max(store.brush * (key === "]" ? 1.25 : 0.8), 4), 400);
      acts.resized();
    } else if (key === "," || key === ".") {
      acts.step(key === "." ? 1 : -1);
    } else if (key === "o") {
      acts.open();
    } else if (key === "s") {
      acts.save();
    } else if (key === "escape") {
      store.use("hand");
    } else {
      const tool = TOOLS.find((one) => one.key === key);
      if (!tool || event.altKey) return;
      store.use(tool.name);
    }
    event.preventDefault();
  });
  document.addEventListener("keyup", (event) => {
    if (event.key.toLowerCase() === "c") acts.compare(false);
  });
  byId("help").addEventListener("click", showKeys);
  byId("undo").addEventListener("click", () => step("undo"));
  byId("redo").addEventListener("click", () => step("redo"));
}

/** @param {"undo" | "redo"} word */
function step(word) {
  if (store.work?.[word]) store.edit({ edit: word });
}

function showKeys() {
  const dialog = /** @type {HTMLDialogElement} */ (byId("keys"));
  const lines = [
    ...TOOLS.map((tool) => [tool.key.toUpperCase(), `${tool.word}. ${tool.hint}`]),
    ["Space", "Play or pause"], [", .", "One frame back, or on"], ["C", "Hold it: the photo as it is"], ["[ ]", "A smaller, or larger brush"],
    ["Ctrl Z", "Undo; with Shift: redo"], ["O", "Open a photo"], ["S", "Save"], ["Esc", "Back to Pull"],
    ["Tab", "To the photo: arrow keys move a cross, Enter presses and lifts there. To a handle: arrow keys move it, Delete removes it"],
  ]; // prettier-ignore
  const close = make("button", { type: "button", class: "strong", text: "Close", onclick: () => dialog.close() });
  dialog.replaceChildren(make("h2", { id: "keys-title", text: "What the keys do" }), make("dl", {}, ...lines.flatMap(([key, text]) => [make("dt", {}, make("kbd", { text: key })), make("dd", { text })])), close);
  dialog.showModal();
  close.focus();
}
