/** What is under a finger or the mouse: the nearest gateway, satellite or link on this side of Earth, in pixels. */

import { type Camera, Matrix4, Vector3 } from "three";
import type { Mesh, Picked } from "../state/mesh";
import type { LinkLines } from "./links";
import { type Course, positionOf } from "./motion";
import { project, type Screen } from "./project";
import { EARTH_RADIUS_KM } from "./scale";

export interface Where {
  camera: Camera;
  /** How the Earth-fixed group stands in the scene. */
  turned: Matrix4;
  width: number;
  height: number;
  fraction: number;
  course: Course;
}

const at = new Vector3();
const matrix = new Matrix4();

/** Nodes win over links, which are everywhere; gateways over satellites, which hide them. */
export function pickAt(mesh: Mesh, links: LinkLines, where: Where, xPx: number, yPx: number, reachPx: number): Picked {
  const node = nearestGateway(mesh, where, xPx, yPx, reachPx) ?? nearestSatellite(mesh, where, xPx, yPx, reachPx);
  if (node !== null) return { kind: "node", node };
  return nearestLink(links, where, xPx, yPx, reachPx) ?? { kind: "nothing" };
}

function seenAt(where: Where, at: Vector3): Screen {
  return project(at, where.camera, where.turned, where.width, where.height);
}

function nearestGateway(mesh: Mesh, where: Where, xPx: number, yPx: number, reachPx: number): number | null {
  let best: number | null = null;
  let leastPx = reachPx;
  for (const gateway of mesh.hello?.gateways ?? []) {
    if (mesh.epoch === null) return null;
    const seen = seenAt(where, positionOf(where.course, gateway.node, where.fraction, at));
    const away = Math.hypot(seen.xPx - xPx, seen.yPx - yPx);
    if (seen.isInPicture && !seen.isBehindEarth && away < leastPx) [best, leastPx] = [gateway.node, away];
  }
  return best;
}

/** All of them: a million multiplications by a matrix are some milliseconds.  Those that are near on the screen at
 *  the epoch itself, with what they can have moved since, are then taken exactly. */
function nearestSatellite(mesh: Mesh, where: Where, xPx: number, yPx: number, reachPx: number): number | null {
  const p = where.course.isKm;
  const before = where.course.wasKm;
  if (p.length === 0) return null;
  matrix.multiplyMatrices(where.camera.projectionMatrix, where.camera.matrixWorldInverse).multiply(where.turned);
  const m = matrix.elements.map((each) => each / EARTH_RADIUS_KM);
  const [m12, m13, m15] = [matrix.elements[12]!, matrix.elements[13]!, matrix.elements[15]!];
  const [m0, m4, m8, m1, m5, m9, m3, m7, m11] = [m[0]!, m[4]!, m[8]!, m[1]!, m[5]!, m[9]!, m[3]!, m[7]!, m[11]!];
  const f = where.fraction;
  let best: number | null = null;
  let least = reachPx;
  const x0 = (2 * xPx) / where.width - 1;
  const y0 = 1 - (2 * yPx) / where.height;
  const toX = where.width / 2;
  const toY = where.height / 2;
  for (let node = 0, i = 0; node < mesh.nSatellites; node++, i += 3) {
    const x = p[i]! + f * (p[i]! - before[i]!);
    const y = p[i + 1]! + f * (p[i + 1]! - before[i + 1]!);
    const z = p[i + 2]! + f * (p[i + 2]! - before[i + 2]!);
    const w = m3 * x + m7 * y + m11 * z + m15;
    if (w <= 0) continue;
    const dx = ((m0 * x + m4 * y + m8 * z + m12) / w - x0) * toX;
    const dy = ((m1 * x + m5 * y + m9 * z + m13) / w - y0) * toY;
    if (Math.abs(dx) > least + 8 || Math.abs(dy) > least + 8) continue;
    const seen = seenAt(where, positionOf(where.course, node, f, at));
    const away = Math.hypot(seen.xPx - xPx, seen.yPx - yPx);
    if (seen.isInPicture && !seen.isBehindEarth && away < least) [best, least] = [node, away];
  }
  return best;
}

function nearestLink(lines: LinkLines, where: Where, xPx: number, yPx: number, reachPx: number): Picked | null {
  const links = lines.rows;
  if (links === null) return null;
  let best: Picked | null = null;
  let least = Math.min(reachPx, 8);
  const b = new Vector3();
  for (let row = 0; row < links.a.length; row++) {
    if (!lines.isShown(row)) continue;
    positionOf(where.course, links.a[row]!, where.fraction, at);
    positionOf(where.course, links.b[row]!, where.fraction, b);
    const from = seenAt(where, at);
    const to = seenAt(where, b);
    const along = nearestOn(from.xPx, from.yPx, to.xPx, to.yPx, xPx, yPx);
    if (along.awayPx >= least) continue;
    at.lerp(b, along.ratio);
    const here = seenAt(where, at);
    if (!here.isInPicture || here.isBehindEarth) continue;
    least = along.awayPx;
    best = { kind: "link", a: links.a[row]!, b: links.b[row]! };
  }
  return best;
}

type OnLine = { awayPx: number; ratio: number };

function nearestOn(ax: number, ay: number, bx: number, by: number, x: number, y: number): OnLine {
  const dx = bx - ax;
  const dy = by - ay;
  const square = dx * dx + dy * dy;
  const ratio = square === 0 ? 0 : Math.min(Math.max(((x - ax) * dx + (y - ay) * dy) / square, 0), 1);
  return { awayPx: Math.hypot(ax + ratio * dx - x, ay + ratio * dy - y), ratio };
}
