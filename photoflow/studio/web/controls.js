// Controls: each has a word, a unit, a default and a hint.

import { icon, make } from "photoflow/elements.js";

/** @typedef {import("photoflow/api.js").Control} Control */

let numbered = 0;

/**
 * Return a control for a number.
 * @param {object} what
 * @param {string} what.word
 * @param {string} what.hint
 * @param {string} what.unit
 * @param {number} what.least
 * @param {number} what.most
 * @param {number} what.step
 * @param {number} [what.scale] shown = value * scale
 * @param {number} what.value
 * @param {number | null} what.start the default
 * @param {(value: number) => void} what.change
 */
export function slider({ word, hint, unit, least, most, step, scale = 1, value, start, change }) {
  const id = `control-${++numbered}`;
  const digits = Math.max(0, -Math.floor(Math.log10(step * scale) + 1e-9));
  const range = make("input", { type: "range", id, min: least, max: most, step, "aria-describedby": `${id}-hint` });
  const number = make("input", { type: "number", min: least * scale, max: most * scale, step: step * scale, "aria-label": `${word}, ${unit || "number"}` });
  const reset = make("button", { type: "button", class: "reset", title: "Back to the default", "aria-label": `${word}: back to the default` }, icon("reset"));
  const label = make("label", { for: id, text: word, title: "Double click: back to the default" });
  const field = make(
    "div", { class: "field", title: hint }, label,
    make("span", { class: "value" }, reset, number, make("span", { class: "unit", text: unit })), range,
    make("small", { class: "hint", id: `${id}-hint`, text: hint }),
  ); // prettier-ignore
  const show = (/** @type {number} */ now) => {
    if (document.activeElement !== number) number.value = (now * scale).toFixed(digits);
    range.value = String(now);
    range.setAttribute("aria-valuetext", `${(now * scale).toFixed(digits)} ${unit}`);
    range.style.setProperty("--filled", `${(100 * (Math.min(Math.max(now, least), most) - least)) / (most - least || 1)}%`);
    field.classList.toggle("changed", start !== null && Math.abs(now - start) > step / 2);
  };
  const say = (/** @type {number} */ now) => {
    show(now);
    change(now);
  };
  range.addEventListener("input", () => say(Number(range.value)));
  number.addEventListener("change", () => {
    if (number.value !== "" && Number.isFinite(number.valueAsNumber)) say(Math.min(Math.max(number.valueAsNumber / scale, least), most));
    else show(value);
  });
  const back = () => start !== null && say(start);
  reset.addEventListener("click", back);
  label.addEventListener("dblclick", back);
  show(value);
  return field;
}

/**
 * Return a control for one of several words.
 * @param {object} what
 * @param {string} what.word
 * @param {string} what.hint
 * @param {{value: string, word: string}[]} what.choices
 * @param {string} what.value
 * @param {(value: string) => void} what.change
 */
export function choice({ word, hint, choices, value, change }) {
  const id = `control-${++numbered}`;
  const select = make("select", { id, "aria-describedby": `${id}-hint` }, ...choices.map((one) => make("option", { value: one.value, text: one.word, selected: one.value === value })));
  select.addEventListener("change", () => change(select.value));
  return make("div", { class: "field", title: hint }, make("label", { for: id, text: word }), select, make("small", { class: "hint", id: `${id}-hint`, text: hint }));
}

/**
 * Return a control for yes or no.
 * @param {object} what
 * @param {string} what.word
 * @param {string} what.hint
 * @param {boolean} what.value
 * @param {(value: boolean) => void} what.change
 */
export function toggle({ word, hint, value, change }) {
  const id = `control-${++numbered}`;
  const knob = onOff(word, value, change);
  return make("div", { class: "field", title: hint }, make("span", { class: "label", id, text: word }), knob, make("small", { class: "hint", text: hint }));
}

/**
 * Return a switch.
 * @param {string} word
 * @param {boolean} value
 * @param {(value: boolean) => void} change
 */
export function onOff(word, value, change) {
  const knob = make("button", { type: "button", class: "switch", role: "switch", "aria-checked": value ? "true" : "false", "aria-label": word });
  knob.addEventListener("click", () => {
    const now = knob.getAttribute("aria-checked") !== "true";
    knob.setAttribute("aria-checked", now ? "true" : "false");
    change(now);
  });
  return knob;
}
