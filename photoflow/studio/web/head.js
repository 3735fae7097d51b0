// The head of the page: undo and redo, another photo, help, export; and the tabs of a phone.

import { byId, element } from "photoflow/elements.js";
import { icon } from "photoflow/icons.js";
import { calledOf } from "photoflow/titles.js";

/** @typedef {import("photoflow/types.js").Work} Work */
/** @typedef {import("photoflow/state.js").State} State */
/** @typedef {import("photoflow/state.js").View} View */
/** @typedef {import("photoflow/opening.js").Opening} Opening */
/** @typedef {import("photoflow/keys.js").Keys} Keys */
/** @typedef {import("photoflow/icons.js").Icon} Icon */

/** @type {[View, string, Icon][]} */
const TABS = [["layers", "Layers", "layers"], ["motion", "Motion", "motion"], ["clip", "Clip", "clip"], ["export", "Export", "share"]]; // prettier-ignore

export class Head {
  /**
   * @param {State} state
   * @param {Opening} opening
   * @param {Keys} keys
   */
  constructor(state, opening, keys) {
    this.state = state;
    this.name = byId("photo-name");
    this.undo = made("undo", "Undo", () => state.edit({ edit: "undo" }));
    this.redo = made("redo", "Redo", () => state.edit({ edit: "redo" }));
    this.another = made("photo", "New photo", () => opening.pick());
    this.help = made("help", "Keys", () => keys.show());
    this.export = element(
      "button",
      {
        class: "button accent",
        type: "button",
        id: "to-export",
        click: () => state.set({ view: state.view === "export" ? "layers" : "export" }),
      },
      icon("share"),
      element("span", { class: "word" }, "Export"),
    );
    byId("actions").append(this.undo, this.redo, this.another, this.help, this.export);
    this.tabs = TABS.map(([view, word, shape]) =>
      element(
        "button",
        {
          class: "tab",
          type: "button",
          role: "tab",
          id: `tab-${view}`,
          "aria-controls": view,
          click: () => state.set({ view }),
        },
        icon(shape),
        element("span", {}, word),
      ),
    );
    byId("tabs").append(...this.tabs);
  }

  update() {
    const { work, view } = this.state;
    this.name.textContent = work?.name ?? "";
    said(this.undo, "Undo", "Ctrl Z", wordsOf(work, work?.undo));
    said(this.redo, "Redo", "Ctrl Shift Z", wordsOf(work, work?.redo));
    for (const one of [this.undo, this.redo, this.another, this.export]) one.hidden = !work;
    const exports = view === "export";
    this.export.classList.toggle("accent", !exports);
    this.export.lastElementChild?.replaceChildren(exports ? "Back to editing" : "Export");
    for (const [i, [own]] of TABS.entries()) this.tabs[i].setAttribute("aria-selected", String(own === view));
  }
}

/**
 * @param {Icon} shape
 * @param {string} word
 * @param {() => void} act
 */
function made(shape, word, act) {
  return element(
    "button",
    { class: "button quiet", type: "button", title: word, id: `head-${shape}`, click: act },
    icon(shape),
    element("span", { class: "word" }, word),
  );
}

/**
 * Say on a button what it would undo or do again.
 * @param {HTMLButtonElement} button
 * @param {string} word
 * @param {string} key
 * @param {string | null | undefined} what
 */
function said(button, word, key, what) {
  const words = what ? `${word}: ${what}` : word;
  button.disabled = !what;
  button.title = `${words} (${key})`;
  button.setAttribute("aria-label", words);
  button.lastElementChild?.replaceChildren(words);
}

/**
 * Return what the server calls an edit, with layers called as on the page.
 * @param {Work | null} work
 * @param {string | null | undefined} words
 */
function wordsOf(work, words) {
  return work?.layers.reduce(
    (text, layer) => text?.replace(new RegExp(`\\b${layer.name}(?![\\w-])`), calledOf(work, layer)),
    words,
  );
}
