/** A ring around what is picked, and around both ends of the watched pair. */

import { BufferAttribute, BufferGeometry, Points, ShaderMaterial, Sphere, Vector3 } from "three";
import type { Mesh } from "../state/mesh";
import { type Course, positionOf } from "./motion";

const MOST = 4;

const VERTEX = /* glsl */ `
uniform float sizePx;
void main() {
  gl_Position = projectionMatrix * modelViewMatrix * vec4(position, 1.0);
  gl_PointSize = sizePx;
}`;

const FRAGMENT = /* glsl */ `
void main() {
  float away = length(gl_PointCoord - 0.5) * 2.0;
  float ring = smoothstep(0.66, 0.76, away) * (1.0 - smoothstep(0.88, 1.0, away));
  if (ring < 0.02) discard;
  gl_FragColor = vec4(1.0, 1.0, 1.0, ring);
}`;

export class Highlight {
  readonly points: Points;
  private readonly geometry = new BufferGeometry();
  private readonly position = new BufferAttribute(new Float32Array(3 * MOST), 3);
  private readonly material: ShaderMaterial;
  private readonly at = new Vector3();
  private nodes: number[] = [];

  constructor(private readonly mesh: Mesh, private readonly course: Course) {
    this.material = new ShaderMaterial({
      vertexShader: VERTEX,
      fragmentShader: FRAGMENT,
      uniforms: { sizePx: { value: 22 } },
      transparent: true,
      depthWrite: false,
    });
    this.geometry.setAttribute("position", this.position);
    this.geometry.setDrawRange(0, 0);
    this.geometry.boundingSphere = new Sphere(new Vector3(), 1e3);
    this.points = new Points(this.geometry, this.material);
    this.points.renderOrder = 7;
    this.points.frustumCulled = false;
  }

  set(): void {
    const { picked, epoch } = this.mesh;
    const nodes = picked.kind === "node" ? [picked.node] : picked.kind === "link" ? [picked.a, picked.b] : [];
    const n = epoch === null ? 0 : epoch.positionKm.length / 3;
    this.nodes = nodes.filter((node) => node < n).slice(0, MOST);
    this.geometry.setDrawRange(0, this.nodes.length);
  }

  /** They move with what they surround. */
  step(fraction: number): void {
    if (this.nodes.length === 0) return;
    this.nodes.forEach((node, i) => {
      positionOf(this.course, node, fraction, this.at);
      this.position.setXYZ(i, this.at.x, this.at.y, this.at.z);
    });
    this.position.needsUpdate = true;
  }

  setSize(pixelRatio: number): void {
    this.material.uniforms["sizePx"]!.value = 22 * pixelRatio;
  }
}
