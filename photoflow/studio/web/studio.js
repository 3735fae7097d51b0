// The studio: a photo comes in, a hand says how it moves, and it is seen at once.

import * as api from "photoflow/api.js";
import { button, byId, icon, make, say } from "photoflow/elements.js";
import { slider } from "photoflow/controls.js";
import { clipPage } from "photoflow/clip.js";
import { keep, reopened } from "photoflow/keeping.js";
import { listenToKeys } from "photoflow/keys.js";
import { layersPage } from "photoflow/layers.js";
import { motionsPage } from "photoflow/motions.js";
import { listen } from "photoflow/opening.js";
import { savingPage } from "photoflow/saving.js";
import { store } from "photoflow/store.js";
import { toolBar, toolNow } from "photoflow/tools.js";
import { transport } from "photoflow/transport.js";
import { View } from "photoflow/view.js";

const PAGES = ["Layers", "Motion", "Camera", "Save"];

/** Fill in the icons that the page names. */
function icons() {
  for (const place of document.querySelectorAll("[data-icon]")) place.append(icon(/** @type {HTMLElement} */ (place).dataset.icon ?? ""));
}

/** Build the pages of the panel; return what opens one. */
function panel() {
  const tabs = /** @type {HTMLElement} */ (document.querySelector("#panel .tabs"));
  const pages = /** @type {HTMLElement} */ (document.querySelector("#panel .pages"));
  const camera = make("div", { class: "page" }, motionsPage(true), clipPage());
  const made = [layersPage(), motionsPage(false), camera, savingPage()];
  const open = (/** @type {string} */ name) => {
    PAGES.forEach((one, i) => {
      made[i].hidden = one !== name;
      tabs.children[i].setAttribute("aria-selected", one === name ? "true" : "false");
      /** @type {HTMLElement} */ (tabs.children[i]).tabIndex = one === name ? 0 : -1;
    });
    pages.scrollTop = 0;
  };
  PAGES.forEach((name, i) => {
    const id = `page-${name.toLowerCase()}`;
    made[i].id = id;
    made[i].setAttribute("role", "tabpanel");
    tabs.append(make("button", { type: "button", role: "tab", "aria-controls": id, text: name, onclick: () => open(name) }));
    pages.append(made[i]);
  });
  tabs.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const next = tabs.children[([...tabs.children].indexOf(/** @type {Element} */ (document.activeElement)) + step + PAGES.length) % PAGES.length];
    /** @type {HTMLElement} */ (next).click();
    /** @type {HTMLElement} */ (next).focus();
  });
  open("Layers");
  return open;
}

/** Show the brush's size while a brush is in hand. */
function brushSize() {
  const place = make("div", { class: "page brush" });
  const show = () => {
    const brush = toolNow().gesture === "stroke";
    place.hidden = !brush;
    if (brush) place.replaceChildren(slider({ word: "Size of the brush", hint: "Its diameter on the screen; [ and ] change it, too.", unit: "px", least: 4, most: 400, step: 1, value: store.brush, start: 40, change: (value) => (store.brush = value) }));
  };
  store.on("tool", show);
  show();
  document.querySelector("#panel .pages")?.prepend(place);
  return show;
}

/**
 * Offer to keep what a hand did.
 * @param {{layer: string, x: number, y: number, dx: number, dy: number, hold: number}} pull
 */
function offerToKeep(pull) {
  if (!store.work?.layers.some((one) => one.name === pull.layer)) return;
  document.querySelector("#kept")?.remove();
  const line = make("p", { id: "kept" }, "That was live. ", button("", "Keep this pull", () => {
    line.remove();
    const start = store.catalogue.motions.find((entry) => entry.type === "poke")?.start ?? { type: "poke" };
    const round = (/** @type {number} */ value) => Math.round(value * 10) / 10;
    const before = store.motionsOf(pull.layer);
    const like = before.find((motion) => motion.type === "spectral")?.source ?? before.find((motion) => motion.type === "poke")?.like ?? start.like;
    const poke = { ...start, x: round(pull.x), y: round(pull.y), dx: round(pull.dx), dy: round(pull.dy), hold: Math.min(Math.max(round(pull.hold), 0.2), 2), like };
    store.move(pull.layer, [poke]);
  })); // prettier-ignore
  byId("messages").append(line);
  setTimeout(() => line.remove(), 6000);
}

async function begin() {
  icons();
  listen();
  try {
    store.catalogue = await api.catalogue();
  } catch (error) {
    say(error instanceof Error ? error.message : String(error), true);
    return;
  }
  toolBar(byId("tools"));
  const open = panel();
  const resized = brushSize();
  const view = new View();
  view.onpull = offerToKeep;
  const { toggle, compare } = transport(view);
  store.on("work", () => {
    const { work } = store;
    if (!work) return;
    for (const id of ["frame", "panel"]) byId(id).hidden = false;
    byId("empty").hidden = true;
    byId("file").textContent = work.name;
    for (const word of /** @type {const} */ (["undo", "redo"])) {
      const element = /** @type {HTMLButtonElement} */ (byId(word));
      element.disabled = !work[word];
      element.title = work[word] ? `${word === "undo" ? "Undo" : "Redo"}: ${work[word]}` : `Nothing to ${word}`;
    }
    /** @type {HTMLButtonElement} */ (byId("save")).disabled = false;
    view.fit();
  });
  byId("save").addEventListener("click", () => open("Save"));
  listenToKeys({
    toggle, resized, open: () => byId("file-input").click(), save: () => open("Save"),
    compare: (on) => {
      if (byId("still").hidden === on) compare.click();
    },
    step: (step) => {
      view.player?.pause();
      view.player?.seek((view.player?.time ?? 0) + step / (store.work?.settings.fps ?? 30));
    },
  }); // prettier-ignore
  keep();
  await openFirst();
}

/** Open the work that the address names, or the last one. */
async function openFirst() {
  const named = new URLSearchParams(location.search).get("work");
  try {
    const work = named ? await api.work(named) : await reopened();
    if (named) history.replaceState(null, "", "/");
    if (work) store.take(work);
  } catch (error) {
    say(error instanceof Error ? error.message : String(error), true);
  }
}

begin();
