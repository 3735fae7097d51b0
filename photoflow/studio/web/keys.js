// The keyboard: a letter for each tool, and what works everywhere.

import { byId, element } from "photoflow/elements.js";

/** @typedef {import("photoflow/state.js").State} State */
/** @typedef {import("photoflow/tool.js").Tool} Tool */
/** @typedef {import("photoflow/stagearea.js").StageArea} StageArea */
/** @typedef {import("photoflow/transport.js").Transport} Transport */

const EVERYWHERE = [
  ["Space", "Play or pause"], ["Ctrl Z", "Undo"], ["Ctrl Shift Z", "Redo"], ["Ctrl V", "Paste a photo"],
  ["hold Y", "Compare with the photo"], ["G", "Flow as colours"], ["T", "A row over time"],
  ["Arrow keys", "Nudge a point or handle; with Shift by ten"], ["Delete", "Remove a point, stroke or arrow"],
  ["[ and ]", "Size of the brush"], ["Esc", "Back to pulling"], ["?", "This list"],
]; // prettier-ignore

export class Keys {
  /**
   * @param {State} state
   * @param {Record<string, Tool>} tools
   * @param {StageArea} area
   * @param {Transport} transport
   */
  constructor(state, tools, area, transport) {
    this.state = state;
    this.tools = tools;
    this.area = area;
    this.transport = transport;
    this.dialog = /** @type {HTMLDialogElement} */ (byId("keys"));
    this.#fill();
    window.addEventListener("keydown", (event) => this.#pressed(event));
  }

  show() {
    this.dialog.showModal();
  }

  /** @param {KeyboardEvent} event */
  #pressed(event) {
    if (event.defaultPrevented || this.dialog.open) return;
    if (event.key === "?" && !writes(event.target)) {
      this.show();
      return event.preventDefault();
    }
    if (!this.state.work) return;
    if (event.ctrlKey || event.metaKey) {
      const key = event.key.toLowerCase();
      if ((key !== "z" && key !== "y") || writes(event.target)) return;
      const what = event.shiftKey || key === "y" ? "redo" : "undo";
      const { work, busy } = this.state;
      if (work[what] || busy) this.state.edit({ edit: what }); // an answer on its way may bring something
      return event.preventDefault();
    }
    if (event.altKey || uses(event.target, event.key)) return;
    if (this.#answered(event)) event.preventDefault();
  }

  /** @param {KeyboardEvent} event */
  #answered(event) {
    const { state, tools, area } = this;
    if (tools[state.tool].pressed(area, event)) {
      area.draw();
      return true;
    }
    if (event.key === "Escape") {
      tools[state.tool].cancel(area);
      state.set({ tool: "pull" });
      if (document.activeElement instanceof HTMLElement) document.activeElement.blur();
      return true;
    }
    if (this.transport.pressed(event)) return true;
    const tool = Object.values(tools).find((one) => one.letter === event.key.toUpperCase());
    if (!tool?.offered) return false;
    state.set({ tool: tool.name });
    return true;
  }

  #fill() {
    const rows = [...Object.values(this.tools).map((tool) => [tool.letter, tool.word]), ...EVERYWHERE];
    const list = element(
      "dl",
      {},
      ...rows.flatMap(([key, word]) => [
        element(
          "dt",
          {},
          ...key.split(" ").map((one) => (/^(and|hold|keys)$/.test(one) ? ` ${one} ` : element("kbd", {}, one))),
        ),
        element("dd", {}, word),
      ]),
    );
    const close = element("button", { class: "button", type: "button", click: () => this.dialog.close() }, "Close");
    this.dialog.append(element("h2", { id: "keys-title" }, "Keys"), list, close);
    this.dialog.addEventListener("click", (event) => event.target === this.dialog && this.dialog.close());
  }
}

/** @param {EventTarget | null} target */
function writes(target) {
  return target instanceof HTMLElement && target.matches("input[type=text], input[type=number], textarea");
}

/**
 * Return whether what has the focus needs a key itself.
 * @param {EventTarget | null} target
 * @param {string} key
 */
function uses(target, key) {
  if (!(target instanceof HTMLElement)) return false;
  if (writes(target) || target.matches("select")) return key !== "Escape";
  if (target.matches("input[type=range], input[type=radio]"))
    return key.startsWith("Arrow") || key === "Home" || key === "End";
  return target.matches("button, a, summary, input[type=checkbox]") && (key === " " || key === "Enter");
}
