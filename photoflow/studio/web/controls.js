// Controls of a panel: each has a word, a unit, a default to which it returns, and a hint.

import { element } from "photoflow/elements.js";
import { icon } from "photoflow/icons.js";

/** @typedef {import("photoflow/types.js").Control} Control */
/** @typedef {(value: any, done: boolean) => void} Said tells a value, and whether the hand has let go of it */

/** @typedef {{node: HTMLElement, update: (value: any) => void}} Made a control, and what brings it to a value */

/**
 * A slider with a number beside it.
 * @param {Pick<Control, "name" | "word" | "unit" | "least" | "most" | "step" | "scale" | "default" | "hint">} about
 * @param {string} key unique on the page
 * @param {any} value
 * @param {Said} say
 * @returns {Made}
 */
export function slider(about, key, value, say) {
  const { word, unit, least, most, step, scale, hint } = about;
  const limits = { min: shown(least, scale), max: shown(most, scale), step: shown(step, scale) };
  const range = element("input", {
    type: "range",
    id: key,
    "data-key": key,
    title: hint,
    "aria-describedby": "hint",
    ...limits,
  });
  const number = element("input", {
    type: "number",
    "data-key": `${key}-number`,
    "aria-label": `${word}, ${unit}`,
    title: hint,
    inputmode: "decimal",
    ...limits,
  });
  const back = element(
    "button",
    {
      class: "back",
      type: "button",
      "data-key": `${key}-back`,
      title: `Back to ${shown(about.default, scale)} ${unit}`,
    },
    icon("undo"),
    element("span", { class: "unseen" }, `${word}: back to its default`),
  );
  const node = element("div", { class: "control", "data-hint": `${word}: ${hint}` },
    element("label", { for: key }, word), back, element("span", { class: "number" }, number, element("span", { class: "unit" }, unit)), range); // prettier-ignore
  const update = (/** @type {any} */ to) => {
    const text = String(shown(to ?? about.default ?? least, scale));
    if (document.activeElement !== number) number.value = text;
    range.value = text;
    range.setAttribute("aria-valuetext", `${text} ${unit}`);
    const share = (/** @type {number} */ at) => (at - Number(range.min)) / (Number(range.max) - Number(range.min) || 1);
    const ends = [share(Math.max(0, Number(range.min))), share(Number(range.value))].sort((a, b) => a - b);
    range.style.setProperty("--low", `${100 * ends[0]}%`);
    range.style.setProperty("--share", `${100 * ends[1]}%`);
    back.hidden =
      about.default === null ||
      about.default === undefined ||
      shown(to ?? about.default, scale) === shown(about.default, scale);
  };
  const tell = (/** @type {string} */ text, /** @type {boolean} */ done) => {
    if (text === "" || !Number.isFinite(Number(text))) return;
    const to = Number((Number(text) / scale).toFixed(6));
    update(to);
    say(to, done);
  };
  const reset = () => {
    update(about.default);
    say(about.default, true);
  };
  range.addEventListener("input", () => tell(range.value, false));
  range.addEventListener("change", () => tell(range.value, true));
  range.addEventListener("dblclick", reset);
  number.addEventListener("change", () => tell(number.value, true));
  back.addEventListener("click", () => {
    reset();
    range.focus();
  });
  update(value);
  return { node, update };
}

/**
 * @param {number} value
 * @param {number} scale
 */
function shown(value, scale) {
  return Number((value * scale).toFixed(2));
}

/**
 * One of several words.
 * @param {Pick<Control, "word" | "hint" | "choices">} about
 * @param {string} key
 * @param {any} value
 * @param {Said} say
 * @returns {Made}
 */
export function choice(about, key, value, say) {
  const { word, hint, choices = [] } = about;
  const select = element(
    "select",
    { id: key, "data-key": key, title: hint, "aria-describedby": "hint" },
    ...choices.map((one) => element("option", { value: one.value }, one.word)),
  );
  select.addEventListener("change", () => say(select.value, true));
  const update = (/** @type {any} */ to) => {
    select.value = String(to);
  };
  update(value);
  return {
    node: element(
      "div",
      { class: "control row", "data-hint": `${word}: ${hint}` },
      element("label", { for: key }, word),
      select,
    ),
    update,
  };
}

/**
 * A switch.
 * @param {Pick<Control, "word" | "hint">} about
 * @param {string} key
 * @param {boolean} value
 * @param {Said} say
 * @returns {Made}
 */
export function toggle(about, key, value, say) {
  const { word, hint } = about;
  const box = element("input", {
    type: "checkbox",
    role: "switch",
    class: "switch",
    id: key,
    "data-key": key,
    title: hint,
    "aria-describedby": "hint",
  });
  box.addEventListener("change", () => say(box.checked, true));
  const update = (/** @type {any} */ to) => {
    box.checked = Boolean(to);
  };
  update(value);
  return {
    node: element(
      "div",
      { class: "control row", "data-hint": `${word}: ${hint}` },
      element("label", { for: key }, word),
      box,
    ),
    update,
  };
}

/**
 * Two or three words, of which one is chosen.
 * @param {string} label
 * @param {string[][]} choices pairs of a value and its word
 * @param {string} value
 * @param {(value: string) => void} say
 */
export function segments(label, choices, value, say) {
  const buttons = choices.map(([own, word]) =>
    element(
      "button",
      {
        type: "button",
        role: "radio",
        "aria-checked": String(own === value),
        tabindex: own === value ? 0 : -1,
        "data-key": `${label} ${own}`,
        click: () => say(own),
      },
      word,
    ),
  );
  const moved = (/** @type {KeyboardEvent} */ event) => {
    const way = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[event.key];
    const at = buttons.findIndex((button) => button === event.target);
    if (way === undefined || at < 0) return;
    event.preventDefault();
    event.stopPropagation();
    const next = buttons[(at + way + buttons.length) % buttons.length];
    next.focus();
    next.click();
  };
  return element("div", { class: "segments", role: "radiogroup", "aria-label": label, keydown: moved }, ...buttons);
}

const [FINEST, COARSEST] = [0.004, 0.3]; // sizes of a brush, of the photo's longest side

/**
 * The size of a brush; small sizes have as much of the slider as large ones.
 * @param {number} size share of the photo's longest side
 * @param {(size: number) => void} say
 */
export function sizeSlider(size, say) {
  const place = Math.log(size / FINEST) / Math.log(COARSEST / FINEST);
  const range = element("input", {
    type: "range",
    min: 0,
    max: 1,
    step: 0.01,
    value: place.toFixed(2),
    id: "brush-size",
    "data-key": "brush-size",
    title: "Size of the brush; also with [ and ]",
  });
  const update = () => range.style.setProperty("--share", `${100 * Number(range.value)}%`);
  range.addEventListener("input", () => {
    update();
    say(FINEST * (COARSEST / FINEST) ** Number(range.value));
  });
  update();
  return element("label", { class: "size" }, "Size", range);
}
