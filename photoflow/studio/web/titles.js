// What layers are called on the page: in words, where nobody named them.

/** @typedef {import("photoflow/types.js").Layer} Layer */
/** @typedef {import("photoflow/types.js").Work} Work */

/** @type {Record<string, string>} */
export const KIND_WORDS = {
  person: "Person", animal: "Animal", plant: "Plant", rigid: "Rigid thing", cloth: "Cloth", flame: "Flame",
  hanging: "Hanging thing", water: "Water", sky: "Sky, clouds", smoke: "Smoke", unknown: "Something else",
}; // prettier-ignore
const NUMBERED = /^(subject|region)-\d+$/;
const GIVEN = /^((subject|region)-\d+|(sky|water|smoke|foliage|flame)(-\d+)?)$/; // names that nobody chose

/**
 * Return what a layer is called; of several with the same word, each has a number.
 * @param {Work | null} work
 * @param {Layer} layer
 */
export function titleOf(work, layer) {
  const same = (work?.layers ?? []).filter((one) => wordOf(one) === wordOf(layer)).map((one) => one.name);
  same.sort(new Intl.Collator("en", { numeric: true }).compare); // as they came, so that nobody's number changes
  const number = same.length > 1 ? ` ${same.indexOf(layer.name) + 1}` : "";
  return NUMBERED.test(layer.name) ? `${wordOf(layer)}${number}` : wordOf(layer);
}

/**
 * Return what a layer is called within a sentence.
 * @param {Work | null} work
 * @param {Layer} layer
 */
export function calledOf(work, layer) {
  const title = titleOf(work, layer);
  return GIVEN.test(layer.name) ? `the ${title.charAt(0).toLowerCase()}${title.slice(1)}` : title;
}

/** @param {Layer} layer */
function wordOf(layer) {
  if (!NUMBERED.test(layer.name)) return sentence(layer.name.replaceAll("-", " "));
  if (layer.label) return sentence(layer.label);
  if (layer.kind === "sky") return "Sky";
  if (layer.kind !== "unknown") return KIND_WORDS[layer.kind] ?? sentence(layer.kind);
  return layer.region ? "Area" : "Subject";
}

/** @param {string} words */
export function sentence(words) {
  return words.charAt(0).toUpperCase() + words.slice(1);
}
