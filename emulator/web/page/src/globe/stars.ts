/** Stars, for the eye only: which way the sky turns.  They are no catalogue's. */

import { BufferGeometry, Float32BufferAttribute, Points, PointsMaterial } from "three";

const N = 1400;
const AWAY = 90;

/** Against the stars: the group that does not turn with Earth. */
export function stars(): Points {
  const position = new Float32Array(3 * N);
  const colour = new Float32Array(3 * N);
  let state = 20261127;
  const random = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  for (let i = 0; i < N; i++) {
    const z = 2 * random() - 1;
    const longitude = 2 * Math.PI * random();
    const r = Math.sqrt(1 - z * z);
    position.set([AWAY * r * Math.cos(longitude), AWAY * r * Math.sin(longitude), AWAY * z], 3 * i);
    const light = 0.12 + 0.6 * random() ** 5;
    const warm = 0.9 + 0.2 * random();
    colour.set([light * warm, light, light * (2 - warm)], 3 * i);
  }
  const geometry = new BufferGeometry();
  geometry.setAttribute("position", new Float32BufferAttribute(position, 3));
  geometry.setAttribute("color", new Float32BufferAttribute(colour, 3));
  const material = new PointsMaterial({ size: 1.6, sizeAttenuation: false, vertexColors: true, depthWrite: false });
  const points = new Points(geometry, material);
  points.renderOrder = -2;
  return points;
}
