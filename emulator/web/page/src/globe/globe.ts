/** The globe: Earth, satellites and what joins them, drawn by three.js. */

import { WebGLRenderer } from "three";
import type { Mesh } from "../state/mesh";
import type { Wire } from "../wire/socket";

export function mountGlobe(element: HTMLElement, _mesh: Mesh, _wire: Wire): void {
  const renderer = new WebGLRenderer({ antialias: true });
  element.append(renderer.domElement);
}
