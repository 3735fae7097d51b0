// The shapes of what the server says and is told; coordinates are pixels of the photo.

/** @typedef {{x: number, y: number}} Point */
/** @typedef {[number, number]} Pair */
/** @typedef {Record<string, any> & {type: string}} Motion */

/**
 * @typedef {object} Layer
 * @property {string} name
 * @property {string | null} label
 * @property {string} kind
 * @property {number} sure
 * @property {string} why
 * @property {boolean} region
 * @property {boolean} on
 * @property {string} mask address of its mask's picture
 * @property {[number, number, number, number]} box x, y, width, height
 * @property {Pair[][]} free
 * @property {Pair[][]} pinned
 * @property {Motion | null} chosen
 */

/** @typedef {{seconds: number, fps: number, loop: boolean}} Settings */

/**
 * @typedef {object} Work
 * @property {string} id
 * @property {number} revision
 * @property {string} name
 * @property {{width: number, height: number, url: string}} photo
 * @property {string} note
 * @property {Layer[]} layers the one in front first
 * @property {Record<string, Motion[]>} motion by layer; of the camera under ""
 * @property {Settings} settings
 * @property {string | null} undo
 * @property {string | null} redo
 * @property {string | null} problem
 */

/**
 * @typedef {object} Control
 * @property {string} name
 * @property {string} word
 * @property {string} unit
 * @property {"number" | "choice" | "toggle" | "place" | "path" | "arrows" | "points"} kind
 * @property {number} least
 * @property {number} most
 * @property {number} step
 * @property {number} scale shown = value * scale
 * @property {any} default
 * @property {{value: string, word: string}[]} [choices]
 * @property {string} hint
 */

/** @typedef {{type: string, word: string, on: string[], hint: string, start: Motion, controls: Control[]}} Entry */
/** @typedef {{format: string, word: string, alpha: boolean, hint: string}} Format */
/** @typedef {{motions: Entry[], kinds: string[], formats: Format[]}} Catalogue */
/** @typedef {Record<string, any> & {edit: string}} Edit */

/**
 * @typedef {object} Render
 * @property {number} number
 * @property {string} format
 * @property {"waiting" | "rendering" | "done" | "failed" | "cancelled"} state
 * @property {number} done
 * @property {number} frames
 * @property {string | null} error
 * @property {string} name
 * @property {string} url
 */

/** @typedef {{motion: Record<string, Motion[]>, settings: Settings, off: string[]}} Kept what goes beside a stage */

export {};
