/** The programs that draw a layer. */

export const VERTEX = `#version 300 es
precision highp float;

uniform vec2 picture; // its size, pixels
uniform vec4 box; // of the layer's image

in float rest_x;
in float rest_y;
in float shift_x;
in float shift_y;
in float read_x0;
in float read_y0;
in float read_x1;
in float read_y1;
in float nearness;

out vec2 place; // in the box, 0 to 1
out vec2 first; // what the passes look at, likewise
out vec2 second;

void main() {
  vec2 rest = vec2(rest_x, rest_y);
  // Whole numbers are the centres of pixels.
  place = (rest - box.xy + 0.5) / box.zw;
  first = place + vec2(read_x0, read_y0) / box.zw;
  second = place + vec2(read_x1, read_y1) / box.zw;
  vec2 seen = (rest + vec2(shift_x, shift_y) + 0.5) / picture;
  gl_Position = vec4(2.0 * seen.x - 1.0, 1.0 - 2.0 * seen.y, 0.9 - 1.8 * nearness, 1.0);
}
`;

// The kernel is Keys' (1981) with a = -0.75, as the renderer's.
const READ = `
precision highp float;

uniform sampler2D image;
uniform bool cubic; // else it is read linearly

vec4 weights(float t) {
  float s = 1.0 - t;
  return vec4(
    -0.75 * t * s * s, (1.25 * t - 2.25) * t * t + 1.0, (1.25 * s - 2.25) * s * s + 1.0, -0.75 * s * t * t);
}

ivec4 indices(int first, int size) {
  return wrapped(ivec4(first - 1, first, first + 1, first + 2), size);
}

vec4 row(ivec4 x, int y, vec4 weight) {
  return weight.x * texelFetch(image, ivec2(x.x, y), 0) + weight.y * texelFetch(image, ivec2(x.y, y), 0)
    + weight.z * texelFetch(image, ivec2(x.z, y), 0) + weight.w * texelFetch(image, ivec2(x.w, y), 0);
}

vec4 look(vec2 at) {
  if (!cubic) return texture(image, at);
  ivec2 size = textureSize(image, 0);
  vec2 texel = at * vec2(size) - 0.5;
  vec2 whole = floor(texel);
  ivec4 x = indices(int(whole.x), size.x);
  ivec4 y = indices(int(whole.y), size.y);
  vec4 across = weights(texel.x - whole.x);
  vec4 down = weights(texel.y - whole.y);
  vec4 colour = down.x * row(x, y.x, across) + down.y * row(x, y.y, across)
    + down.z * row(x, y.z, across) + down.w * row(x, y.w, across);
  // The kernel overshoots; a premultiplied colour lies between 0 and its opacity.
  colour.a = clamp(colour.a, 0.0, 1.0);
  colour.rgb = clamp(colour.rgb, 0.0, colour.a);
  return colour;
}
`;

const CLAMPED = "ivec4 wrapped(ivec4 i, int size) { return clamp(i, 0, size - 1); }";
const MIRRORED = `ivec4 wrapped(ivec4 i, int size) {
  int last = max(size - 1, 1);
  ivec4 phase = abs(i) % (2 * last);
  return min(last - abs(phase - last), size - 1);
}`;

/** A subject or a background. */
export const SUBJECT = `#version 300 es
${CLAMPED}
${READ}
in vec2 place;
out vec4 colour;

void main() {
  colour = look(place);
  if (colour.a == 0.0) discard;
}
`;

// SPREAD, FRONT and HASTE are those of photoflow/render/flowing.py, and so is what is done with them.
/** A region whose material flows. */
export const REGION = `#version 300 es
${MIRRORED}
${READ}
uniform sampler2D opacity;
uniform sampler2D order; // when each block changes over
uniform vec2 blocks; // size of the box in blocks of 8 pixels, in shares of the order's own size
uniform float ahead; // by how much the first pass has more than half of the weight
uniform int passes;
uniform bool veiled; // whether there is an opacity

in vec2 place;
in vec2 first;
in vec2 second;
out vec4 colour;

const float SPREAD = 0.5;
const float FRONT = 0.35;
const float HASTE = 8.0;
const float ALONE = (SPREAD + FRONT) / 2.0;

float grey(vec4 one) {
  return dot(one.rgb, vec3(0.299, 0.587, 0.114));
}

float differing() {
  vec2 pixel = 1.0 / vec2(textureSize(image, 0));
  float sum = 0.0;
  for (int y = -2; y <= 2; y++) {
    for (int x = -2; x <= 2; x++) {
      vec2 aside = 5.0 * vec2(x, y) * pixel;
      sum += abs(grey(textureLod(image, first + aside, 1.0)) - grey(textureLod(image, second + aside, 1.0)));
    }
  }
  return sum / 25.0;
}

void main() {
  colour = vec4(0.0);
  if (passes < 2 || ahead >= ALONE) colour = look(first);
  else if (ahead <= -ALONE) colour = look(second);
  else {
    float past = (SPREAD * texture(order, place * blocks).r + ahead) / FRONT;
    if (abs(past) < 0.5) past *= 1.0 + HASTE * differing(); // elsewhere it is decided
    float share = smoothstep(-0.5, 0.5, past);
    if (share > 0.0) colour += share * look(first);
    if (share < 1.0) colour += (1.0 - share) * look(second);
  }
  if (veiled) colour *= texture(opacity, place).r;
  if (colour.a == 0.0) discard;
}
`;
