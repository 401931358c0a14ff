/** Where on the screen something is, and whether Earth is before it. */

import { type Camera, type Matrix4, Vector3 } from "three";
import { FLATTENING } from "./scale";

export interface Screen {
  xPx: number;
  yPx: number;
  /** In the picture, and not behind the eye. */
  isInPicture: boolean;
  isBehindEarth: boolean;
}

const eye = new Vector3();
const ray = new Vector3();
const place = new Vector3();

/** `at` is Earth-fixed; `turned` is how the Earth-fixed group stands in the scene. */
export function project(at: Vector3, camera: Camera, turned: Matrix4, width: number, height: number): Screen {
  place.copy(at).applyMatrix4(turned);
  const isBehindEarth = hidden(place, camera.getWorldPosition(eye));
  place.project(camera);
  return {
    xPx: (0.5 + 0.5 * place.x) * width,
    yPx: (0.5 - 0.5 * place.y) * height,
    isInPicture: Math.abs(place.x) <= 1 && Math.abs(place.y) <= 1 && Math.abs(place.z) <= 1,
    isBehindEarth,
  };
}

/** Does the ellipsoid lie between?  Stretched along z, it is the unit ball. */
function hidden(at: Vector3, from: Vector3): boolean {
  const k = 1 / (1 - FLATTENING);
  ray.set(at.x - from.x, at.y - from.y, (at.z - from.z) * k);
  const b = ray.x * from.x + ray.y * from.y + ray.z * from.z * k;
  const a = ray.lengthSq();
  const c = from.x ** 2 + from.y ** 2 + (from.z * k) ** 2 - 0.9985; // the ground's own stations are seen
  const root = b * b - a * c;
  if (root <= 0) return false;
  const near = (-b - Math.sqrt(root)) / a;
  return near > 0 && near < 1;
}
