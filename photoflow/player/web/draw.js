// Layers drawn with WebGL 2: each is an image on a mesh whose nodes are moved.

import { floatsOf, bytesOf } from "photoflow/modes.js";

/** @typedef {import("photoflow/picture.js").LayerDocument} LayerDocument */

const VERTEX = `#version 300 es
precision highp float;
uniform vec4 box;      // of the image: left, top, width, height, pixels of the picture
uniform vec2 size;     // of the picture
uniform float spacing; // pixels from one node to the next
uniform int columns;
in float right, down;  // displacement of the node
in float right0, down0, right1, down1; // where each look reads the image, from the node's place
in float nearness;
out vec2 own, look0, look1;
void main() {
  vec2 rest = box.xy + spacing * vec2(gl_VertexID % columns, gl_VertexID / columns);
  vec2 place = (rest + vec2(right, down) + 0.5) / size;
  gl_Position = vec4(2.0 * place.x - 1.0, 1.0 - 2.0 * place.y, -nearness, 1.0);
  vec2 first = rest - box.xy + 0.5;
  own = first / box.zw;
  look0 = (first + vec2(right0, down0)) / box.zw;
  look1 = (first + vec2(right1, down1)) / box.zw;
}`;

const FRAGMENT = `#version 300 es
precision highp float;
uniform sampler2D image, opacity, order;
uniform vec2 filled;   // share of the blocks of the order that the image fills
uniform int looks;     // 0: the image moves with the mesh; 1, 2: so many looks at it through a still one
uniform float lead;    // weight of the first of two looks, less a half
uniform bool plain;    // nothing moves: each pixel shows its own texel
uniform bool edged;    // nothing is beyond the image
in vec2 own, look0, look1;
out vec4 colour;

// One look takes the place of the other in patches: photoflow.render.flowing has the constants.
const float SPREAD = 0.5, FRONT = 0.35, HASTE = 8.0;

// Weights of four texels for a place between the second and the third (Keys, 1981, with a = -3/4).
vec4 weights(float t) {
  const float a = -0.75;
  float s = 1.0 - t;
  return vec4(a * t * s * s, (a + 2.0) * t * t * t - (a + 3.0) * t * t + 1.0,
              (a + 2.0) * s * s * s - (a + 3.0) * s * s + 1.0, a * s * t * t);
}

// A bicubic look by nine linear ones: the two weights in the middle are of one sign, so that one look gives both.
vec4 sharp(sampler2D from, vec2 place) {
  vec2 extent = vec2(textureSize(from, 0));
  vec2 at = place * extent - 0.5, base = floor(at), part = at - base;
  vec4 across = weights(part.x), along = weights(part.y);
  vec3 wx = vec3(across.x, across.y + across.z, across.w), wy = vec3(along.x, along.y + along.z, along.w);
  vec3 x = (base.x + vec3(-0.5, 0.5 + across.z / wx.y, 2.5)) / extent.x;
  vec3 y = (base.y + vec3(-0.5, 0.5 + along.z / wy.y, 2.5)) / extent.y;
  vec4 sum = vec4(0.0);
  for (int j = 0; j < 3; j++) {
    vec4 row = wx.x * textureLod(from, vec2(x.x, y[j]), 0.0) + wx.y * textureLod(from, vec2(x.y, y[j]), 0.0) +
               wx.z * textureLod(from, vec2(x.z, y[j]), 0.0);
    sum += wy[j] * row;
  }
  return sum;
}

float grey(vec2 place) {
  return dot(textureLod(image, place, 2.0).rgb, vec3(0.299, 0.587, 0.114));
}

// The mean difference of both looks around here.
float apart() {
  vec2 unit = 8.0 / vec2(textureSize(image, 0));
  float sum = 0.0;
  for (int i = -1; i <= 1; i++) {
    for (int j = -1; j <= 1; j++) {
      vec2 aside = unit * vec2(i, j);
      sum += abs(grey(look0 + aside) - grey(look1 + aside));
    }
  }
  return sum / 9.0;
}

void main() {
  if (edged && (own.x < 0.0 || own.y < 0.0 || own.x > 1.0 || own.y > 1.0)) discard;
  if (looks == 0) {
    vec4 seen = plain ? textureLod(image, own, 0.0) : sharp(image, own);
    float alpha = clamp(seen.a, 0.0, 1.0);
    colour = vec4(clamp(seen.rgb, 0.0, alpha), alpha);
    return;
  }
  vec3 shown = sharp(image, look0).rgb;
  if (looks == 2) {
    float ahead = SPREAD * texture(order, own * filled).r + lead;
    float share = clamp((1.0 + HASTE * apart()) / FRONT * ahead + 0.5, 0.0, 1.0);
    share = share * share * (3.0 - 2.0 * share);
    shown = mix(sharp(image, look1).rgb, shown, share);
  }
  float alpha = textureLod(opacity, own, 0.0).r;
  colour = vec4(clamp(shown, 0.0, 1.0) * alpha, alpha);
}`;

const INPUTS = ["right", "down", "right0", "down0", "right1", "down1", "nearness"];

/** What is drawn of one layer. */
class Drawn {
  /**
   * @param {WebGL2RenderingContext} gl
   * @param {LayerDocument} layer
   * @param {Map<string, WebGLTexture>} textures
   */
  constructor(gl, layer, textures) {
    this.layer = layer;
    this.image = textures.get(layer.image);
    this.opacity = layer.opacity === null ? this.image : textures.get(layer.opacity);
    this.order = layer.order ? orderTexture(gl, layer.order) : null;
    this.moved = gl.createBuffer();
    this.reads = (layer.passes ?? []).map(() => gl.createBuffer());
    this.nearness = layer.nearness === null ? null : filledBuffer(gl, gl.ARRAY_BUFFER, new Uint8Array(bytesOf(layer.nearness)));
    this.indices = filledBuffer(gl, gl.ELEMENT_ARRAY_BUFFER, triangles(layer.columns, layer.rows));
    this.count = 6 * (layer.columns - 1) * (layer.rows - 1);
  }

  /** @param {WebGL2RenderingContext} gl */
  free(gl) {
    for (const buffer of [this.moved, ...this.reads, this.nearness, this.indices]) gl.deleteBuffer(buffer);
    gl.deleteTexture(this.order);
  }
}

/**
 * @typedef {object} LayerFrame how a layer is drawn now
 * @property {Float32Array | null} moved displacement of each node: all to the right, then all down; null: none
 * @property {(Float32Array | null)[]} reads of each look, likewise
 * @property {number[]} weights of each look
 */

/** Draws layers into a canvas. */
export class Drawing {
  /**
   * @param {HTMLCanvasElement} canvas
   */
  constructor(canvas) {
    const gl = canvas.getContext("webgl2", { alpha: false, antialias: false, depth: true, premultipliedAlpha: true });
    if (!gl) throw new Error("This browser has no WebGL 2, with which the photo is moved.");
    this.gl = gl;
    this.canvas = canvas;
    /** @type {Map<string, WebGLTexture>} by address */
    this.textures = new Map();
    /** @type {Drawn[]} */
    this.layers = [];
    this.prepare();
  }

  /** Make what every picture needs; once more after the graphics card was lost. */
  prepare() {
    const { gl } = this;
    this.program = linked(gl);
    this.textures.clear();
    this.layers = [];
    this.places = Object.fromEntries(
      ["box", "size", "spacing", "columns", "image", "opacity", "order", "filled", "looks", "lead", "plain", "edged"].map(
        (name) => [name, gl.getUniformLocation(/** @type {WebGLProgram} */ (this.program), name)],
      ),
    );
    this.inputs = INPUTS.map((name) => gl.getAttribLocation(/** @type {WebGLProgram} */ (this.program), name));
  }

  /**
   * Take the layers of a picture.
   * @param {LayerDocument[]} layers
   * @param {Map<string, string>} addresses of images, by their names
   * @param {Map<string, HTMLImageElement>} images by address
   * @param {number} width
   * @param {number} height
   */
  take(layers, addresses, images, width, height) {
    const { gl } = this;
    for (const layer of this.layers) layer.free(gl);
    const wanted = new Set(addresses.values());
    for (const [address, texture] of this.textures) {
      if (!wanted.has(address)) {
        gl.deleteTexture(texture);
        this.textures.delete(address);
      }
    }
    const named = new Map();
    for (const [name, address] of addresses) {
      const mirrored = layers.some((layer) => layer.passes && layer.image === name);
      const known = this.textures.get(address) ?? imageTexture(gl, /** @type {HTMLImageElement} */ (images.get(address)), mirrored);
      this.textures.set(address, known);
      named.set(name, known);
    }
    this.layers = layers.map((layer) => new Drawn(gl, layer, named));
    if (this.canvas.width !== width) this.canvas.width = width;
    if (this.canvas.height !== height) this.canvas.height = height;
  }

  /**
   * Draw a frame.
   * @param {LayerFrame[]} frames of all layers
   */
  draw(frames) {
    const { gl } = this;
    gl.viewport(0, 0, this.canvas.width, this.canvas.height);
    gl.clearColor(0, 0, 0, 1);
    gl.clear(gl.COLOR_BUFFER_BIT);
    gl.useProgram(/** @type {WebGLProgram} */ (this.program));
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    this.layers.forEach((layer, i) => this.#layer(layer, frames[i]));
  }

  /**
   * @param {Drawn} drawn
   * @param {LayerFrame} frame
   */
  #layer(drawn, frame) {
    const { gl, places, inputs } = this;
    if (!places || !inputs) return;
    const { layer } = drawn;
    const [right, down, right0, down0, right1, down1, nearness] = inputs;
    gl.uniform4f(places.box, ...layer.box);
    gl.uniform2f(places.size, this.canvas.width, this.canvas.height);
    gl.uniform1f(places.spacing, layer.step);
    gl.uniform1i(places.columns, layer.columns);
    gl.uniform1i(places.plain, frame.moved ? 0 : 1);
    gl.uniform1i(places.edged, layer === this.layers[0].layer ? 0 : 1);
    const shown = frame.reads.map((_, i) => i).filter((i) => frame.weights[i] > 0);
    gl.uniform1i(places.looks, shown.length);
    gl.uniform1f(places.lead, shown.length === 2 ? frame.weights[0] - 0.5 : 0);
    this.#feed([right, down], drawn.moved, frame.moved);
    [[right0, down0], [right1, down1]].forEach((pair, k) => {
      const i = shown[k];
      this.#feed(pair, i === undefined ? null : drawn.reads[i], i === undefined ? null : frame.reads[i]);
    });
    this.#still(nearness, drawn.nearness);
    bind(gl, 0, drawn.image, places.image);
    bind(gl, 1, drawn.opacity, places.opacity);
    bind(gl, 2, drawn.order ?? drawn.image, places.order);
    if (layer.order) {
      gl.uniform2f(places.filled, layer.box[2] / 8 / layer.order.columns, layer.box[3] / 8 / layer.order.rows);
    }
    if (drawn.nearness) {
      gl.enable(gl.DEPTH_TEST);
      gl.depthFunc(gl.LEQUAL);
      gl.clear(gl.DEPTH_BUFFER_BIT);
    }
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, drawn.indices);
    gl.drawElements(gl.TRIANGLES, drawn.count, gl.UNSIGNED_INT, 0);
    gl.disable(gl.DEPTH_TEST);
  }

  /**
   * Hand displacements over to two inputs.
   * @param {number[]} pair
   * @param {WebGLBuffer | null} buffer
   * @param {Float32Array | null} values all to the right, then all down
   */
  #feed(pair, buffer, values) {
    const { gl } = this;
    pair.forEach((place, axis) => {
      if (place < 0) return;
      if (!values) {
        gl.disableVertexAttribArray(place);
        gl.vertexAttrib1f(place, 0);
        return;
      }
      gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
      if (axis === 0) gl.bufferData(gl.ARRAY_BUFFER, values, gl.DYNAMIC_DRAW);
      gl.enableVertexAttribArray(place);
      gl.vertexAttribPointer(place, 1, gl.FLOAT, false, 0, 2 * axis * values.length);
    });
  }

  /**
   * @param {number} place
   * @param {WebGLBuffer | null} buffer of bytes
   */
  #still(place, buffer) {
    const { gl } = this;
    if (!buffer) {
      gl.disableVertexAttribArray(place);
      gl.vertexAttrib1f(place, 0);
      return;
    }
    gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
    gl.enableVertexAttribArray(place);
    gl.vertexAttribPointer(place, 1, gl.UNSIGNED_BYTE, true, 0, 0);
  }

  /** Return the frame just drawn, RGBA, the highest row first. */
  pixels() {
    const { gl, canvas } = this;
    const [width, height] = [canvas.width, canvas.height];
    const upwards = new Uint8Array(4 * width * height);
    gl.readPixels(0, 0, width, height, gl.RGBA, gl.UNSIGNED_BYTE, upwards);
    const data = new Uint8Array(upwards.length);
    for (let y = 0; y < height; y++) {
      data.set(upwards.subarray(4 * width * (height - 1 - y), 4 * width * (height - y)), 4 * width * y);
    }
    return { width, height, data };
  }

  /** Let go of all that is on the graphics card. */
  free() {
    const { gl } = this;
    for (const layer of this.layers) layer.free(gl);
    for (const texture of this.textures.values()) gl.deleteTexture(texture);
    gl.deleteProgram(/** @type {WebGLProgram} */ (this.program));
    this.layers = [];
    this.textures.clear();
  }
}

/**
 * @param {WebGL2RenderingContext} gl
 * @returns {WebGLProgram}
 */
function linked(gl) {
  const program = gl.createProgram();
  for (const [kind, source] of /** @type {[number, string][]} */ ([
    [gl.VERTEX_SHADER, VERTEX],
    [gl.FRAGMENT_SHADER, FRAGMENT],
  ])) {
    const shader = /** @type {WebGLShader} */ (gl.createShader(kind));
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
    gl.deleteShader(shader);
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS) && !gl.isContextLost()) {
    throw new Error(`The graphics card refuses the drawing: ${gl.getProgramInfoLog(program)}`);
  }
  return program;
}

/**
 * @param {WebGL2RenderingContext} gl
 * @param {HTMLImageElement} image
 * @param {boolean} mirrored whether it goes on beyond its border, mirrored
 */
function imageTexture(gl, image, mirrored) {
  const texture = gl.createTexture();
  gl.bindTexture(gl.TEXTURE_2D, texture);
  gl.pixelStorei(gl.UNPACK_PREMULTIPLY_ALPHA_WEBGL, true);
  gl.pixelStorei(gl.UNPACK_COLORSPACE_CONVERSION_WEBGL, gl.NONE);
  gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, image);
  gl.pixelStorei(gl.UNPACK_PREMULTIPLY_ALPHA_WEBGL, false);
  const wrap = mirrored ? gl.MIRRORED_REPEAT : gl.CLAMP_TO_EDGE;
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_S, wrap);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_T, wrap);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.LINEAR);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, mirrored ? gl.LINEAR_MIPMAP_LINEAR : gl.LINEAR);
  if (mirrored) gl.generateMipmap(gl.TEXTURE_2D);
  return texture;
}

/**
 * @param {WebGL2RenderingContext} gl
 * @param {{columns: number, rows: number, values: string}} order
 */
function orderTexture(gl, order) {
  const texture = gl.createTexture();
  // Halves of a float can be read between texels everywhere, whole ones cannot.
  gl.bindTexture(gl.TEXTURE_2D, texture);
  gl.pixelStorei(gl.UNPACK_ALIGNMENT, 4);
  gl.texImage2D(gl.TEXTURE_2D, 0, gl.R16F, order.columns, order.rows, 0, gl.RED, gl.FLOAT, floatsOf(order.values));
  for (const name of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T]) gl.texParameteri(gl.TEXTURE_2D, name, gl.CLAMP_TO_EDGE);
  for (const name of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) gl.texParameteri(gl.TEXTURE_2D, name, gl.LINEAR);
  return texture;
}

/**
 * @param {WebGL2RenderingContext} gl
 * @param {number} unit
 * @param {WebGLTexture | null | undefined} texture
 * @param {WebGLUniformLocation | null} place
 */
function bind(gl, unit, texture, place) {
  gl.activeTexture(gl.TEXTURE0 + unit);
  gl.bindTexture(gl.TEXTURE_2D, texture ?? null);
  gl.uniform1i(place, unit);
}

/**
 * @param {WebGL2RenderingContext} gl
 * @param {number} kind
 * @param {ArrayBufferView} values
 */
function filledBuffer(gl, kind, values) {
  const buffer = gl.createBuffer();
  gl.bindBuffer(kind, buffer);
  gl.bufferData(kind, values, gl.STATIC_DRAW);
  return buffer;
}

/**
 * Return the triangles of a mesh, each as three nodes.
 * @param {number} columns
 * @param {number} rows
 */
function triangles(columns, rows) {
  const nodes = new Uint32Array(6 * (columns - 1) * (rows - 1));
  let i = 0;
  for (let y = 0; y + 1 < rows; y++) {
    for (let x = 0; x + 1 < columns; x++) {
      const first = y * columns + x;
      nodes.set([first, first + 1, first + columns, first + 1, first + columns + 1, first + columns], i);
      i += 6;
    }
  }
  return nodes;
}
