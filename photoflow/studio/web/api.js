// What the page asks the server for.

/** @typedef {{type: string, [name: string]: any}} Motion */
/**
 * @typedef {object} Layer
 * @property {string} name
 * @property {string | null} label
 * @property {string} kind
 * @property {number} sure
 * @property {string} why
 * @property {boolean} region
 * @property {boolean} on
 * @property {string} mask
 * @property {[number, number, number, number]} box
 * @property {number[][][]} free
 * @property {number[][][]} pinned
 * @property {Motion | null} chosen
 */
/**
 * @typedef {object} Work
 * @property {string} id
 * @property {number} revision
 * @property {string} name
 * @property {{width: number, height: number, url: string}} photo
 * @property {string} note
 * @property {Layer[]} layers
 * @property {Record<string, Motion[]>} motion
 * @property {{seconds: number, fps: number, loop: boolean}} settings
 * @property {string | null} undo
 * @property {string | null} redo
 * @property {string | null} problem
 */
/**
 * @typedef {object} Control
 * @property {string} name
 * @property {string} word
 * @property {string} unit
 * @property {string} kind
 * @property {number | null} least
 * @property {number | null} most
 * @property {number | null} step
 * @property {number} scale
 * @property {any} default
 * @property {string} hint
 * @property {{value: string, word: string}[]} [choices]
 */
/** @typedef {{type: string, word: string, on: string[], hint: string, start: Motion, controls: Control[]}} Entry */
/** @typedef {{format: string, word: string, alpha: boolean, hint: string}} Format */
/** @typedef {{motions: Entry[], kinds: string[], formats: Format[]}} Catalogue */
/** @typedef {{number: number, format: string, state: string, done: number, frames: number, error: string | null, name: string, url: string | null}} Render */

/** An answer that is none. */
export class Refused extends Error {
  /**
   * @param {string} line
   * @param {number} status
   */
  constructor(line, status) {
    super(line);
    this.status = status;
  }
}

/**
 * Return the answer to a request.
 * @param {string} address
 * @param {RequestInit} [how]
 */
async function asked(address, how) {
  let answer;
  try {
    answer = await fetch(address, how);
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new Refused("The studio does not answer. Is it still running?", 0);
  }
  if (answer.ok) return answer;
  let line = `The studio refused (${answer.status}).`;
  try {
    line = (await answer.json()).error ?? line;
  } catch {
    // not one of its own answers
  }
  throw new Refused(line, answer.status);
}

/**
 * @param {string} address
 * @param {any} [body]
 * @param {AbortSignal} [signal]
 */
async function json(address, body, signal) {
  const how = body === undefined ? { signal } : { method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json" }, signal };
  return (await asked(address, how)).json();
}

/** @param {string} id */
const at = (id) => `/api/works/${encodeURIComponent(id)}`;

/** @returns {Promise<Catalogue>} */
export const catalogue = () => json("/api/motions");
/** @param {string} id @returns {Promise<Work>} */
export const work = (id) => json(at(id));
/** @param {string} id @param {any} edit @returns {Promise<Work>} */
export const edit = (id, edit) => json(`${at(id)}/edits`, edit);
/** @param {string} id @param {AbortSignal} signal @returns {Promise<any>} */
export const picture = (id, signal) => json(`${at(id)}/picture`, undefined, signal);
/** @param {string} id @returns {Promise<Render[]>} */
export const renders = (id) => json(`${at(id)}/renders`);
/** @param {string} id @param {any} wish @returns {Promise<{number: number}>} */
export const render = (id, wish) => json(`${at(id)}/renders`, wish);
/** @param {string} id @param {number} number */
export const dropRender = (id, number) => asked(`${at(id)}/renders/${number}`, { method: "DELETE" });
/** @param {string} id @param {string} name */
export const fileAddress = (id, name) => `${at(id)}/files/${name}`;
/** @param {string} id @param {string} name */
export const file = (id, name) => asked(fileAddress(id, name));
/** @param {string} id @param {number} t */
export const flowAddress = (id, t) => `${at(id)}/flow.png?t=${t.toFixed(3)}`;
/** @param {string} id @param {number} row */
export const sliceAddress = (id, row) => `${at(id)}/slice.png?row=${row}`;

/**
 * Open a photo or a stage.
 * @param {Blob} photo
 * @param {string} name
 * @returns {Promise<Work>}
 */
export async function open(photo, name) {
  const how = { method: "POST", body: photo, headers: { "X-Name": encodeURIComponent(name), "Content-Type": "application/octet-stream" } };
  return (await asked("/api/works", how)).json();
}
