// Makes elements. Styles are set through the object model alone: the page's policy allows no style in the markup.

/** @typedef {Node | string | null | undefined | false} Child */

const SVG = "http://www.w3.org/2000/svg";

/**
 * Make an element.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, any>} [given] attributes; functions are listeners, `true` is an attribute without a value
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function element(tag, given = {}, ...children) {
  const made = document.createElement(tag);
  fill(made, given, children);
  return made;
}

/**
 * Make an element of a drawing.
 * @template {keyof SVGElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, any>} [given]
 * @param {...Child} children
 * @returns {SVGElementTagNameMap[K]}
 */
export function drawn(tag, given = {}, ...children) {
  const made = document.createElementNS(SVG, tag);
  fill(made, given, children);
  return made;
}

/**
 * @param {Element} made
 * @param {Record<string, any>} given
 * @param {Child[]} children
 */
function fill(made, given, children) {
  for (const [name, value] of Object.entries(given)) {
    if (typeof value === "function") made.addEventListener(name, value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, String(value));
  }
  made.append(...present(children));
}

/**
 * Return the children that there are.
 * @param {Child[]} children
 */
function present(children) {
  return /** @type {(Node | string)[]} */ (children.filter((child) => child || child === ""));
}

/**
 * Return an element of the page by its id.
 * @param {string} id
 */
export function byId(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`The page has no #${id}.`);
  return found;
}

/**
 * Put children in the place of an element's; what had the focus has it again, where it is still there.
 * @param {Element} parent
 * @param {...Child} children
 */
export function refill(parent, ...children) {
  const focused = document.activeElement;
  const key = focused && parent.contains(focused) ? focused.getAttribute("data-key") : null;
  parent.replaceChildren(...present(children));
  if (key === null) return;
  const again = parent.querySelector(`[data-key="${CSS.escape(key)}"]`);
  if (again instanceof HTMLElement || again instanceof SVGElement) again.focus({ preventScroll: true });
}
