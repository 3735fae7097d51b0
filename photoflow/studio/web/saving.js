// The page on which the clip is saved: as a video or a page, and as files that repeat it.

import * as api from "photoflow/api.js";
import { button, icon, make, say } from "photoflow/elements.js";
import { slider, toggle } from "photoflow/controls.js";
import { store } from "photoflow/store.js";

const LOOK = 500; // milliseconds between two looks at what is being saved
/** @type {Record<string, string>} */
const STATES = { waiting: "waits for its turn", rendering: "is being made", done: "is ready", failed: "failed", cancelled: "was cancelled" };
const FILES = [
  ["motion.json", "Motion file", ""],
  ["work.stage", "Stage file (the prepared photo)", ""],
  ["repeat.py", "Python", "copy"],
  ["repeat.sh", "Command", "copy"],
];

/** What is wished for. */
const wish = { format: "mp4", quality: 80, alpha: false };

/** Return the page; it follows the store. */
export function savingPage() {
  const formats = make("div", { class: "formats", role: "radiogroup", "aria-label": "Format" });
  const options = make("div", { class: "page" });
  const jobs = make("ul", { class: "jobs", "aria-label": "What was saved" });
  const files = make("div", { class: "links" });
  const go = button("save", "Make it", () => ask(), { class: "strong" });
  let watched = 0;

  const ask = async () => {
    if (!store.work) return;
    try {
      await api.render(store.work.id, wish);
      look();
    } catch (error) {
      say(error instanceof Error ? error.message : String(error), true);
    }
  };

  const look = async () => {
    clearTimeout(watched);
    const { work } = store;
    if (!work) return;
    try {
      const found = await api.renders(work.id);
      jobs.replaceChildren(...found.reverse().map((one) => row(one, look)));
      if (found.some((one) => ["waiting", "rendering"].includes(one.state))) watched = window.setTimeout(look, LOOK);
    } catch (error) {
      say(error instanceof Error ? error.message : String(error), true);
    }
  };

  const choose = () => {
    const chosen = store.catalogue.formats.find((one) => one.format === wish.format);
    wish.alpha = wish.alpha && Boolean(chosen?.alpha);
    options.replaceChildren(
      ...[
        wish.format === "html" || wish.format === "apng"
          ? null
          : slider({ word: "Quality", hint: "Higher is a larger file.", unit: "%", least: 10, most: 100, step: 1, value: wish.quality, start: 80, change: (value) => (wish.quality = value) }),
        chosen?.alpha ? toggle({ word: "Without the background", hint: "What moves alone, over nothing.", value: wish.alpha, change: (value) => (wish.alpha = value) }) : null,
      ].filter((part) => part !== null),
    );
  };

  const build = () => {
    formats.replaceChildren(...store.catalogue.formats.map((one) => {
      const radio = make("input", { type: "radio", name: "format", value: one.format, checked: one.format === wish.format });
      radio.addEventListener("change", () => {
        wish.format = one.format;
        choose();
      });
      return make("label", {}, radio, make("strong", { text: one.word }), make("small", { text: one.hint }));
    })); // prettier-ignore
    choose();
    files.replaceChildren(...(store.work ? FILES.flatMap(([name, word, copied]) => links(name, word, Boolean(copied))) : []));
  };
  let shown = "";
  store.on("work", () => {
    if (store.work && store.work.id !== shown) {
      shown = store.work.id;
      build();
      look();
    }
    go.toggleAttribute("disabled", Boolean(store.work?.problem));
    go.title = store.work?.problem ?? "Make the file; you can go on meanwhile";
  });
  return make(
    "div", { class: "page" }, make("h3", { text: "Save it as" }), formats, options, go, jobs,
    make("h3", { text: "Repeat it elsewhere" }),
    make("p", { class: "dim", text: "With the motion file and the stage file in one folder, both of these make the same clip, to the bit." }), files,
  ); // prettier-ignore
}

/**
 * @param {api.Render} render
 * @param {() => void} look
 */
function row(render, look) {
  const running = ["waiting", "rendering"].includes(render.state);
  const drop = async () => {
    try {
      if (store.work) await api.dropRender(store.work.id, render.number);
      look();
    } catch (error) {
      say(error instanceof Error ? error.message : String(error), true);
    }
  };
  return make(
    "li", { "data-state": render.state },
    render.url ? make("a", { href: render.url, download: render.name, text: `Download ${render.name}` }) : make("span", { text: `${render.name} ${STATES[render.state]}` }),
    make("button", { type: "button", class: "quiet", onclick: drop, "aria-label": running ? "Cancel" : `Forget ${render.name}` }, running ? make("b", { text: "Cancel" }) : icon("trash")),
    running ? make("progress", { max: Math.max(render.frames, 1), value: render.done, "aria-label": "Progress" }) : null,
    render.error ? make("small", { class: "dim", text: render.error }) : null,
  ); // prettier-ignore
}

/**
 * @param {string} name
 * @param {string} word
 * @param {boolean} copied
 */
function links(name, word, copied) {
  const id = store.work?.id ?? "";
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(await (await api.file(id, name)).text());
      say(`${word}: copied.`);
    } catch (error) {
      say(error instanceof Error ? error.message : String(error), true);
    }
  };
  return [
    make("a", { href: api.fileAddress(id, name), download: name, text: word }),
    copied ? make("button", { type: "button", class: "quiet", onclick: copy, "aria-label": `Copy: ${word}` }, icon("copy"), make("b", { text: "Copy" })) : make("span"),
  ];
}
