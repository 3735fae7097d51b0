/** The page that shows one moving picture: it moves by itself, and whoever opens it can pull it. */

import { Player } from "photoflow/player.js";

const STEP = 1 / 30; // seconds that an arrow key goes
const NUDGE = 0.03; // of the picture's longest side that an arrow key pulls

/**
 * Return an element of the page.
 *
 * @template {HTMLElement} T
 * @param {string} id
 * @param {new () => T} kind
 * @returns {T}
 */
function part(id, kind) {
  const element = document.getElementById(id);
  if (!(element instanceof kind)) throw new Error(`page: expected a ${kind.name} named ${id}`);
  return element;
}

const picture = /** @type {import("photoflow/layer.js").PictureDocument} */ (
  JSON.parse(part("picture", HTMLScriptElement).text));
const canvas = part("photo", HTMLCanvasElement);
const button = part("play", HTMLButtonElement);
const hint = part("hint", HTMLElement);

document.documentElement.style.setProperty("--ratio", String(picture.width / picture.height));

/** Keys that pull, and where to. */
const WAYS = /** @type {{[key: string]: [number, number]}} */ (
  { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] });

/** What the keyboard holds: where it took hold, and how far it pulled. */
class Keys {
  /** @param {Player} player */
  constructor(player) {
    this.player = player;
    /** @type {{x: number, y: number} | null} */
    this.at = null;
  }

  /**
   * Pull what moves most easily some way on.
   *
   * @param {[number, number]} way
   */
  pull(way) {
    if (!this.at) {
      const at = this.player.loosest();
      if (!at || !this.player.grab(at.x, at.y)) return;
      this.at = at;
    }
    const far = NUDGE * Math.max(picture.width, picture.height);
    this.at.x += way[0] * far;
    this.at.y += way[1] * far;
    this.player.drag(this.at.x, this.at.y);
  }

  release() {
    if (this.at) this.player.release();
    this.at = null;
  }
}

/** @param {Player} player */
function label(player) {
  button.dataset.playing = String(player.playing);
  button.setAttribute("aria-label", player.playing ? "Pause" : "Play");
}

/** @param {Player} player */
function toggle(player) {
  if (player.playing) player.pause();
  else player.play();
  label(player);
}

/**
 * @param {Player} player
 * @param {Keys} keys
 * @param {KeyboardEvent} event
 */
function press(player, keys, event) {
  const way = WAYS[event.key];
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === " " && event.target !== button) toggle(player);
  else if (way && event.shiftKey) keys.pull(way);
  else if (way && way[0]) {
    player.pause();
    player.seek(player.time + way[0] * STEP);
    label(player);
  } else return;
  event.preventDefault();
}

/** @param {Player} player */
async function begin(player) {
  const keys = new Keys(player);
  player.handle = true;
  player.onframe = () => label(player);
  player.onpull = () => hint.classList.add("done");
  button.addEventListener("click", () => toggle(player));
  document.addEventListener("keydown", (event) => press(player, keys, event));
  document.addEventListener("keyup", (event) => event.key === "Shift" && keys.release());
  window.addEventListener("blur", () => keys.release());
  await player.show(picture);
  label(player);
  hint.hidden = player.loosest() === null;
}

/**
 * Show the video instead, and say why.
 *
 * @param {unknown} error
 */
function instead(error) {
  const clip = part("clip", HTMLVideoElement);
  const why = part("why", HTMLElement);
  canvas.hidden = true;
  part("bar", HTMLElement).hidden = true;
  clip.hidden = false;
  why.hidden = false;
  why.textContent = `Here it cannot be pulled, and this is a video. (${error instanceof Error ? error.message : error})`;
  clip.preload = "auto";
  if (!matchMedia("(prefers-reduced-motion: reduce)").matches) clip.play().catch(() => {});
}

try {
  await begin(new Player(canvas));
} catch (error) {
  instead(error);
}
