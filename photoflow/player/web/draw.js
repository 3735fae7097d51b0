/** Draws layers with WebGL 2: each is a mesh that shows an image. */

import { REGION, SUBJECT, VERTEX } from "photoflow/shaders.js";

/**
 * @typedef {import("photoflow/layer.js").Layer} Layer
 * @typedef {import("photoflow/images.js").Picture} Picture
 * @typedef {{layer: Layer, image: Picture, opacity: Picture | null, cut: boolean}} Shown what is drawn; `cut`: whether
 *   cells of the mesh in which the image is transparent are left out
 */

const ATTRIBUTES = [
  "rest_x", "rest_y", "shift_x", "shift_y", "read_x0", "read_y0", "read_x1", "read_y1", "nearness",
];
const [REST, SHIFT, READS, NEARNESS] = [0, 2, 4, 8];
const BLOCK = 8; // pixels of a region that change over together
const READ_BEYOND = 3; // pixels beyond a cell that the kernel reads

/** A program, and where its uniforms are. */
class Program {
  /**
   * @param {WebGL2RenderingContext} gl
   * @param {string} fragment
   */
  constructor(gl, fragment) {
    const program = gl.createProgram();
    const parts = /** @type {[number, string][]} */ ([[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, fragment]]);
    for (const [type, source] of parts) {
      const shader = gl.createShader(type);
      if (!shader) continue; // the context is lost
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
      gl.deleteShader(shader);
    }
    ATTRIBUTES.forEach((name, i) => gl.bindAttribLocation(program, i, name));
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS) && !gl.isContextLost()) {
      throw new Error(`player: this browser's WebGL 2 does not draw: ${gl.getProgramInfoLog(program)}`);
    }
    this.gl = gl;
    this.program = program;
    /** @type {Map<string, WebGLUniformLocation | null>} */
    this.places = new Map();
  }

  /** @param {string} name */
  at(name) {
    let place = this.places.get(name);
    if (place === undefined) this.places.set(name, (place = this.gl.getUniformLocation(this.program, name)));
    return place;
  }
}

/** A layer's arrays on the device. */
class Mesh {
  /**
   * @param {WebGL2RenderingContext} gl
   * @param {Shown} shown
   */
  constructor(gl, shown) {
    const { layer } = shown;
    /** @type {WebGL2RenderingContext} */
    this.gl = gl;
    this.revision = 0;
    /** @type {WebGLVertexArrayObject} */
    this.array = gl.createVertexArray();
    gl.bindVertexArray(this.array);
    /** @type {WebGLBuffer[]} */
    this.buffers = [];
    this.#pair(REST, layer.rest, gl.STATIC_DRAW);
    this.shift = this.#pair(SHIFT, layer.shift, gl.DYNAMIC_DRAW);
    this.reads = layer.passes.map((pass, i) => this.#pair(READS + 2 * i, pass.reads, gl.DYNAMIC_DRAW));
    if (layer.nearness) {
      this.#buffer(gl.ARRAY_BUFFER, layer.nearness, gl.STATIC_DRAW);
      gl.enableVertexAttribArray(NEARNESS);
      gl.vertexAttribPointer(NEARNESS, 1, gl.UNSIGNED_BYTE, true, 0, 0);
    }
    const triangles = cells(shown);
    this.#buffer(gl.ELEMENT_ARRAY_BUFFER, triangles, gl.STATIC_DRAW);
    this.count = triangles.length;
    this.order = layer.order && this.#order(layer);
    gl.bindVertexArray(null);
  }

  /**
   * Send what an update has changed.
   *
   * @param {Layer} layer
   */
  send(layer) {
    if (this.revision === layer.revision) return;
    const { gl } = this;
    if (layer.moves || layer.pull) {
      gl.bindBuffer(gl.ARRAY_BUFFER, this.shift);
      gl.bufferSubData(gl.ARRAY_BUFFER, 0, layer.shift);
    }
    layer.passes.forEach((pass, i) => {
      if (!pass.modes) return;
      gl.bindBuffer(gl.ARRAY_BUFFER, this.reads[i]);
      gl.bufferSubData(gl.ARRAY_BUFFER, 0, pass.reads);
    });
    this.revision = layer.revision;
  }

  /** Give everything back. */
  destroy() {
    for (const buffer of this.buffers) this.gl.deleteBuffer(buffer);
    this.gl.deleteVertexArray(this.array);
    this.gl.deleteTexture(this.order);
  }

  /**
   * Make an array of all x and then all y two attributes.
   *
   * @param {number} place of the first attribute.
   * @param {Float32Array} values
   * @param {number} use
   * @returns {WebGLBuffer}
   */
  #pair(place, values, use) {
    const { gl } = this;
    const buffer = this.#buffer(gl.ARRAY_BUFFER, values, use);
    for (const axis of [0, 1]) {
      gl.enableVertexAttribArray(place + axis);
      gl.vertexAttribPointer(place + axis, 1, gl.FLOAT, false, 0, axis * values.byteLength / 2);
    }
    return buffer;
  }

  /**
   * @param {number} kind
   * @param {Float32Array | Uint8Array | Uint32Array} values
   * @param {number} use
   * @returns {WebGLBuffer}
   */
  #buffer(kind, values, use) {
    const buffer = this.gl.createBuffer();
    this.buffers.push(buffer);
    this.gl.bindBuffer(kind, buffer);
    this.gl.bufferData(kind, values, use);
    return buffer;
  }

  /** @param {Layer} layer */
  #order({ document: { order }, order: values }) {
    const { gl } = this;
    const texture = gl.createTexture();
    gl.bindTexture(gl.TEXTURE_2D, texture);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.R16F, order?.columns ?? 0, order?.rows ?? 0, 0, gl.RED, gl.FLOAT, values);
    return texture;
  }
}

export class Drawing {
  /**
   * @param {HTMLCanvasElement} canvas
   */
  constructor(canvas) {
    const gl = canvas.getContext("webgl2", { alpha: false, antialias: false, depth: true });
    if (!gl) throw new Error("player: expected a browser with WebGL 2");
    this.gl = gl;
    /** @type {Map<Layer, Mesh>} */
    this.meshes = new Map();
    /** @type {Map<Picture, WebGLTexture>} */
    this.textures = new Map();
    this.#prepare();
  }

  /** Begin anew after the context was lost: nothing that was on the device is there any longer. */
  restore() {
    this.textures.clear();
    this.meshes.clear();
    this.#prepare();
  }

  /**
   * Draw layers, from the back to the front.
   *
   * @param {Shown[]} layers
   * @param {boolean} quick whether what moves is read linearly, which takes a third of the time and is softer.
   */
  draw(layers, quick) {
    const { gl } = this;
    gl.viewport(0, 0, gl.drawingBufferWidth, gl.drawingBufferHeight);
    gl.clear(gl.COLOR_BUFFER_BIT);
    for (const shown of layers) this.#layer(shown, quick);
    gl.bindVertexArray(null);
  }

  /**
   * Draw layers, and return what they look like: RGBA, the first row first.
   *
   * @param {Shown[]} layers
   */
  pixels(layers) {
    this.draw(layers, false);
    const { gl } = this;
    const [width, height] = [gl.drawingBufferWidth, gl.drawingBufferHeight];
    const upward = new Uint8Array(4 * width * height);
    gl.readPixels(0, 0, width, height, gl.RGBA, gl.UNSIGNED_BYTE, upward);
    const data = new Uint8ClampedArray(upward.length);
    for (let row = 0; row < height; row++) {
      data.set(upward.subarray(4 * width * row, 4 * width * (row + 1)), 4 * width * (height - 1 - row));
    }
    return { width, height, data };
  }

  /**
   * Forget the meshes of layers that are not shown any longer.
   *
   * @param {Shown[]} layers those that are.
   */
  keep(layers) {
    const kept = new Set(layers.map(({ layer }) => layer));
    for (const [layer, mesh] of this.meshes) {
      if (kept.has(layer)) continue;
      mesh.destroy();
      this.meshes.delete(layer);
    }
  }

  /**
   * Forget an image.
   *
   * @param {Picture} picture
   */
  forget(picture) {
    this.gl.deleteTexture(this.textures.get(picture) ?? null);
    this.textures.delete(picture);
  }

  #prepare() {
    const { gl } = this;
    this.subject = new Program(gl, SUBJECT);
    this.region = new Program(gl, REGION);
    this.clamped = this.#sampler(gl.CLAMP_TO_EDGE, gl.LINEAR);
    this.mirrored = this.#sampler(gl.MIRRORED_REPEAT, gl.LINEAR_MIPMAP_NEAREST);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    gl.depthFunc(gl.LEQUAL);
    gl.clearColor(0, 0, 0, 1);
    gl.pixelStorei(gl.UNPACK_PREMULTIPLY_ALPHA_WEBGL, true);
    gl.pixelStorei(gl.UNPACK_COLORSPACE_CONVERSION_WEBGL, gl.NONE);
  }

  /**
   * @param {number} wrap
   * @param {number} smaller
   */
  #sampler(wrap, smaller) {
    const { gl } = this;
    const sampler = gl.createSampler();
    gl.samplerParameteri(sampler, gl.TEXTURE_WRAP_S, wrap);
    gl.samplerParameteri(sampler, gl.TEXTURE_WRAP_T, wrap);
    gl.samplerParameteri(sampler, gl.TEXTURE_MIN_FILTER, smaller);
    gl.samplerParameteri(sampler, gl.TEXTURE_MAG_FILTER, gl.LINEAR);
    return sampler;
  }

  /**
   * @param {Shown} shown
   * @param {boolean} quick
   */
  #layer(shown, quick) {
    const { gl } = this;
    const { layer, image, opacity } = shown;
    const flows = layer.passes.length > 0;
    // What is made anew is bound where it is made: so all of it is there before anything is bound to be drawn.
    let mesh = this.meshes.get(layer);
    if (!mesh) this.meshes.set(layer, (mesh = new Mesh(gl, shown)));
    const [colours, veil] = [this.#texture(image), opacity && this.#texture(opacity)];
    const program = /** @type {Program} */ (flows ? this.region : this.subject);
    gl.useProgram(program.program);
    gl.uniform2f(program.at("picture"), gl.drawingBufferWidth, gl.drawingBufferHeight);
    gl.uniform4fv(program.at("box"), layer.document.box);
    gl.uniform1i(program.at("cubic"), Number(!quick && (layer.plays || layer.swinging)));
    this.#bind(program, 0, "image", colours, flows ? this.mirrored : this.clamped);
    if (flows) this.#passes(program, layer, mesh, veil);
    mesh.send(layer);
    gl.bindVertexArray(mesh.array);
    if (layer.nearness) {
      gl.enable(gl.DEPTH_TEST);
      gl.clear(gl.DEPTH_BUFFER_BIT);
    } else gl.disable(gl.DEPTH_TEST);
    gl.drawElements(gl.TRIANGLES, mesh.count, gl.UNSIGNED_INT, 0);
  }

  /**
   * @param {Program} program
   * @param {Layer} layer
   * @param {Mesh} mesh
   * @param {WebGLTexture | null} veil its opacity
   */
  #passes(program, layer, mesh, veil) {
    const { gl } = this;
    const { box, order } = layer.document;
    gl.uniform1i(program.at("passes"), order ? layer.passes.length : 1);
    gl.uniform1f(program.at("ahead"), layer.passes[0].weight - 0.5);
    gl.uniform1i(program.at("veiled"), Number(veil !== null));
    if (veil) this.#bind(program, 1, "opacity", veil, this.clamped);
    if (order) {
      this.#bind(program, 2, "order", mesh.order, this.clamped);
      gl.uniform2f(program.at("blocks"), box[2] / BLOCK / order.columns, box[3] / BLOCK / order.rows);
    }
  }

  /**
   * @param {Program} program
   * @param {number} unit
   * @param {string} name
   * @param {WebGLTexture | null} texture
   * @param {WebGLSampler | null | undefined} sampler
   */
  #bind(program, unit, name, texture, sampler) {
    const { gl } = this;
    gl.activeTexture(gl.TEXTURE0 + unit);
    gl.bindTexture(gl.TEXTURE_2D, texture);
    gl.bindSampler(unit, sampler ?? null);
    gl.uniform1i(program.at(name), unit);
  }

  /** @param {Picture} picture */
  #texture(picture) {
    let texture = this.textures.get(picture);
    if (texture) return texture;
    const { gl } = this;
    this.textures.set(picture, (texture = gl.createTexture()));
    gl.bindTexture(gl.TEXTURE_2D, texture);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA8, gl.RGBA, gl.UNSIGNED_BYTE, picture.element);
    gl.generateMipmap(gl.TEXTURE_2D);
    return texture;
  }
}

/**
 * Return the triangles of a mesh, of a cut one only where its image is not transparent.
 *
 * @param {Shown} shown
 */
function cells({ layer, image, cut }) {
  const { rows, columns } = layer;
  const seen = cut ? covered(layer, image) : null;
  const triangles = [];
  for (let row = 0; row < rows - 1; row++) {
    for (let column = 0; column < columns - 1; column++) {
      if (seen && !seen[row * columns + column]) continue;
      const a = row * columns + column;
      const c = a + columns;
      triangles.push(a, a + 1, c, c + 1, c, a + 1);
    }
  }
  return Uint32Array.from(triangles);
}

/**
 * Return for each cell of a mesh, by its first node, whether anything is seen in it.
 *
 * @param {Layer} layer
 * @param {Picture} image
 */
function covered({ rows, columns, step, document: { box } }, image) {
  const opacity = image.opacity();
  const seen = new Uint8Array(rows * columns);
  const [across, down] = [step * image.width / box[2], step * image.height / box[3]];
  const last = (/** @type {number} */ pixel, /** @type {number} */ side, /** @type {number} */ count) =>
    Math.min(Math.floor((pixel + READ_BEYOND) / side), count - 1);
  for (let y = 0, i = 0; y < image.height; y++) {
    const [top, bottom] = [Math.max(0, Math.floor((y - READ_BEYOND) / down)), last(y, down, rows)];
    for (let x = 0; x < image.width; x++, i++) {
      if (opacity[i] === 0) continue;
      const [left, right] = [Math.max(0, Math.floor((x - READ_BEYOND) / across)), last(x, across, columns)];
      for (let row = top; row <= bottom; row++) seen.fill(1, row * columns + left, row * columns + right + 1);
    }
  }
  return seen;
}
