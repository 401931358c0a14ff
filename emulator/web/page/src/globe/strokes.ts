/** Straight lines of a width in pixels between nodes, moving with them: one draw call for as many as there are. */

import {
  BufferGeometry,
  DynamicDrawUsage,
  Float32BufferAttribute,
  InstancedBufferAttribute,
  InstancedBufferGeometry,
  Mesh as Shape,
  ShaderMaterial,
  Sphere,
  type Vector2,
  Vector3,
} from "three";
import type { Rgb } from "./colours";
import { MOVED_GLSL } from "./motion";

/** What a stroke says otherwise than by its colour. */
export const PLAIN = 0;
/** Broken into short dashes that stand still: it has failed. */
export const BROKEN = 1;
/** Long dashes that run from a to b. */
export const RUNS = 2;

const VERTEX = /* glsl */ `
attribute vec3 aIs;
attribute vec3 bIs;
attribute vec3 aWas;
attribute vec3 bWas;
attribute vec4 tint;
/** width in px, mark, px to the right of the way from a to b */
attribute vec3 kind;
uniform vec2 sizePx;
uniform float pixelRatio;
varying vec4 vTint;
varying float vMark;
varying float vAlongPx;
varying float vAcross;
varying float vWidthPx;
${MOVED_GLSL}
void main() {
  vec4 a = projectionMatrix * modelViewMatrix * vec4(moved(aWas, aIs), 1.0);
  vec4 b = projectionMatrix * modelViewMatrix * vec4(moved(bWas, bIs), 1.0);
  // an end behind the eye is cut just before it
  const float NEAR = 0.01;
  if (a.w < NEAR && b.w < NEAR) { gl_Position = vec4(2.0, 2.0, 2.0, 1.0); return; }
  if (a.w < NEAR) a = mix(a, b, (NEAR - a.w) / (b.w - a.w));
  if (b.w < NEAR) b = mix(b, a, (NEAR - b.w) / (a.w - b.w));
  vec2 pa = a.xy / a.w * sizePx * 0.5;
  vec2 pb = b.xy / b.w * sizePx * 0.5;
  vec2 along = pb - pa;
  float lengthPx = length(along);
  along = lengthPx > 1e-3 ? along / lengthPx : vec2(1.0, 0.0);
  vec2 across = vec2(along.y, -along.x);
  float widthPx = kind.x * pixelRatio;
  // half a pixel more on each side, for the soft edge
  float half_ = 0.5 * max(widthPx, 1.0) + 0.5;
  if (widthPx == 0.0) half_ = 0.0;
  vec4 end = mix(a, b, position.x);
  vec2 shift = across * (position.y * half_ + kind.z * pixelRatio);
  gl_Position = end;
  gl_Position.xy += shift / (sizePx * 0.5) * end.w;
  // narrower than a pixel is fainter
  vTint = vec4(tint.rgb, tint.a * min(widthPx, 1.0));
  vMark = kind.y;
  vAlongPx = position.x * lengthPx;
  vAcross = position.y * half_;
  vWidthPx = max(widthPx, 1.0);
}`;

const FRAGMENT = /* glsl */ `
uniform float pixelRatio;
uniform float runPx;
varying vec4 vTint;
varying float vMark;
varying float vAlongPx;
varying float vAcross;
varying float vWidthPx;
void main() {
  float alpha = vTint.a * clamp(0.5 * vWidthPx + 0.5 - abs(vAcross), 0.0, 1.0);
  if (vMark > 1.5) {
    float at = mod(vAlongPx / pixelRatio - runPx, 18.0);
    alpha *= mix(0.32, 1.0, smoothstep(0.0, 1.5, at) * (1.0 - smoothstep(10.0, 11.5, at)));
  } else if (vMark > 0.5) {
    alpha *= step(mod(vAlongPx / pixelRatio, 9.0), 5.0);
  }
  gl_FragColor = vec4(vTint.rgb, alpha);
}`;

export interface StrokeUniforms {
  fraction: { value: number };
  /** Of the picture, in device pixels. */
  sizePx: { value: Vector2 };
  pixelRatio: { value: number };
}

export class Strokes {
  readonly shape: Shape;
  private readonly geometry = new InstancedBufferGeometry();
  private readonly material: ShaderMaterial;
  private room = 0;
  private used = 0;
  /** x y z of a, b now and at the epoch before: 12 numbers a stroke. */
  private readonly ends: InstancedBufferAttribute[] = [];
  private tint = new InstancedBufferAttribute(new Uint8Array(0), 4, true);
  private kind = new InstancedBufferAttribute(new Float32Array(0), 3);

  constructor(uniforms: StrokeUniforms) {
    const corners = new Float32BufferAttribute([0, -1, 0, 1, -1, 0, 1, 1, 0, 0, 1, 0], 3);
    this.geometry.setAttribute("position", corners);
    this.geometry.setIndex([0, 1, 2, 0, 2, 3]);
    this.geometry.boundingSphere = new Sphere(new Vector3(), 1e3);
    this.geometry.instanceCount = 0;
    this.material = new ShaderMaterial({
      vertexShader: VERTEX,
      fragmentShader: FRAGMENT,
      uniforms: { ...uniforms, runPx: { value: 0 } },
      transparent: true,
      depthWrite: false,
      side: 2,
    });
    this.shape = new Shape(this.geometry as BufferGeometry, this.material);
    this.shape.frustumCulled = false;
  }

  get drawn(): number {
    return this.shape.visible ? this.used : 0;
  }

  /** Where each begins and ends, by node; positions in km, of the newest epoch and of the one before. */
  setEnds(a: ArrayLike<number>, b: ArrayLike<number>, is: Float32Array, was: Float32Array): void {
    const n = a.length;
    this.reserve(n);
    const [aIs, bIs, aWas, bWas] = this.ends.map((each) => each.array as Float32Array);
    if (aIs === undefined || bIs === undefined || aWas === undefined || bWas === undefined) return;
    for (let i = 0; i < n; i++) {
      const from = 3 * (a[i] ?? 0);
      const to = 3 * (b[i] ?? 0);
      for (let k = 0; k < 3; k++) {
        aIs[3 * i + k] = is[from + k] ?? 0;
        bIs[3 * i + k] = is[to + k] ?? 0;
        aWas[3 * i + k] = was[from + k] ?? 0;
        bWas[3 * i + k] = was[to + k] ?? 0;
      }
    }
    for (const each of this.ends) each.needsUpdate = true;
    this.used = n;
    this.geometry.instanceCount = n;
  }

  /** Colour 0 to 1, width in CSS px; a width of 0 hides it. */
  setLook(i: number, rgb: Rgb, alpha: number, widthPx: number, mark: number, asidePx = 0): void {
    const tint = this.tint.array as Uint8Array;
    tint[4 * i] = 255 * rgb[0];
    tint[4 * i + 1] = 255 * rgb[1];
    tint[4 * i + 2] = 255 * rgb[2];
    tint[4 * i + 3] = 255 * alpha;
    const kind = this.kind.array as Float32Array;
    kind[3 * i] = widthPx;
    kind[3 * i + 1] = mark;
    kind[3 * i + 2] = asidePx;
  }

  looksSet(): void {
    this.tint.needsUpdate = true;
    this.kind.needsUpdate = true;
  }

  /** How far the running dashes have come. */
  run(px: number): void {
    this.material.uniforms["runPx"]!.value = px;
  }

  private reserve(n: number): void {
    if (n <= this.room) return;
    this.room = Math.max(64, Math.ceil(1.25 * n));
    // what the graphics card holds of the smaller ones goes with the geometry's dispose
    this.geometry.dispose();
    this.ends.length = 0;
    for (const name of ["aIs", "bIs", "aWas", "bWas"]) {
      const made = new InstancedBufferAttribute(new Float32Array(3 * this.room), 3).setUsage(DynamicDrawUsage);
      this.geometry.setAttribute(name, made);
      this.ends.push(made as InstancedBufferAttribute);
    }
    this.tint = new InstancedBufferAttribute(new Uint8Array(4 * this.room), 4, true);
    this.kind = new InstancedBufferAttribute(new Float32Array(3 * this.room), 3);
    this.geometry.setAttribute("tint", this.tint);
    this.geometry.setAttribute("kind", this.kind);
  }
}
