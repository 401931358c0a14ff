/** Gateways: a mark where they stand, and their names beside it, as text and never as markup; a name gives way to
 *  one that is there already. */

import { BufferAttribute, BufferGeometry, Points, ShaderMaterial, Sphere, Vector3 } from "three";
import type { Camera, Matrix4 } from "three";
import type { Mesh } from "../state/mesh";
import { FAILED, PICKED, rgb } from "./colours";
import { ofDegrees } from "./scale";
import { project } from "./project";

const VERTEX = /* glsl */ `
attribute vec3 tint;
attribute float mark;
uniform float sizePx;
varying vec3 vTint;
varying float vMark;
void main() {
  gl_Position = projectionMatrix * modelViewMatrix * vec4(position, 1.0);
  vTint = tint;
  vMark = mark;
  gl_PointSize = sizePx;
}`;

/** A diamond; crossed out where it has failed. */
const FRAGMENT = /* glsl */ `
varying vec3 vTint;
varying float vMark;
void main() {
  vec2 p = abs(gl_PointCoord - 0.5) * 2.0;
  float away = p.x + p.y;
  float inside = 1.0 - smoothstep(0.86, 1.0, away);
  float core = 1.0 - smoothstep(0.5, 0.64, away);
  if (vMark > 0.5 && abs(p.x - p.y) < 0.18) core = 0.0;
  if (inside < 0.02) discard;
  gl_FragColor = vec4(mix(vec3(0.02, 0.03, 0.06), vTint, core), inside);
}`;

const TINT = rgb("#ffe9a8");
/** px between names. */
const APART = 4;

interface Label {
  node: number;
  at: Vector3;
  element: HTMLElement;
  widthPx: number;
}

export class Gateways {
  readonly points: Points;
  private readonly geometry = new BufferGeometry();
  private readonly material: ShaderMaterial;
  private labels: Label[] = [];
  private shown = 0;

  constructor(private readonly mesh: Mesh, private readonly over: HTMLElement) {
    this.material = new ShaderMaterial({
      vertexShader: VERTEX,
      fragmentShader: FRAGMENT,
      uniforms: { sizePx: { value: 12 } },
      transparent: true,
      depthWrite: false,
    });
    this.points = new Points(this.geometry, this.material);
    this.points.renderOrder = 6;
    this.points.frustumCulled = false;
    this.geometry.boundingSphere = new Sphere(new Vector3(), 2);
  }

  get drawn(): number {
    return this.labels.length;
  }

  get labelsShown(): number {
    return this.shown;
  }

  setNodes(): void {
    const gateways = this.mesh.hello?.gateways ?? [];
    for (const label of this.labels) label.element.remove();
    const position = new Float32Array(3 * gateways.length);
    this.labels = gateways.map((gateway, i) => {
      const at = new Vector3(...ofDegrees(gateway.longitudeDeg, gateway.latitudeDeg, 20));
      position.set(at.toArray(), 3 * i);
      const element = document.createElement("span");
      element.className = "globe-label";
      element.textContent = gateway.name.replace(/^gw-/, "");
      this.over.append(element);
      return { node: gateway.node, at, element, widthPx: 0 };
    });
    this.geometry.setAttribute("position", new BufferAttribute(position, 3));
    this.geometry.setAttribute("tint", new BufferAttribute(new Uint8Array(3 * gateways.length), 3, true));
    this.geometry.setAttribute("mark", new BufferAttribute(new Float32Array(gateways.length), 1));
    this.geometry.setDrawRange(0, gateways.length);
    this.setLooks();
  }

  setLooks(): void {
    const tint = this.geometry.getAttribute("tint") as BufferAttribute | undefined;
    const mark = this.geometry.getAttribute("mark") as BufferAttribute | undefined;
    if (tint === undefined || mark === undefined) return;
    const { picked, pair, epoch } = this.mesh;
    this.labels.forEach(({ node, element }, i) => {
      const failed = epoch?.failedNodes.has(node) ?? false;
      const isPicked = (picked.kind === "node" && picked.node === node) || (pair?.includes(node) ?? false);
      const [r, g, b] = failed ? rgb(FAILED) : isPicked ? rgb(PICKED) : TINT;
      tint.setXYZ(i, r, g, b);
      mark.setX(i, failed ? 1 : 0);
      element.classList.toggle("is-picked", isPicked);
      element.classList.toggle("is-failed", failed);
    });
    tint.needsUpdate = true;
    mark.needsUpdate = true;
  }

  setSize(pixelRatio: number): void {
    this.material.uniforms["sizePx"]!.value = 12 * pixelRatio;
  }

  /** Names where they have room: those that are picked first, then as the scenario has them. */
  place(camera: Camera, turned: Matrix4, width: number, height: number): void {
    const taken: Box[] = [];
    this.shown = 0;
    const order = [...this.labels].sort((a, b) => Number(isPicked(b)) - Number(isPicked(a)));
    for (const label of order) {
      const seen = project(label.at, camera, turned, width, height);
      if (!seen.isInPicture || seen.isBehindEarth) {
        label.element.hidden = true;
        continue;
      }
      label.element.hidden = false;
      label.widthPx ||= label.element.offsetWidth;
      const x0 = Math.round(seen.xPx + 9);
      const y0 = Math.round(seen.yPx - 9);
      const box = { x0, x1: x0 + label.widthPx + APART, y0, y1: y0 + 18 };
      if (taken.some((other) => overlap(box, other))) {
        label.element.hidden = true;
        continue;
      }
      taken.push(box);
      label.element.style.transform = `translate(${x0}px, ${y0}px)`;
      this.shown++;
    }
  }
}

interface Box {
  x0: number;
  x1: number;
  y0: number;
  y1: number;
}

function overlap(a: Box, b: Box): boolean {
  return a.x0 < b.x1 && b.x0 < a.x1 && a.y0 < b.y1 && b.y0 < a.y1;
}

function isPicked(label: Label): boolean {
  return label.element.classList.contains("is-picked");
}
