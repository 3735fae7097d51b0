// The page of layers: what is in the photo.

import { button, icon, make } from "photoflow/elements.js";
import { onOff } from "photoflow/controls.js";
import { store } from "photoflow/store.js";
import { wordOf } from "photoflow/motions.js";

const SURE = 0.75; // from here on a kind is said without a question mark

/**
 * Return the page; it follows the store.
 * @returns {HTMLElement}
 */
export function layersPage() {
  const page = make("div", { class: "page" });
  const build = () => {
    if (page.contains(document.activeElement) && document.activeElement instanceof HTMLInputElement) return;
    page.replaceChildren(...parts());
  };
  store.on("work", build);
  store.on("selection", build);
  return page;
}

function parts() {
  const { work, layer } = store;
  if (!work) return [];
  const list = make("ul", { class: "layers", "aria-label": "Things in the photo, the one in front first" });
  work.layers.forEach((one, i) => list.append(row(one, i)));
  return [
    make("h3", { text: "What is in the photo" }),
    work.layers.length ? list : make("p", { class: "dim", text: work.note || "Nothing was found. Add what should move." }),
    button("add", "Add something", () => {
      store.select(null);
      store.use("add");
    }, { title: "Then click on it, brush over it, or draw a box around it" }),
    layer ? details(layer) : make("p", { class: "dim", text: "Click on it in the photo, brush over it, or draw a box around it." }),
  ]; // prettier-ignore
}

/**
 * @param {import("photoflow/api.js").Layer} layer
 * @param {number} i
 */
function row(layer, i) {
  const selected = layer.name === store.selected;
  const moves = store.motionsOf(layer.name).map(wordOf).join(" + ") || "stays";
  const question = layer.sure >= SURE || layer.kind === "unknown" ? "" : "?";
  const kind = layer.label ?? (layer.kind === "unknown" ? (layer.region ? "place" : "thing") : layer.kind);
  const order = (/** @type {number} */ to) => {
    const names = store.work?.layers.map((one) => one.name) ?? [];
    names.splice(to, 0, ...names.splice(i, 1));
    store.edit({ edit: "arrange", layers: names });
  };
  return make(
    "li", { class: `layer${selected ? " selected" : ""}${layer.on ? "" : " off"}` },
    make("button", { type: "button", class: "pick", "aria-pressed": selected ? "true" : "false", onclick: () => store.select(layer.name), "data-layer": layer.name },
      make("span", {}, make("strong", { text: layer.name }), make("small", { text: `${kind}${question}: ${moves}` }))),
    selected && i > 0 ? make("button", { type: "button", class: "more", title: "Bring forward", "aria-label": `Bring ${layer.name} forward`, onclick: () => order(i - 1) }, icon("up")) : make("span"),
    make("span", { class: "row" }, onOff(`${layer.name} is used`, layer.on, (on) => store.edit({ edit: "switch", layer: layer.name, on })), make("span")),
  ); // prettier-ignore
}

/** @param {import("photoflow/api.js").Layer} layer */
function details(layer) {
  const name = make("input", { type: "text", value: layer.name, "aria-label": "Name", maxlength: "40" });
  name.addEventListener("change", async () => {
    const wanted = name.value.trim().replace(/\s+/g, "-");
    if (wanted && wanted !== layer.name) {
      const work = await store.edit({ edit: "rename", layer: layer.name, name: wanted });
      if (work) store.select(wanted);
    }
  });
  const kinds = make("select", { "aria-label": "What it is" }, ...store.catalogue.kinds.map((kind) => make("option", { value: kind, text: kind, selected: kind === layer.kind })));
  kinds.addEventListener("change", () => store.edit({ edit: "kind", layer: layer.name, kind: kinds.value }));
  const held = layer.free.length + layer.pinned.length;
  return make(
    "div", { class: "details" },
    make("label", { class: "field" }, make("span", { text: "Name" }), name),
    make("label", { class: "field", title: "It moves as such things do" }, make("span", { text: "It is a" }), kinds, make("small", { class: "hint", text: `Found by: ${layer.why}.` })),
    make("p", { class: "dim", text: "Is its outline wrong? Use Add, Take away, Brush or Eraser on the photo." }),
    make("div", { class: "row" },
      held ? button("pin", "Lift all pins", () => store.edit({ edit: "hold", layer: layer.name, free: [], pinned: [] })) : null,
      button("trash", "Remove", () => store.edit({ edit: "remove", layer: layer.name }), { title: "It is no layer any more; it stays in the photo" })),
  ); // prettier-ignore
}
