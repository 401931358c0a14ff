/** Earth: land, sea, day and night, a rim of air, a graticule.  Land is world-atlas' (Natural Earth, 1:110 m).
 *  Coasts and the graticule are drawn by the ground's own shader, a pixel wide at any distance. */

import {
  AdditiveBlending,
  BackSide,
  CanvasTexture,
  Group,
  Mesh as Shape,
  ShaderMaterial,
  SphereGeometry,
  Vector3,
} from "three";
import { FLATTENING } from "./scale";
import { landMask } from "./land";

// What is smooth is reckoned by corner, not by pixel: a processor that must draw has a tenth of the work.
const DAY_VERTEX = /* glsl */ `
uniform vec3 sun;
uniform vec3 sunSeen;
varying vec2 vUv;
varying float vHigh;
varying float vPole;
varying float vFacing;
varying float vGlint;
void main() {
  vUv = uv;
  vec3 up = normalize(position);
  vHigh = dot(up, sun);
  vPole = abs(up.z);
  vec4 seen = modelViewMatrix * vec4(position, 1.0);
  vec3 upSeen = normalize(normalMatrix * position);
  vec3 toEye = normalize(-seen.xyz);
  vFacing = dot(upSeen, toEye);
  vGlint = dot(upSeen, normalize(toEye + sunSeen));
  gl_Position = projectionMatrix * seen;
}`;

const DAY_FRAGMENT = /* glsl */ `
uniform sampler2D land;
uniform float texels;
varying vec2 vUv;
varying float vHigh;
varying float vPole;
varying float vFacing;
varying float vGlint;
void main() {
  float there = texture2D(land, vUv).r;
  // the mask's edge is three texels wide, or a pixel where a pixel is more than that
  vec2 perPx = fwidth(vUv);
  float slope = clamp(sqrt(perPx.x * perPx.y) * texels * 0.24, 0.01, 0.36);
  float isLand = clamp((there - 0.5) / slope + 0.5, 0.0, 1.0);
  float coast = clamp(1.3 - abs(there - 0.5) / slope, 0.0, 1.0);
  vec2 grid = vUv * vec2(24.0, 12.0);  // each 15 degrees
  vec2 off = abs(fract(grid - 0.5) - 0.5) / (perPx * vec2(24.0, 12.0));
  // meridians end before they meet
  float line = 1.0 - min(min(vPole < 0.966 ? off.x : 1.0, off.y), 1.0);
  // from nautical twilight to the Sun well up
  float day = smoothstep(-0.2, 0.25, vHigh);
  float dusk = day * (1.0 - day) * 4.0;
  float ice = smoothstep(0.9, 0.97, vPole);
  vec3 sea = mix(vec3(0.020, 0.046, 0.098), vec3(0.060, 0.190, 0.340), day);
  vec3 soil = mix(vec3(0.082, 0.106, 0.152), mix(vec3(0.290, 0.370, 0.330), vec3(0.620, 0.680, 0.720), ice), day);
  vec3 colour = mix(sea, soil, isLand) * (0.9 + 0.22 * max(vHigh, 0.0));
  colour += line * vec3(0.030, 0.040, 0.055);
  colour = mix(colour, vec3(0.60, 0.76, 0.92), coast * (0.55 + 0.15 * day));
  colour += vec3(0.075, 0.034, 0.014) * dusk * (0.5 + 0.5 * isLand);
  float glint = max(vGlint, 0.0);
  glint *= glint;
  glint *= glint;
  glint *= glint;
  glint *= glint;
  colour += (1.0 - isLand) * day * vec3(0.16, 0.19, 0.19) * glint * glint;
  float rim = 1.0 - max(vFacing, 0.0);
  colour += rim * rim * rim * mix(vec3(0.015, 0.04, 0.10), vec3(0.17, 0.37, 0.66), day);
  gl_FragColor = vec4(colour, 1.0);
}`;

const AIR_VERTEX = /* glsl */ `
uniform vec3 sun;
varying float vLit;
varying float vThrough;
void main() {
  vLit = smoothstep(-0.35, 0.3, dot(normalize(position), sun));
  vec4 seen = modelViewMatrix * vec4(position, 1.0);
  vThrough = dot(normalize(normalMatrix * position), normalize(seen.xyz));
  gl_Position = projectionMatrix * seen;
}`;

const AIR_FRAGMENT = /* glsl */ `
varying float vLit;
varying float vThrough;
void main() {
  // thickest just above the ground's edge, gone at the shell's own
  float thick = clamp(vThrough / 0.41, 0.0, 1.0);
  float glow = thick * thick * thick;
  gl_FragColor = vec4(mix(vec3(0.04, 0.09, 0.22), vec3(0.30, 0.58, 1.0), vLit) * glow * (0.12 + 0.78 * vLit), 1.0);
}`;

export class Earth {
  /** Earth-fixed. */
  readonly group = new Group();
  private readonly sun = { value: new Vector3(1, 0, 0) };
  private readonly sunSeen = { value: new Vector3(1, 0, 0) };
  private readonly texture: CanvasTexture;

  constructor(maskWidth: number) {
    this.texture = new CanvasTexture(landMask(maskWidth));
    // u = 0.5 is Greenwich: a sphere of three has its poles on y
    const ball = new SphereGeometry(1, 112, 56).rotateX(Math.PI / 2);
    const ground = new Shape(
      ball,
      new ShaderMaterial({
        vertexShader: DAY_VERTEX,
        fragmentShader: DAY_FRAGMENT,
        uniforms: {
          land: { value: this.texture },
          texels: { value: maskWidth },
          sun: this.sun,
          sunSeen: this.sunSeen,
        },
      }),
    );
    ground.scale.z = 1 - FLATTENING;
    const air = new Shape(
      new SphereGeometry(1.09, 64, 32).rotateX(Math.PI / 2),
      new ShaderMaterial({
        vertexShader: AIR_VERTEX,
        fragmentShader: AIR_FRAGMENT,
        uniforms: { sun: this.sun },
        side: BackSide,
        blending: AdditiveBlending,
        transparent: true,
        depthWrite: false,
      }),
    );
    air.renderOrder = -1;
    this.group.add(ground, air);
  }

  /** Towards the Sun, Earth-fixed; and as the camera sees it. */
  setSun(sunEarthFixed: Vector3, sunSeen: Vector3): void {
    this.sun.value.copy(sunEarthFixed);
    this.sunSeen.value.copy(sunSeen);
  }
}
