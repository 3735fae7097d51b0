// What is given away: rendered files, and what repeats them.

import { asked, fetched, Failure, sent } from "photoflow/api.js";
import { slider, toggle } from "photoflow/controls.js";
import { element } from "photoflow/elements.js";
import { icon } from "photoflow/icons.js";
import { Panel } from "photoflow/panel.js";

/** @typedef {import("photoflow/types.js").Render} Render */
/** @typedef {import("photoflow/state.js").State} State */

const LOOK = 400; // milliseconds between looks at what is rendered
const QUALITY = {
  name: "quality",
  word: "Quality",
  unit: "%",
  least: 10,
  most: 100,
  step: 5,
  scale: 1,
  default: 80,
  hint: "Higher is finer and larger.",
};
const ALPHA = { word: "Leave out the background", hint: "Only what moves is in the file; all else is transparent." };
/** @type {Record<string, string>} */
const USES = {
  mp4: "Video for everywhere",
  webm: "Video for web pages",
  gif: "GIF for chats",
  apng: "Animated PNG",
  html: "A page you can pull",
};

export class ExportPanel extends Panel {
  /**
   * @param {State} state
   * @param {HTMLElement} node
   * @param {(line: string) => void} say
   */
  constructor(state, node, say) {
    super(state, node);
    this.say = say;
    this.format = "mp4";
    this.quality = 80;
    this.alpha = false;
    /** @type {Render[]} */
    this.renders = [];
    this.looking = false;
    this.again = false; // whether to look once more
    this.seen = false; // whether it was looked at what is rendered already
    this.work = "";
  }

  update() {
    const { work, view } = this.state;
    if (work?.id !== this.work) {
      this.work = work?.id ?? "";
      this.renders = [];
      this.seen = false;
    }
    if (work && view === "export" && !this.seen) {
      this.seen = true;
      this.look();
    }
    super.update();
  }

  makeup() {
    const { work, catalogue } = this.state;
    const queue = this.renders.map((one) => [one.number, one.state, one.error, one.name]);
    return [work?.id, work?.problem, catalogue.formats.length, this.format, queue];
  }

  build() {
    const { work, catalogue } = this.state;
    if (!work) return [];
    const format = catalogue.formats.find((one) => one.format === this.format);
    const quality = slider(QUALITY, "quality", this.quality, (value) => (this.quality = value));
    const alpha = toggle(ALPHA, "alpha", this.alpha, (value) => (this.alpha = value));
    const lossy = this.format !== "apng" && this.format !== "gif";
    const start = element(
      "button",
      {
        class: "button accent wide",
        type: "button",
        "data-key": "render",
        disabled: Boolean(work.problem),
        click: () => this.#start(),
      },
      icon("share"),
      `Make the ${format?.word.replace(/^[A-Z](?=[a-z]+ )/, (letter) => letter.toLowerCase()) ?? "file"}`,
    );
    return [
      element("h2", {}, "Export"),
      element("div", { class: "formats", role: "radiogroup", "aria-label": "Format" }, ...catalogue.formats.map((one) => this.#choice(one))),
      lossy && quality.node,
      format?.alpha && alpha.node,
      work.problem && element("p", { class: "note" }, `Not yet: ${work.problem}`),
      start,
      this.renders.length > 0 && element("ul", { class: "queue", "aria-label": "Files" }, ...this.renders.slice().reverse().map((one) => this.#queued(one))),
      this.#repeat(work.id),
    ]; // prettier-ignore
  }

  /** @param {import("photoflow/types.js").Format} one */
  #choice(one) {
    const chosen = one.format === this.format;
    const choose = () => {
      this.format = one.format;
      this.update();
    };
    const input = element("input", {
      type: "radio",
      name: "format",
      value: one.format,
      checked: chosen,
      "data-key": `format ${one.format}`,
      change: choose,
    });
    return element("label", { class: `entry format${chosen ? " chosen" : ""}` }, input,
      element("span", { class: "words" }, element("span", { class: "name" }, USES[one.format] ?? one.word), element("span", { class: "about" }, `${one.word}. ${one.hint}`))); // prettier-ignore
  }

  /** @param {Render} one */
  #queued(one) {
    const words = {
      waiting: "Waits for its turn",
      rendering: "Is made",
      done: "Ready",
      failed: one.error ?? "Failed",
      cancelled: "Cancelled",
    };
    const bar = element("progress", { "aria-label": `Progress of ${one.name}`, max: 1, value: 0 });
    const percent = element("span", { class: "about" });
    this.updates.push(() => {
      const now = this.renders.find((other) => other.number === one.number);
      if (!now) return;
      bar.value = now.frames ? now.done / now.frames : 0;
      percent.textContent =
        now.state === "rendering"
          ? `${Math.round(100 * bar.value)} % · frame ${now.done} of ${now.frames}`
          : words[now.state];
    });
    const active = one.state === "waiting" || one.state === "rendering";
    const drop = () => this.#drop(one.number);
    return element("li", { class: `queued ${one.state}` },
      element("div", { class: "words" }, element("span", { class: "name" }, one.name), percent, active && bar),
      one.state === "done" && element("a", { class: "button accent", href: one.url, download: one.name, "data-key": `file ${one.number}` }, icon("download"), "Download"),
      element("button", { class: "bare", type: "button", "data-key": `drop ${one.number}`, title: active ? "Cancel" : "Take it off the list", click: drop }, icon("close"), element("span", { class: "unseen" }, `${active ? "Cancel" : "Forget"} ${one.name}`))); // prettier-ignore
  }

  /** @param {string} id */
  #repeat(id) {
    const at = `/api/works/${id}/files`;
    const off = this.state.work?.problem;
    const file = (/** @type {string} */ name, /** @type {string} */ word) =>
      element(
        "a",
        { class: "button quiet", href: `${at}/${name}`, download: name, "data-key": name },
        icon("download"),
        word,
      );
    const copy = (/** @type {string} */ name, /** @type {string} */ word) =>
      element(
        "button",
        {
          class: "button quiet",
          type: "button",
          "data-key": name,
          disabled: Boolean(off),
          click: () => this.#copy(`${at}/${name}`, word),
        },
        icon("copy"),
        word,
      );
    return element("section", { class: "repeat" },
      element("h3", {}, "Repeat it"),
      element("p", { class: "note" }, "These make the same clip again, to the bit: download both files, and copy the words that use them."),
      element("div", { class: "buttons" }, !off && file("motion.json", "Motion file"), file("work.stage", "Stage file"), copy("repeat.py", "Copy Python"), copy("repeat.sh", "Copy command"))); // prettier-ignore
  }

  async #start() {
    const { work, catalogue } = this.state;
    if (!work) return;
    const transparent = this.alpha && catalogue.formats.find((one) => one.format === this.format)?.alpha;
    await this.#tried(() =>
      sent(`/api/works/${work.id}/renders`, {
        format: this.format,
        quality: this.quality,
        alpha: Boolean(transparent),
      }),
    );
    this.look();
  }

  /** @param {number} number */
  async #drop(number) {
    await this.#tried(() => asked(`/api/works/${this.work}/renders/${number}`, { method: "DELETE" }));
    this.renders = this.renders.filter((one) => one.number !== number);
    this.update();
    this.look();
  }

  /**
   * @param {string} address
   * @param {string} word
   */
  async #copy(address, word) {
    await this.#tried(async () => {
      await copied(await (await asked(address)).text());
      this.say(`${word.replace("Copy ", "")} copied.`.replace(/^./, (first) => first.toUpperCase()));
    });
  }

  /** Look at what is rendered until all is done. */
  async look() {
    this.again = true;
    if (this.looking) return;
    this.looking = true;
    const { work } = this;
    await this.#tried(async () => {
      for (;;) {
        this.again = false;
        /** @type {Render[]} */
        const renders = await fetched(`/api/works/${work}/renders`);
        if (work !== this.work) break;
        const ready = renders.find(
          (one) =>
            one.state === "done" && this.renders.some((old) => old.number === one.number && old.state !== "done"),
        );
        if (ready) this.say(`${ready.name} is ready.`);
        const more = renders.length > this.renders.length;
        this.renders = renders;
        super.update();
        if (more) this.node.querySelector(".queue")?.scrollIntoView({ block: "nearest" });
        const active = renders.some((one) => one.state === "waiting" || one.state === "rendering");
        if (!active && !this.again) break;
        await new Promise((resolve) => setTimeout(resolve, LOOK));
      }
    });
    this.looking = false;
  }

  /** @param {() => Promise<any>} act */
  async #tried(act) {
    try {
      await act();
    } catch (error) {
      this.state.onproblem(error instanceof Failure || error instanceof Error ? error.message : String(error));
    }
  }
}

/**
 * Copy words; also where the page is not served in a way that browsers call secure.
 * @param {string} words
 */
async function copied(words) {
  if (navigator.clipboard) return navigator.clipboard.writeText(words);
  const area = element("textarea", { class: "unseen" }, words);
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}
