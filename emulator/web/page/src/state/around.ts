/** What is around a node or a link: its rows, its ends, where it is, whether it works. */

import type { Mesh } from "./mesh";

/** The row of the link between the two; -1 where there is none now. */
export function linkRow(mesh: Mesh, a: number, b: number): number {
  const links = mesh.links;
  if (links === null) return -1;
  for (let row = 0; row < links.a.length; row++) {
    if ((links.a[row] === a && links.b[row] === b) || (links.a[row] === b && links.b[row] === a)) return row;
  }
  return -1;
}

/** Rows of all links of a node. */
export function rowsOf(mesh: Mesh, node: number): number[] {
  const links = mesh.links;
  const rows: number[] = [];
  if (links === null) return rows;
  for (let row = 0; row < links.a.length; row++) if (links.a[row] === node || links.b[row] === node) rows.push(row);
  return rows;
}

/** Of the satellites that a gateway has a link to now that works; null where there is none. */
export function nearestSatellite(mesh: Mesh, gateway: number): number | null {
  const { links, epoch } = mesh;
  if (links === null || epoch === null || !epochHasLinks(mesh)) return null;
  let [nearest, nearestNs]: [number | null, number] = [null, Infinity];
  for (const row of rowsOf(mesh, gateway)) {
    const delayNs = epoch.linkDelayNs[row] ?? NaN;
    if (epoch.linkIsUp[row] === 0 || !(delayNs < nearestNs)) continue;
    nearest = (links.a[row] === gateway ? links.b[row] : links.a[row]) ?? null;
    nearestNs = delayNs;
  }
  return nearest;
}

/** How many links there are, and how many of them the page was told of: of very many it is a choice. */
export function linksTold(mesh: Mesh): { told: number; all: number } {
  const { links } = mesh;
  return links === null ? { told: 0, all: 0 } : { told: links.a.length, all: links.allLasers + links.allGroundLinks };
}

export function hasAllLinks(mesh: Mesh): boolean {
  const { told, all } = linksTold(mesh);
  return told >= all;
}

/** Whether the columns of the epoch follow the rows of the links that are known. */
export function epochHasLinks(mesh: Mesh): boolean {
  return mesh.epoch !== null && mesh.links !== null && mesh.epoch.linksNumber === mesh.links.number;
}

export function linkKind(mesh: Mesh, row: number): "laser" | "ground link" {
  return mesh.links?.kind[row] === 1 ? "laser" : "ground link";
}

export type LinkState = "works" | "has failed" | "is changed" | "not known";

export function linkState(mesh: Mesh, row: number): LinkState {
  if (row < 0 || !epochHasLinks(mesh) || mesh.epoch === null) return "not known";
  if (mesh.epoch.linkIsUp[row] === 0) return "has failed";
  return mesh.epoch.changedLinkRows.includes(row) ? "is changed" : "works";
}

export interface Place {
  latitudeDeg: number;
  longitudeDeg: number;
  altitudeKm: number;
}

/** WGS 84: semi-major axis, flattening. */
const EARTH_KM = 6378.137;
const FLATTENING = 1 / 298.257223563;

/** Geodetic, by Bowring's formula: within a metre for anything that orbits low. */
export function placeOf(mesh: Mesh, node: number): Place | null {
  const at = mesh.epoch?.positionKm;
  const [x, y, z] = [at?.[3 * node], at?.[3 * node + 1], at?.[3 * node + 2]];
  if (x === undefined || y === undefined || z === undefined || !Number.isFinite(x + y + z)) return null;
  const fromAxis = Math.hypot(x, y);
  const polarKm = EARTH_KM * (1 - FLATTENING);
  const e2 = FLATTENING * (2 - FLATTENING);
  const second = e2 / (1 - e2);
  const angle = Math.atan2(z * EARTH_KM, fromAxis * polarKm);
  const latitude = Math.atan2(z + second * polarKm * Math.sin(angle) ** 3, fromAxis - e2 * EARTH_KM * Math.cos(angle) ** 3);
  const curvature = EARTH_KM / Math.sqrt(1 - e2 * Math.sin(latitude) ** 2);
  // along the axis or across it, whichever is not near zero
  const altitudeKm =
    fromAxis > Math.abs(z) ? fromAxis / Math.cos(latitude) - curvature : z / Math.sin(latitude) - curvature * (1 - e2);
  return { latitudeDeg: (latitude * 180) / Math.PI, longitudeDeg: (Math.atan2(y, x) * 180) / Math.PI, altitudeKm };
}
