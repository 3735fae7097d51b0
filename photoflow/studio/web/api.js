// Talks with the server: requests, and edits one after the other.

/** @typedef {import("photoflow/types.js").Work} Work */
/** @typedef {import("photoflow/types.js").Edit} Edit */

const BUSY = 503; // too much is asked for at the moment
const AGAIN = 400; // milliseconds until it is asked for again
const TRIES = 6;
const SETTLE = 60; // milliseconds in which a newer edit of the same control takes an edit's place

/** What went wrong, in one line, and the status with which the server said so. */
export class Failure extends Error {
  /**
   * @param {string} line
   * @param {number} status 0: there was no answer
   */
  constructor(line, status) {
    super(line);
    this.status = status;
  }
}

/**
 * Ask the server.
 * @param {string} address
 * @param {RequestInit} [how]
 * @throws {Failure} it refuses, or does not answer
 */
export async function asked(address, how = {}) {
  for (let tried = 1; ; tried++) {
    const answer = await answered(address, how);
    if (answer.ok) return answer;
    const line = await lineOf(answer);
    if (answer.status !== BUSY || tried >= TRIES) throw new Failure(line, answer.status);
    await new Promise((resolve) => setTimeout(resolve, AGAIN));
  }
}

/**
 * Ask for a document.
 * @param {string} address
 * @param {RequestInit} [how]
 */
export async function document(address, how) {
  return (await asked(address, how)).json();
}

/**
 * Send a document and return the answer's.
 * @param {string} address
 * @param {object} body
 */
export async function sent(address, body) {
  const how = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  return (await asked(address, how)).json();
}

/**
 * Open a photo or a stage.
 * @param {Blob} data
 * @param {string} name
 * @returns {Promise<Work>}
 */
export async function opened(data, name) {
  const headers = { "X-Name": encodeURIComponent(name), "Content-Type": "application/octet-stream" };
  return (await asked("/api/works", { method: "POST", headers, body: data })).json();
}

/**
 * @param {string} address
 * @param {RequestInit} how
 */
async function answered(address, how) {
  try {
    return await fetch(address, how);
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new Failure("The studio does not answer. Is it still running?", 0);
  }
}

/** @param {Response} answer */
async function lineOf(answer) {
  try {
    const line = String((await answer.json()).error);
    return line.charAt(0).toUpperCase() + line.slice(1);
  } catch {
    return `The studio answered with an error (${answer.status}).`;
  }
}

/** @typedef {{edit: Edit, since: number, done: (work: Work) => void, failed: (error: unknown) => void}} Waiting */

/** Edits of a work, sent one after the other; of those with the same key that wait, the newest alone. */
export class Edits {
  /**
   * @param {string} work its id
   * @param {(busy: boolean) => void} onbusy
   */
  constructor(work, onbusy) {
    this.address = `/api/works/${work}/edits`;
    this.onbusy = onbusy;
    /** @type {Waiting[]} */
    this.waiting = [];
    this.sending = false;
    this.pending = 0; // edits without an answer
  }

  /** Whether all is answered. */
  get rest() {
    return this.pending === 0;
  }

  /**
   * Send an edit when its turn comes.
   * @param {Edit} edit
   * @returns {Promise<Work>} the state after it, or after a newer one that took its place
   */
  push(edit) {
    return new Promise((done, failed) => {
      const last = this.waiting.at(-1);
      if (last && edit.key !== undefined && last.edit.key === edit.key) {
        const { done: before, failed: beforeFailed } = last;
        last.edit = edit;
        last.done = (work) => (before(work), done(work));
        last.failed = (error) => (beforeFailed(error), failed(error));
      } else {
        this.pending += 1;
        this.waiting.push({ edit, since: performance.now(), done, failed });
      }
      this.#send();
    });
  }

  async #send() {
    if (this.sending) return;
    this.sending = true;
    this.onbusy(true);
    while (this.waiting.length) {
      const wait = this.waiting[0].edit.key === undefined ? 0 : this.waiting[0].since + SETTLE - performance.now();
      if (wait > 0 && this.waiting.length === 1) await new Promise((resolve) => setTimeout(resolve, wait));
      const first = /** @type {Waiting} */ (this.waiting.shift());
      try {
        const work = await sent(this.address, first.edit);
        this.pending -= 1;
        first.done(work);
      } catch (error) {
        this.pending -= 1;
        first.failed(error);
      }
    }
    this.sending = false;
    this.onbusy(false);
  }
}
