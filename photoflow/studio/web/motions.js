// The page of motions: how the selected layer moves, and the camera.

import { button, icon, make } from "photoflow/elements.js";
import { choice, slider, toggle } from "photoflow/controls.js";
import { store } from "photoflow/store.js";

/** @typedef {import("photoflow/api.js").Motion} Motion */
/** @typedef {import("photoflow/api.js").Entry} Entry */
/** @typedef {import("photoflow/api.js").Control} Control */

/**
 * Return what the catalogue says of a motion.
 * @param {Motion} motion
 * @returns {Entry | undefined}
 */
export function entryOf(motion) {
  const same = store.catalogue.motions.filter((entry) => entry.type === motion.type);
  return same.find((entry) => entry.start.source === motion.source) ?? same[0];
}

/** @param {Motion} motion */
export function wordOf(motion) {
  return entryOf(motion)?.word ?? motion.type;
}

/**
 * Return a page of motions; it follows the store.
 * @param {boolean} camera whether it is the camera's
 */
export function motionsPage(camera) {
  const page = make("div", { class: "page" });
  let built = "";
  const build = () => {
    const layer = camera ? "" : store.selected;
    const now = JSON.stringify([layer, layer === null ? [] : store.motionsOf(layer).map((one) => [one.type, one.source]), store.work?.id]);
    // While a control is moved the page stays as it is: it would be taken from under the hand.
    if (now === built && page.contains(document.activeElement)) return;
    built = now;
    page.replaceChildren(...(camera ? cameraParts() : layerParts()));
  };
  store.on("work", build);
  store.on("selection", build);
  return page;
}

function layerParts() {
  const { layer } = store;
  if (!layer) return [make("p", { class: "dim", text: "Choose something under “Layers”, or click on it in the photo." })];
  const motions = store.motionsOf(layer.name);
  return [
    make("h3", { text: `How ${layer.name} moves` }),
    layer.on ? null : make("p", { class: "dim", text: "It is switched off under “Layers”." }),
    ...motions.map((motion, i) => card(layer.name, motion, i)),
    motions.length ? null : make("p", { class: "dim", text: "It stays as it is." }),
    make("div", { class: "row" },
      button("reset", "Choose for me", () => store.edit({ edit: "auto", layer: layer.name }), { title: "It moves as such things do" }),
      motions.length ? button("", "Let it stay", () => store.move(layer.name, [])) : null),
    make("h3", { text: motions.length ? "Move it in another way" : "Let it move" }),
    menu(layer.name, layer.region ? "region" : "subject"),
    make("p", { class: "dim", text: layer.region ? "Or draw arrows on the photo: Flow." : "Or draw its path on the photo: Path. Pin what must not move." }),
  ].filter((part) => part !== null); // prettier-ignore
}

function cameraParts() {
  const motions = store.motionsOf("");
  const start = store.catalogue.motions.find((entry) => entry.on.includes("camera"))?.start;
  return [
    make("h3", { text: "How the camera moves" }),
    ...motions.map((motion, i) => card("", motion, i)),
    motions.length ? null : make("p", { class: "dim", text: "It rests." }),
    motions.length || !start ? null : button("add", "Move the camera", () => store.move("", [start])),
  ].filter((part) => part !== null);
}

/**
 * @param {string} layer
 * @param {string} on what kind of thing it is
 */
function menu(layer, on) {
  const list = make("div", { class: "menu", role: "group", "aria-label": "Motions" });
  for (const entry of store.catalogue.motions.filter((one) => one.on.includes(on))) {
    list.append(make("button", { type: "button", class: "plain", title: entry.hint, "data-motion": entry.word, onclick: () => begin(layer, entry) },
      make("b", { text: entry.word }), make("small", { text: entry.hint }))); // prettier-ignore
  }
  return list;
}

/**
 * Let a layer move as an entry of the menu says. It takes the place of what there was: adding is for who asks for it.
 * @param {string} layer
 * @param {Entry} entry
 */
function begin(layer, entry) {
  store.move(layer, [startOf(layer, entry)]);
  if (entry.type === "path") store.use("path");
}

/**
 * Return an entry's first motion, where it needs a place: one on the layer.
 * @param {string} name
 * @param {Entry} entry
 * @returns {Motion}
 */
function startOf(name, entry) {
  const layer = store.work?.layers.find((one) => one.name === name);
  const start = structuredClone(entry.start);
  if (!layer) return start;
  const [x, y, width, height] = layer.box;
  const [middle, centre] = [Math.round(x + width / 2), Math.round(y + height / 2)];
  const way = Math.round(0.25 * Math.max(width, height));
  if (start.type === "path") start.points = [[middle, centre], [middle + way, centre - way / 2]]; // prettier-ignore
  if (start.type === "translate") start.dx = way;
  if (start.type === "poke") Object.assign(start, { x: middle, y: Math.round(y + height / 4), dx: way, dy: 0 });
  return start;
}

/**
 * @param {string} layer
 * @param {Motion} motion
 * @param {number} i
 */
function card(layer, motion, i) {
  const entry = entryOf(motion);
  const change = (/** @type {string} */ name, /** @type {any} */ value) => {
    const motions = store.motionsOf(layer).map((one, k) => (k === i ? { ...one, [name]: value } : one));
    store.move(layer, motions, `${layer}/${i}/${name}`);
  };
  const without = () => store.move(layer, store.motionsOf(layer).filter((_, k) => k !== i));
  const more = () => {
    const other = store.catalogue.motions.find((one) => one.type === "float");
    if (other) store.move(layer, [...store.motionsOf(layer), startOf(layer, other)]);
  };
  const kind = store.work?.layers.find((one) => one.name === layer);
  const flows = ["drift", "water"].includes(motion.type);
  return make(
    "section", { class: "card", "aria-label": entry?.word ?? motion.type },
    make("header", {}, make("strong", { text: entry?.word ?? motion.type }),
      layer && !flows && !kind?.region && store.motionsOf(layer).length === 1
        ? make("button", { type: "button", class: "quiet", title: "Add a second motion to this one", "aria-label": "Add a second motion", onclick: more }, icon("add"), make("b", { text: "And also" })) : null,
      make("button", { type: "button", class: "quiet", title: "Remove this motion", "aria-label": `Remove ${entry?.word}`, onclick: without }, icon("trash"))),
    layer && store.motionsOf(layer).length > 1 && !flows ? exchanged(layer, i, motion) : null,
    ...(entry?.controls ?? []).map((control) => controlFor(control, motion, change)),
  ); // prettier-ignore
}

/**
 * Return a control with which one of several motions becomes another.
 * @param {string} layer
 * @param {number} i
 * @param {Motion} motion
 */
function exchanged(layer, i, motion) {
  const offered = store.catalogue.motions.filter((one) => one.on.includes("subject") && !["drift", "water"].includes(one.type));
  const now = String(offered.findIndex((one) => one.word === entryOf(motion)?.word));
  return choice({
    word: "Kind of motion", hint: "Both motions are added to each other.", value: now,
    choices: offered.map((one, k) => ({ value: String(k), word: one.word })),
    change: (value) => store.move(layer, store.motionsOf(layer).map((one, k) => (k === i ? startOf(layer, offered[Number(value)]) : one))),
  }); // prettier-ignore
}

/**
 * @param {Control} control
 * @param {Motion} motion
 * @param {(name: string, value: any) => void} change
 * @returns {HTMLElement | null}
 */
function controlFor(control, motion, change) {
  const { name, word, hint } = control;
  const value = motion[name];
  const say = (/** @type {any} */ now) => change(name, now);
  if (motion.type === "drift" && motion.arrows?.length && ["direction", "speed"].includes(name)) return null;
  if (control.kind === "number") {
    if (value === null || value === undefined) return null;
    const [least, most] = [Math.min(control.least ?? 0, value), Math.max(control.most ?? 1, value)];
    return slider({ word, hint, unit: control.unit, least, most, step: control.step ?? 0.01, scale: control.scale, value, start: control.default, change: say });
  }
  if (control.kind === "toggle") return toggle({ word, hint, value: Boolean(value), change: say });
  if (control.kind === "choice") return choice({ word, hint, choices: control.choices ?? [], value: String(value), change: say });
  if (control.kind === "place") {
    const named = typeof value === "string";
    const choices = [...(control.choices ?? []), { value: "point", word: "A point: drag the cross" }];
    const layer = store.layer;
    const middle = layer ? [Math.round(layer.box[0] + layer.box[2] / 2), Math.round(layer.box[1] + layer.box[3] / 4)] : [0, 0];
    return choice({ word, hint, choices, value: named ? value : "point", change: (now) => say(now === "point" ? middle : now) });
  }
  const places = Array.isArray(value) ? value.length : 0;
  const tool = { path: "path", arrows: "arrow", points: "arrow" }[control.kind] ?? "hand";
  const drawing = control.kind === "points" ? "Tap with the Flow tool" : control.kind === "arrows" ? "Draw arrows" : "Draw it anew";
  return make(
    "div", { class: "field", title: hint },
    make("span", { class: "label", text: `${word}: ${places}` }),
    make("button", { type: "button", class: "plain", onclick: () => store.use(tool) }, icon(tool), make("b", { text: drawing })),
    make("small", { class: "hint", text: hint }),
  ); // prettier-ignore
}
