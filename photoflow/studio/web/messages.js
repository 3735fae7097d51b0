// Says what happened, in a line that is seen for a while and read out.

import { byId } from "photoflow/elements.js";

const [SEEN, SEEN_BAD] = [4000, 8000]; // milliseconds

export class Messages {
  constructor() {
    this.node = byId("message");
    this.timer = 0;
  }

  /**
   * @param {string} line
   * @param {boolean} [bad]
   */
  say(line, bad = false) {
    clearTimeout(this.timer);
    const text = /[.!?…]$/.test(line) ? line : `${line}.`;
    this.node.textContent = text;
    this.node.classList.toggle("problem", bad);
    this.node.classList.add("shown");
    this.timer = setTimeout(() => this.node.classList.remove("shown"), bad ? SEEN_BAD : SEEN);
  }
}
