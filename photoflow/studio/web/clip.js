// The clip: how long it is, and whether it goes on for ever.

import { slider, toggle } from "photoflow/controls.js";
import { element } from "photoflow/elements.js";
import { Panel } from "photoflow/panel.js";

/** @typedef {import("photoflow/types.js").Settings} Settings */

const SECONDS = {
  name: "seconds",
  word: "Length",
  unit: "s",
  least: 1,
  most: 12,
  step: 0.5,
  scale: 1,
  default: 4,
  hint: "How long the clip is until it ends or begins again.",
};
const FPS = {
  name: "fps",
  word: "Frames a second",
  unit: "fps",
  least: 10,
  most: 60,
  step: 1,
  scale: 1,
  default: 30,
  hint: "Of what is exported. More is smoother and larger.",
};
const LOOP = { word: "Loop", hint: "Its end leads into its beginning, so that it goes on for ever." };

export class ClipPanel extends Panel {
  makeup() {
    return this.state.work?.id;
  }

  build() {
    if (!this.state.work) return [];
    const { settings } = this.state.work;
    const say = (/** @type {string} */ name) => (/** @type {any} */ value, /** @type {boolean} */ done) => {
      this.state.edit({ edit: "settings", [name]: value, key: this.state.key(name) });
      if (done) this.state.ended();
    };
    const made = {
      seconds: slider(SECONDS, "clip-seconds", settings.seconds, say("seconds")),
      loop: toggle(LOOP, "clip-loop", settings.loop, say("loop")),
      fps: slider(FPS, "clip-fps", settings.fps, say("fps")),
    };
    this.updates.push(() => {
      const { work, edits } = this.state;
      if (!work || !edits?.rest) return; // a newer value is on its way
      for (const [name, control] of Object.entries(made))
        control.update(work.settings[/** @type {keyof Settings} */ (name)]);
    });
    return [element("h2", {}, "Clip"), ...Object.values(made).map((control) => control.node)];
  }
}
