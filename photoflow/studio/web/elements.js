// Elements of the page, made in one line each, and the icons.

/** @typedef {Node | string | null | undefined | false} Child */

/**
 * Return a new element.
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Record<string, any>} [properties] attributes; `on...` are listeners, `class` and `text` what they say
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  set(element, properties);
  element.append(.../** @type {(Node | string)[]} */ (children.filter((child) => child !== null && child !== undefined && child !== false)));
  return element;
}

/**
 * Return a new element of a drawing.
 * @param {string} tag
 * @param {Record<string, any>} [properties]
 * @param {...Node} children
 * @returns {SVGElement}
 */
export function draw(tag, properties = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  set(element, properties);
  element.append(...children);
  return element;
}

/**
 * @param {Element} element
 * @param {Record<string, any>} properties
 */
function set(element, properties) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "text") element.textContent = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
}

/**
 * Return an element of the page by its id.
 * @param {string} id
 * @returns {HTMLElement}
 */
export function byId(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`the page has no #${id}`);
  return element;
}

/** Lines of each icon, in a square of 24. @type {Record<string, string>} */
const ICONS = {
  open: "M3 7a2 2 0 0 1 2-2h4l2 2h8a2 2 0 0 1 2 2v8a2 2 0 0 1-2 2H5a2 2 0 0 1-2-2z",
  undo: "M9 14 4 9l5-5M4 9h10a6 6 0 0 1 0 12h-3",
  redo: "m15 14 5-5-5-5m5 5H10a6 6 0 0 0 0 12h3",
  help: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM9.5 9.5a2.5 2.5 0 1 1 3.5 2.3c-.7.3-1 .9-1 1.7M12 17h.01",
  save: "M12 4v11m-4-4 4 4 4-4M5 20h14",
  photo: "M3 6a2 2 0 0 1 2-2h14a2 2 0 0 1 2 2v12a2 2 0 0 1-2 2H5a2 2 0 0 1-2-2zM3 16l5-5 5 5 3-3 5 5M15.5 8.5h.01",
  hand: "M8 12V6a1.5 1.5 0 0 1 3 0v5V4.5a1.5 1.5 0 0 1 3 0V11 6a1.5 1.5 0 0 1 3 0v8a7 7 0 0 1-7 7 7 7 0 0 1-6-3.5L4 14a1.5 1.5 0 0 1 2.6-1.5L8 14",
  add: "M12 5v14M5 12h14",
  away: "M5 12h14",
  brush: "M14 5 19 10 11 18a3 3 0 0 1-4 0 3 3 0 0 1 0-4zM7 14c-2 1-2 5-4 6 3 1 7 0 8-2",
  eraser: "m9 20-5-5 10-10 6 6-9 9zM9 20h11M8 11l6 6",
  box: "M4 4h4M16 4h4v4M20 16v4h-4M8 20H4v-4M4 8V4M12 4h.01M12 20h.01M4 12h.01M20 12h.01",
  path: "M4 19c4 0 4-6 8-6s4-7 8-7m0 0-4-2m4 2-2 4",
  arrow: "M4 17 18 7m0 0h-6m6 0v6",
  pin: "M12 21v-7M8 4h8l-1 6 3 4H6l3-4z",
  free: "M4 9c3-4 5 4 8 0s5 4 8 0M4 16c3-4 5 4 8 0s5 4 8 0",
  play: "M7 5v14l12-7z",
  pause: "M8 5v14M16 5v14",
  eye: "M2 12s4-7 10-7 10 7 10 7-4 7-10 7S2 12 2 12zm10 3a3 3 0 1 0 0-6 3 3 0 0 0 0 6z",
  flow: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zm0 0v18M3 12h18",
  slice: "M4 5h16v14H4zM4 12h16",
  trash: "M4 7h16M9 7V4h6v3m-8 0 1 13h8l1-13",
  more: "M6 12h.01M12 12h.01M18 12h.01",
  up: "m6 14 6-6 6 6",
  down: "m6 10 6 6 6-6",
  copy: "M9 9h10v11H9zM5 15V4h10",
  reset: "M4 9a8 8 0 1 1-1 5M4 4v5h5",
};

/**
 * Return an icon.
 * @param {string} name
 */
export function icon(name) {
  return draw("svg", { class: "icon", viewBox: "0 0 24 24", "aria-hidden": "true" }, draw("path", { d: ICONS[name] }));
}

/**
 * Return a button with an icon and a word.
 * @param {string} name of the icon
 * @param {string} word
 * @param {() => void} act
 * @param {Record<string, any>} [more]
 */
export function button(name, word, act, more = {}) {
  return make("button", { type: "button", class: "plain", onclick: act, ...more }, name ? icon(name) : null, make("b", { text: word }));
}

/**
 * Say something to the person.
 * @param {string} text
 * @param {boolean} [bad]
 */
export function say(text, bad = false) {
  const line = make("p", { class: bad ? "bad" : "", text });
  byId("messages").append(line);
  setTimeout(() => line.remove(), bad ? 9000 : 5000);
}
