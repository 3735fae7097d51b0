// The moving picture as it is written: see photoflow.player.MovingPicture.

/**
 * @typedef {object} LayerDocument
 * @property {string} name
 * @property {string} image
 * @property {string | null} opacity
 * @property {[number, number, number, number]} box
 * @property {number} step
 * @property {number} columns
 * @property {number} rows
 * @property {string | null} nearness
 * @property {import("photoflow/modes.js").ModesDocument | null} moves
 * @property {{reads: import("photoflow/modes.js").ModesDocument | null, weights: string}[] | null} passes
 * @property {{columns: number, rows: number, values: string} | null} order
 * @property {import("photoflow/pull.js").PullDocument | null} pull
 */

/**
 * @typedef {object} PictureDocument
 * @property {number} version
 * @property {number} width
 * @property {number} height
 * @property {number} seconds
 * @property {boolean} loop
 * @property {Record<string, string>} images
 * @property {LayerDocument[]} layers
 */

export const VERSION = 1;

/**
 * Return the images that a picture names, by their addresses; those that are known are not loaded again.
 * @param {PictureDocument} picture
 * @param {Map<string, HTMLImageElement>} known
 * @returns {Promise<Map<string, HTMLImageElement>>}
 */
export async function imagesOf(picture, known) {
  const found = new Map();
  await Promise.all(
    Object.values(picture.images).map(async (address) => {
      const image = known.get(address) ?? (await loaded(address));
      found.set(address, image);
    }),
  );
  return found;
}

/**
 * @param {string} address
 */
async function loaded(address) {
  const image = new Image();
  image.src = address;
  try {
    await image.decode();
  } catch {
    throw new Error("An image of the picture could not be loaded.");
  }
  return image;
}
