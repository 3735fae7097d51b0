/** Images of moving pictures: loaded once, and kept for a while after they are shown. */

const KEPT = 12; // images that no picture shows, and that may be wanted again

/** An image of which the browser has the pixels. */
export class Picture {
  /**
   * @param {HTMLImageElement} element
   */
  constructor(element) {
    this.element = element;
    this.width = element.naturalWidth;
    this.height = element.naturalHeight;
    /** @type {Uint8Array | null} */
    this.known = null;
  }

  /** Return the opacity of each pixel, 0 to 255, row by row. */
  opacity() {
    if (this.known) return this.known;
    const canvas = document.createElement("canvas");
    canvas.width = this.width;
    canvas.height = this.height;
    const context = canvas.getContext("2d", { willReadFrequently: true });
    if (!context) throw new Error("player: expected a browser that gives a 2D canvas");
    context.drawImage(this.element, 0, 0);
    const { data } = context.getImageData(0, 0, this.width, this.height);
    this.known = new Uint8Array(data.length / 4);
    for (let i = 0; i < this.known.length; i++) this.known[i] = data[4 * i + 3];
    return this.known;
  }
}

/** Loads images by their addresses. */
export class Images {
  /**
   * @param {(picture: Picture) => void} forget is told what is not kept any longer.
   */
  constructor(forget) {
    this.forget = forget;
    /** @type {Map<string, Promise<Picture>>} the latest last */
    this.pictures = new Map();
  }

  /**
   * Return the image at an address.
   *
   * @param {string} url
   */
  load(url) {
    const picture = this.pictures.get(url) ?? loaded(url);
    this.pictures.delete(url);
    this.pictures.set(url, picture);
    picture.catch(() => this.pictures.delete(url));
    return picture;
  }

  /**
   * Forget the eldest images that are not shown.
   *
   * @param {Set<string>} shown addresses.
   */
  tidy(shown) {
    const unused = [...this.pictures.keys()].filter((url) => !shown.has(url));
    for (const url of unused.slice(0, Math.max(0, unused.length - KEPT))) {
      this.pictures.get(url)?.then(this.forget, () => {});
      this.pictures.delete(url);
    }
  }
}

/** @param {string} url */
async function loaded(url) {
  const element = new Image();
  element.src = url;
  try {
    await element.decode();
  } catch {
    throw new Error(`player: an image could not be read: ${url.slice(0, 60)}`);
  }
  return new Picture(element);
}
