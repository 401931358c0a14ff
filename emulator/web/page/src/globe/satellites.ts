/** All satellites as points of one draw call, coloured by what the viewer chose. */

import {
  BufferAttribute,
  BufferGeometry,
  DynamicDrawUsage,
  Points,
  ShaderMaterial,
  Sphere,
  Uint8BufferAttribute,
  Vector3,
} from "three";
import type { Mesh } from "../state/mesh";
import { CLASSES, FAILED, rgb, tableOf, UNKNOWN } from "./colours";
import { shellColour, valuesOf } from "./legend";
import { type Course, MOVED_GLSL } from "./motion";

/** What is drawn otherwise than by colour alone. */
const FAILED_MARK = 1;

const VERTEX = /* glsl */ `
attribute vec3 was;
attribute vec3 tint;
attribute float mark;
uniform float sizePx;
varying vec3 vTint;
varying float vMark;
varying float vFar;
${MOVED_GLSL}
void main() {
  vec4 seen = modelViewMatrix * vec4(moved(was, position), 1.0);
  gl_Position = projectionMatrix * seen;
  vTint = tint;
  vMark = mark;
  // the far side of a shell steps back behind its near side
  vFar = clamp((-seen.z - length(modelViewMatrix[3].xyz)) * 0.6 + 0.5, 0.0, 1.0);
  gl_PointSize = mark > 0.5 ? max(2.2 * sizePx, 9.0) : sizePx;
}`;

const FRAGMENT = /* glsl */ `
uniform float sizePx;
varying vec3 vTint;
varying float vMark;
varying float vFar;
void main() {
  float away = length(gl_PointCoord - 0.5) * 2.0;
  float edge = 2.0 / max(sizePx, 2.0);
  float alpha = sizePx < 2.5 ? 1.0 : 1.0 - smoothstep(1.0 - edge, 1.0, away);
  if (vMark > 0.5) {
    // a ring with a cross: failed
    vec2 p = abs(gl_PointCoord - 0.5) * 2.0;
    float ring = step(0.68, away) * step(away, 1.0);
    float cross_ = step(abs(p.x - p.y), 0.2) * step(away, 1.0);
    alpha = max(ring, cross_);
  }
  if (alpha < 0.02) discard;
  gl_FragColor = vec4(vTint * mix(1.0, 0.55, vFar), alpha);
}`;

export class Satellites {
  readonly points: Points;
  private readonly geometry = new BufferGeometry();
  private readonly material: ShaderMaterial;
  private is: BufferAttribute | null = null;
  private was: BufferAttribute | null = null;
  private tint: Uint8BufferAttribute | null = null;
  private mark: Uint8BufferAttribute | null = null;

  constructor(fraction: { value: number }, private readonly mesh: Mesh, private readonly course: Course) {
    this.material = new ShaderMaterial({
      vertexShader: VERTEX,
      fragmentShader: FRAGMENT,
      uniforms: { fraction, sizePx: { value: 4 } },
      transparent: true,
      depthWrite: false,
    });
    this.points = new Points(this.geometry, this.material);
    this.points.frustumCulled = false;
    this.points.renderOrder = 5;
    this.geometry.boundingSphere = new Sphere(new Vector3(), 1e3);
  }

  get drawn(): number {
    return this.points.visible && this.is !== null ? this.geometry.drawRange.count : 0;
  }

  /** Of a new epoch: only what is new goes to the graphics card; what was there becomes the one before. */
  setEpoch(): void {
    const { isKm, wasKm } = this.course;
    if (isKm.length === 0) return;
    if (this.is === null || this.was === null || this.is.array.length !== isKm.length) {
      this.is = new BufferAttribute(isKm, 3).setUsage(DynamicDrawUsage);
      this.was = new BufferAttribute(wasKm, 3).setUsage(DynamicDrawUsage);
      this.tint = null;
    } else {
      [this.is, this.was] = [this.was, this.is];
      put(this.is, isKm);
      put(this.was, wasKm);
    }
    this.geometry.setAttribute("position", this.is);
    this.geometry.setAttribute("was", this.was);
    this.geometry.setDrawRange(0, this.mesh.nSatellites);
    if (this.tint === null) this.setColours();
    else this.setMarks();
  }

  setColours(): void {
    const n = this.mesh.nSatellites;
    if (this.tint === null || this.tint.count < n) {
      this.tint = new Uint8BufferAttribute(new Uint8Array(3 * n), 3, true);
      this.mark = new Uint8BufferAttribute(new Uint8Array(n), 1);
      this.geometry.setAttribute("tint", this.tint);
      this.geometry.setAttribute("mark", this.mark);
    }
    paint(this.mesh, this.tint.array as Uint8Array, n);
    this.tint.needsUpdate = true;
    this.setMarks();
  }

  private setMarks(): void {
    const { mark, tint } = this;
    const failed = this.mesh.epoch?.failedNodes;
    if (mark === null || tint === null || failed === undefined) return;
    const array = mark.array as Uint8Array;
    let changed = false;
    for (let node = 0; node < array.length; node++) {
      const now = failed.has(node) ? FAILED_MARK : 0;
      if (array[node] === now) continue;
      array[node] = now;
      changed = true;
    }
    if (changed) {
      mark.needsUpdate = true;
      paint(this.mesh, tint.array as Uint8Array, this.mesh.nSatellites);
      tint.needsUpdate = true;
    }
  }

  /** Smaller where there are many, so that they do not cover each other. */
  setSize(heightPx: number, pixelRatio: number): void {
    const n = this.mesh.nSatellites;
    const few = Math.min(Math.max(heightPx / 140, 3.5), 7);
    const size = n <= 2000 ? few : Math.max(few * (2000 / n) ** 0.3, 1);
    this.material.uniforms["sizePx"]!.value = Math.max(size * pixelRatio, 1);
  }
}

function put(attribute: BufferAttribute, array: Float32Array): void {
  if (attribute.array === array) return; // it is there already
  attribute.array = array;
  attribute.needsUpdate = true;
}

/** r g b of each satellite, 0 to 255. */
function paint(mesh: Mesh, into: Uint8Array, n: number): void {
  const tint = (node: number, [r, g, b]: readonly [number, number, number]): void => {
    into[3 * node] = 255 * r;
    into[3 * node + 1] = 255 * g;
    into[3 * node + 2] = 255 * b;
  };
  const failed = mesh.epoch?.failedNodes;
  const coloured = valuesOf(mesh);
  if (coloured !== null) {
    const { shown, values, range: [least, most] } = coloured;
    const table = tableOf(shown.scale);
    const unknown = rgb(UNKNOWN);
    for (let node = 0; node < n; node++) {
      const value = (values[node] ?? NaN) * shown.times;
      if (Number.isNaN(value)) {
        tint(node, unknown);
        continue;
      }
      const i = 3 * Math.round(255 * Math.min(Math.max((value - least) / (most - least), 0), 1));
      into[3 * node] = 255 * (table[i] ?? 0);
      into[3 * node + 1] = 255 * (table[i + 1] ?? 0);
      into[3 * node + 2] = 255 * (table[i + 2] ?? 0);
    }
  } else if (mesh.look.satellitesBy === "shell") {
    const shells = mesh.satellites?.shell;
    const tints = Array.from({ length: 8 }, (_, i) => rgb(shellColour(i)));
    for (let node = 0; node < n; node++) tint(node, tints[(shells?.[node] ?? 0) % 8] ?? tints[0]!);
  } else {
    const plain = rgb(mesh.look.satellitesBy === "faults" ? (CLASSES[0] ?? UNKNOWN) : UNKNOWN);
    for (let node = 0; node < n; node++) tint(node, plain);
  }
  for (const node of failed ?? []) if (node < n) tint(node, rgb(FAILED));
}
