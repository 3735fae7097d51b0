// A part of the page that is made anew where its make-up changes, and else brought to the present values.

import { refill } from "photoflow/elements.js";

/** @typedef {import("photoflow/elements.js").Child} Child */
/** @typedef {import("photoflow/state.js").State} State */

export class Panel {
  /**
   * @param {State} state
   * @param {HTMLElement} node
   */
  constructor(state, node) {
    this.state = state;
    this.node = node;
    this.made = "";
    /** @type {(() => void)[]} what brings its controls to the present values */
    this.updates = [];
  }

  /** Return all that its make-up depends on.
   * @returns {unknown}
   */
  makeup() {
    return "";
  }

  /** Return what is in it, and add to `updates`.
   * @returns {Child[]}
   */
  build() {
    return [];
  }

  update() {
    const makeup = JSON.stringify(this.makeup());
    if (makeup !== this.made) {
      this.made = makeup;
      this.updates = [];
      refill(this.node, ...this.build());
    }
    for (const update of this.updates) update();
  }
}
