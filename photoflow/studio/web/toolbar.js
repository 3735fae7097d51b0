// The tools, and a line that says what the one in hand does.

import { byId, element, refill } from "photoflow/elements.js";
import { icon } from "photoflow/icons.js";
import { Panel } from "photoflow/panel.js";

/** @typedef {import("photoflow/state.js").State} State */
/** @typedef {import("photoflow/tool.js").Tool} Tool */
/** @typedef {import("photoflow/stagearea.js").StageArea} StageArea */
/** @typedef {import("photoflow/preview.js").Preview} Preview */

export class Toolbar extends Panel {
  /**
   * @param {State} state
   * @param {Record<string, Tool>} tools
   * @param {StageArea} area
   * @param {Preview} preview
   */
  constructor(state, tools, area, preview) {
    super(state, byId("tools"));
    this.tools = tools;
    this.area = area;
    this.preview = preview;
    this.before = state.tool;
    this.line = byId("tool-line");
  }

  makeup() {
    return [this.state.work?.id, this.state.tool, Object.values(this.tools).map((tool) => tool.offered)];
  }

  build() {
    if (!this.state.work) return [];
    const groups = ["Play", "Shape", "Motion"].map((name) => {
      const tools = Object.values(this.tools).filter((tool) => tool.group === name && tool.offered);
      return element(
        "div",
        { class: "tool-group", role: "group", "aria-label": name },
        ...tools.map((tool) => this.#button(tool)),
      );
    });
    return groups.filter((group) => group.childElementCount);
  }

  update() {
    const { state, area } = this;
    if (!this.tools[state.tool].offered) state.tool = "pull";
    if (state.tool !== this.before) {
      this.tools[this.before].left(area);
      this.before = state.tool;
      area.draw();
    }
    const other = this.made;
    super.update();
    if (other !== this.made)
      this.node.querySelector("[aria-pressed=true]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
    this.#say();
  }

  /** @param {Tool} tool */
  #button(tool) {
    const { state } = this;
    const title = `${tool.word} (${tool.letter})`;
    return element(
      "button",
      {
        class: "tool",
        type: "button",
        "data-key": `tool ${tool.name}`,
        "aria-pressed": String(state.tool === tool.name),
        title,
        click: () => state.set({ tool: tool.name }),
      },
      icon(tool.icon),
      element("span", {}, tool.word),
    );
  }

  /** Say what the tool does, and show what can be set of it. */
  #say() {
    const { state, line, preview } = this;
    line.hidden = !state.work;
    if (!state.work || line.querySelector("input:active")) return; // a slider in hand is left there
    const tool = this.tools[state.tool];
    const problem = !tool.still && preview.problem && !state.busy ? preview.problem : "";
    const words = problem ? sentence(problem) : preview.lack || forHand(tool.hint);
    const wrong = problem && problem !== state.work.problem; // that nothing moves yet is nothing wrong
    const text = element("p", { class: wrong ? "hint problem" : "hint" }, words);
    const options = tool.options();
    refill(line, text, ...(options.length ? [element("div", { class: "options" }, ...options)] : []));
  }
}

/**
 * Say it to a finger where there is no mouse.
 * @param {string} words
 */
function forHand(words) {
  if (!matchMedia("(pointer: coarse)").matches) return words;
  return words.replace(/\bClick\b/g, "Tap").replace(/\bclick\b/g, "tap");
}

/** @param {string} words */
function sentence(words) {
  const text = words.charAt(0).toUpperCase() + words.slice(1);
  return /[.!?…]$/.test(text) ? text : `${text}.`;
}
