// The list of what is on the photo: what moves, what is switched off, what it is.

import { choice } from "photoflow/controls.js";
import { element } from "photoflow/elements.js";
import { icon } from "photoflow/icons.js";
import { Panel } from "photoflow/panel.js";
import { CAMERA } from "photoflow/state.js";
import { KIND_WORDS, sentence, titleOf } from "photoflow/titles.js";

/** @typedef {import("photoflow/types.js").Layer} Layer */
/** @typedef {import("photoflow/state.js").State} State */

export class LayersPanel extends Panel {
  /**
   * @param {State} state
   * @param {HTMLElement} node
   */
  constructor(state, node) {
    super(state, node);
    this.renaming = "";
  }

  makeup() {
    const { work, chosen, catalogue, tool } = this.state;
    const layers = work?.layers.map((l) => [
      l.name,
      l.label,
      l.kind,
      l.sure,
      l.why,
      l.region,
      l.on,
      this.state.wordsOf(l.name),
    ]);
    return [
      work?.id,
      work?.note,
      layers,
      chosen,
      cameraWords(this.state),
      catalogue.kinds.length,
      this.renaming,
      tool === "add",
    ];
  }

  build() {
    const { work, tool } = this.state;
    if (!work) return [];
    const add = element(
      "button",
      {
        class: "button wide",
        type: "button",
        "data-key": "add",
        "aria-pressed": String(tool === "add"),
        title: "Show something else that should move (N)",
        click: () => this.state.set({ tool: tool === "add" ? "pull" : "add" }),
      },
      icon("plus"),
      "Add something",
    );
    const note = work.layers.length
      ? null
      : element(
          "p",
          { class: "note" },
          sentence(work.note) || "Nothing was found by itself. Add something that should move.",
        );
    return [
      element("h2", {}, "On the photo"),
      element(
        "ul",
        { class: "rows", "aria-label": "What is on the photo" },
        ...work.layers.map((layer, i) => this.#row(layer, i)),
        this.#camera(),
      ),
      note,
      add,
    ];
  }

  /**
   * @param {Layer} layer
   * @param {number} i
   */
  #row(layer, i) {
    const { state } = this;
    const chosen = state.chosen === layer.name;
    const say = (/** @type {Event} */ event) =>
      state.edit({ edit: "switch", layer: layer.name, on: /** @type {HTMLInputElement} */ (event.target).checked });
    const on = element("input", {
      type: "checkbox",
      role: "switch",
      class: "switch",
      "data-key": `on ${layer.name}`,
      checked: layer.on,
      "aria-label": `${titleOf(state.work, layer)} is animated`,
      title: layer.on ? "Leave it out" : "Take it in",
      change: say,
    });
    const row = element("li", { class: `row-item${chosen ? " chosen" : ""}${layer.on ? "" : " off"}` },
      element("div", { class: "row-head" }, this.#name(layer), on),
      chosen && this.#details(layer, i)); // prettier-ignore
    row.addEventListener(
      "pointerenter",
      (event) => event.pointerType === "mouse" && state.set({ hovered: layer.name }),
    );
    row.addEventListener("pointerleave", () => state.hovered === layer.name && state.set({ hovered: null }));
    return row;
  }

  /** @param {Layer} layer */
  #name(layer) {
    const { state } = this;
    if (this.renaming === layer.name) return this.#renamer(layer);
    const choose = () => state.set({ chosen: layer.name, tool: state.tool === "add" ? "pull" : state.tool });
    const words = element("span", { class: "words" },
      element("span", { class: "name" }, titleOf(state.work, layer)),
      element("span", { class: "about" }, layer.on ? `${KIND_WORDS[layer.kind] ?? layer.kind} · ${state.wordsOf(layer.name)}` : "Left out")); // prettier-ignore
    return element(
      "button",
      {
        class: "row-main",
        type: "button",
        "data-key": `layer ${layer.name}`,
        "aria-pressed": String(state.chosen === layer.name),
        click: choose,
      },
      icon(layer.region ? "region" : "thing"),
      words,
    );
  }

  /** @param {Layer} layer */
  #renamer(layer) {
    const done = () => {
      if (this.renaming !== layer.name) return;
      this.renaming = "";
      const words = input.value.trim();
      const name = words.replace(/\s+/g, "-");
      if (name && name !== layer.name && words !== titleOf(this.state.work, layer)) this.#rename(layer.name, name);
      else this.update();
    };
    const input = element("input", {
      class: "renamer",
      type: "text",
      value: titleOf(this.state.work, layer),
      maxlength: 60,
      "aria-label": `New name of ${titleOf(this.state.work, layer)}`,
      "data-key": "renamer",
      blur: done,
    });
    input.addEventListener("keydown", (event) => {
      event.stopPropagation();
      if (event.key === "Escape") input.value = "";
      if (event.key === "Enter" || event.key === "Escape") done();
    });
    setTimeout(() => input.select());
    return input;
  }

  /**
   * @param {string} old
   * @param {string} name
   */
  async #rename(old, name) {
    const { state } = this;
    const chosen = state.chosen === old;
    const work = await state.edit({ edit: "rename", layer: old, name });
    if (work && chosen) state.set({ chosen: name });
    this.update();
  }

  /**
   * @param {Layer} layer
   * @param {number} i
   */
  #details(layer, i) {
    const { state } = this;
    const { name } = layer;
    const names = state.work?.layers.map((one) => one.name) ?? [];
    const kinds = state.catalogue.kinds.map((value) => ({ value, word: KIND_WORDS[value] ?? value }));
    const kind = choice(
      { word: "It is", hint: "What it is decides how it moves by itself.", choices: kinds },
      `kind-${name}`,
      layer.kind,
      (value) => state.edit({ edit: "kind", layer: name, kind: value }),
    );
    const moved = (/** @type {number} */ to) => {
      const order = names.filter((one) => one !== name);
      order.splice(to, 0, name);
      state.edit({ edit: "arrange", layers: order });
    };
    const tool = (
      /** @type {string} */ key,
      /** @type {import("photoflow/icons.js").Icon} */ shape,
      /** @type {string} */ word,
      /** @type {() => void} */ act,
      off = false,
    ) =>
      element(
        "button",
        { class: "button quiet", type: "button", "data-key": `${key} ${name}`, title: word, disabled: off, click: act },
        icon(shape),
        element("span", {}, word),
      );
    const rename = () => {
      this.renaming = name;
      this.update();
    };
    return element("div", { class: "details" },
      element("p", { class: "why" }, whyOf(layer)),
      kind.node,
      element("div", { class: "buttons four" },
        tool("rename", "pencil", "Rename", rename),
        tool("up", "up", "Forward", () => moved(i - 1), i === 0),
        tool("down", "down", "Back", () => moved(i + 1), i === names.length - 1),
        tool("remove", "trash", "Remove", () => state.edit({ edit: "remove", layer: name })))); // prettier-ignore
  }

  #camera() {
    const { state } = this;
    const chosen = state.chosen === CAMERA;
    const words = element(
      "span",
      { class: "words" },
      element("span", { class: "name" }, "Camera"),
      element("span", { class: "about" }, cameraWords(state)),
    );
    const main = element(
      "button",
      {
        class: "row-main",
        type: "button",
        "data-key": "layer",
        "aria-pressed": String(chosen),
        click: () => state.set({ chosen: CAMERA, tool: "pull" }),
      },
      icon("camera"),
      words,
    );
    return element(
      "li",
      { class: `row-item camera${chosen ? " chosen" : ""}` },
      element("div", { class: "row-head" }, main),
    );
  }
}

/** @param {State} state */
function cameraWords(state) {
  const controls = state.catalogue.motions.find((entry) => entry.type === "camera")?.controls ?? [];
  const words = state
    .motions(CAMERA)
    .flatMap((motion) => controls.filter((one) => motion[one.name]).map((one) => one.word));
  return words.join(" + ") || "Stays still";
}

/** @param {Layer} layer */
function whyOf(layer) {
  if (layer.kind === "unknown") return "It was not recognised. Say what it is, and it may move by itself.";
  const kind = layer.label ?? (KIND_WORDS[layer.kind] ?? layer.kind).toLowerCase();
  const sure = layer.sure < 1 ? `, ${Math.round(100 * layer.sure)} % sure` : "";
  if (layer.why === "as it was said") return `${sentence(kind)}, as you said.`;
  return `${sentence(kind)}${sure}${layer.why ? `: ${layer.why}` : ""}.`;
}
