// How the chosen layer, or the camera, moves.

import { choice, slider, toggle } from "photoflow/controls.js";
import { element } from "photoflow/elements.js";
import { icon } from "photoflow/icons.js";
import { Panel } from "photoflow/panel.js";
import { joined, offered, startOf, toolOf } from "photoflow/starts.js";
import { CAMERA } from "photoflow/state.js";

/** @typedef {import("photoflow/types.js").Control} Control */
/** @typedef {import("photoflow/types.js").Entry} Entry */
/** @typedef {import("photoflow/types.js").Motion} Motion */
/** @typedef {import("photoflow/state.js").State} State */
/** @typedef {import("photoflow/stagearea.js").StageArea} StageArea */

const SHOWN = 4; // controls of a motion that are seen at once
/** @type {Record<string, string[]>} what is said on the photo */
const ON_PHOTO = { poke: ["x", "y", "dx", "dy"], drift: ["anchors"] };
/** @type {Record<string, string>} */
const TOOL_WORDS = {
  path: "Draw on the photo",
  arrows: "Draw arrows on the photo",
  aim: "Aim on the photo",
  pivot: "Place it on the photo",
};

export class MotionPanel extends Panel {
  /**
   * @param {State} state
   * @param {HTMLElement} node
   * @param {StageArea} area
   */
  constructor(state, node, area) {
    super(state, node);
    this.area = area;
    this.choosing = false; // whether the catalogue is open
    this.whose = "";
  }

  makeup() {
    const { work, chosen, layer, catalogue, tool } = this.state;
    if (`${work?.id} ${chosen}` !== this.whose) {
      this.whose = `${work?.id} ${chosen}`;
      this.choosing = false;
    }
    const motions = chosen === null ? [] : this.state.motions(chosen);
    const cards = motions.map((one) => [one.type, one.source, Boolean(one.arrows?.length), Array.isArray(one.pivot)]);
    return [
      this.whose,
      this.state.title,
      layer?.region,
      layer?.kind,
      layer?.on,
      cards,
      catalogue.motions.length,
      this.choosing,
      tool,
    ];
  }

  build() {
    const { state } = this;
    const { chosen, layer } = state;
    if (!state.work || chosen === null) return [element("p", { class: "note" }, "Choose a layer to say how it moves.")];
    const motions = state.motions(chosen);
    const title = layer ? `How ${state.title} moves` : "How the camera moves";
    const still = element(
      "p",
      { class: "note" },
      layer ? "It stays still." : "It stays still. Add a motion to push in, pan or go round.",
    );
    return [
      element("h2", { id: "motion-title" }, title),
      layer && !layer.on && element("p", { class: "note" }, "It is left out at the moment: switch it on under Layers."),
      ...(motions.length ? motions.map((one, i) => this.#card(one, i)) : [still]),
      this.#add(motions),
      element("div", { class: "buttons" },
        element("button", { class: "button quiet", type: "button", "data-key": "stays", title: "Take all its motions away", disabled: !motions.length, click: () => state.say(chosen, []) }, icon("still"), "It stays"),
        layer && element("button", { class: "button quiet", type: "button", "data-key": "auto", title: "Let its motion be chosen from what it is", click: () => state.edit({ edit: "auto", layer: chosen }) }, icon("wand"), "Choose for me")),
    ]; // prettier-ignore
  }

  /**
   * @param {Motion} motion
   * @param {number} i
   */
  #card(motion, i) {
    const { state } = this;
    const chosen = state.chosen ?? CAMERA;
    const entry = state.entryOf(motion);
    if (!entry) return element("section", { class: "card" }, element("h3", {}, motion.type));
    const remove = () =>
      state.say(
        chosen,
        state.motions(chosen).filter((_, k) => k !== i),
      );
    const controls = this.#controls(entry, motion).map((control) => this.#control(control, motion, i));
    const [seen, more] = motion.type === "camera" ? [controls, []] : [controls.slice(0, SHOWN), controls.slice(SHOWN)];
    return element("section", { class: "card", "aria-label": entry.word },
      element("div", { class: "card-head" },
        element("h3", { title: entry.hint }, entry.word),
        element("button", { class: "bare", type: "button", "data-key": `remove-${i}`, title: `Take ${entry.word} away`, click: remove }, icon("close"), element("span", { class: "unseen" }, `Take ${entry.word} away`))),
      this.#onPhoto(motion),
      ...seen,
      more.length > 0 && element("details", { class: "more" }, element("summary", { "data-key": `more-${i}` }, "More"), ...more)); // prettier-ignore
  }

  /** The button that takes the tool with which a motion is said on the photo.
   * @param {Motion} motion
   */
  #onPhoto(motion) {
    const { state } = this;
    const tool = toolOf(motion);
    if (!tool || (tool === "arrows" && motion.type !== "drift")) return null;
    const pressed = state.tool === tool;
    return element(
      "button",
      {
        class: "button wide",
        type: "button",
        "data-key": `tool-${tool}`,
        "aria-pressed": String(pressed),
        click: () => state.set({ tool: pressed ? "pull" : tool }),
      },
      icon(/** @type {any} */ (tool)),
      TOOL_WORDS[tool],
    );
  }

  /**
   * Return the controls that say something of a motion as it is.
   * @param {Entry} entry
   * @param {Motion} motion
   */
  #controls(entry, motion) {
    const photo = this.state.work?.photo ?? { width: 1, height: 1 };
    const longest = Math.max(photo.width, photo.height);
    return entry.controls
      .filter((one) => !ON_PHOTO[motion.type]?.includes(one.name) && !["path", "arrows", "points"].includes(one.kind))
      .filter((one) => !(motion.arrows?.length && (one.name === "direction" || one.name === "speed")))
      .map((one) => (one.unit === "px" ? { ...one, least: -longest, most: longest } : one));
  }

  /**
   * @param {Control} control
   * @param {Motion} motion
   * @param {number} i
   */
  #control(control, motion, i) {
    const { state } = this;
    const chosen = state.chosen ?? CAMERA;
    const { name } = control;
    const value = () => state.motions(chosen)[i]?.[name];
    const say = (/** @type {any} */ to, /** @type {boolean} */ done) => {
      const next = state.motions(chosen).map((one, k) => (k === i ? { ...one, [name]: to } : one));
      state.say(chosen, next, state.key(`${chosen}/${i}/${name}`));
      if (done) state.ended();
    };
    const made = this.#made(control, `control-${i}-${name}`, motion[name], say);
    this.updates.push(() => made.update(value()));
    return made.node;
  }

  /**
   * @param {Control} control
   * @param {string} key
   * @param {any} value
   * @param {import("photoflow/controls.js").Said} say
   */
  #made(control, key, value, say) {
    if (control.kind === "number") return slider(control, key, value, say);
    if (control.kind === "toggle") return toggle(control, key, value, say);
    const point = { value: "point", word: "A point on the photo" };
    const choices = [...(control.choices ?? []), ...(Array.isArray(value) ? [point] : [])];
    const made = choice(
      { ...control, choices },
      key,
      Array.isArray(value) ? "point" : value,
      (to, done) => to !== "point" && say(to, done),
    );
    return { node: made.node, update: (/** @type {any} */ to) => made.update(Array.isArray(to) ? "point" : to) };
  }

  /** @param {Motion[]} motions */
  #add(motions) {
    const { state } = this;
    const { layer, catalogue } = state;
    const entries = offered(catalogue.motions, layer);
    if (!layer && motions.length) return null; // one camera does all of it
    const flip = () => {
      this.choosing = !this.choosing;
      this.update();
    };
    if (!layer)
      return element(
        "button",
        {
          class: "button wide",
          type: "button",
          "data-key": "choose",
          click: () => entries[0] && this.#begin(entries[0]),
        },
        icon("plus"),
        "Move the camera",
      );
    const button = element(
      "button",
      {
        class: "button wide",
        type: "button",
        "data-key": "choose",
        "aria-expanded": String(this.choosing),
        click: flip,
      },
      icon(this.choosing ? "close" : "plus"),
      this.choosing
        ? "Close"
        : !motions.length
          ? "Add a motion"
          : layer.region
            ? "Another motion"
            : "Add another motion",
    );
    if (!this.choosing) return button;
    const list = entries.map((entry) =>
      element("button", { class: "entry", type: "button", "data-key": `entry ${entry.word}`, click: () => this.#begin(entry) },
        element("span", { class: "name" }, entry.word), element("span", { class: "about" }, entry.hint)),
    ); // prettier-ignore
    return element(
      "div",
      { class: "catalogue" },
      button,
      element("div", { class: "entries", role: "group", "aria-label": "Motions" }, ...list),
    );
  }

  /** @param {Entry} entry */
  #begin(entry) {
    const { state } = this;
    const { work, layer } = state;
    const chosen = state.chosen ?? CAMERA;
    if (!work) return;
    const motion = startOf(entry, work, layer, layer && this.area.maskOf(layer));
    this.choosing = false;
    state.ended();
    state.say(chosen, joined(state.motions(chosen), motion, layer));
    const tool = toolOf(motion);
    state.set({ tool: tool === "path" || tool === "aim" ? tool : "pull" });
  }
}
