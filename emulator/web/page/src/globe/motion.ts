/** Where a node is between two epochs: it goes on along the arc that the last two span, its radius as it went.
 *  In the vertex shader for all of them, here for a few: both by the same arithmetic. */

import { Vector3 } from "three";
import type { EpochState, Mesh } from "../state/mesh";
import { EARTH_RAD_PER_S, EARTH_RADIUS_KM } from "./scale";

/** Beyond the newest epoch a mesh is not drawn further on than this, though its clock goes on. */
const MOST_AHEAD_NS = 15e9;
/** Two epochs further apart say nothing of the way between: half an orbit would be cut short. */
const MOST_APART_NS = 300e9;

export interface Motion {
  /** How far on from the newest epoch, over what is between the last two: 0 where it is unknown or stands still. */
  fraction: number;
  simNs: number;
  /** Of Earth against the stars, now. */
  earthRotationRad: number;
}

function follows(before: EpochState | null, epoch: EpochState): before is EpochState {
  if (before === null || before.positionKm.length !== epoch.positionKm.length) return false;
  const apartNs = epoch.simNs - before.simNs;
  return apartNs > 0 && apartNs <= MOST_APART_NS;
}

export function motionOf(mesh: Mesh, nowMs: number): Motion {
  const epoch = mesh.epoch;
  if (epoch === null) return { fraction: 0, simNs: 0, earthRotationRad: 0 };
  const before = mesh.before;
  const known = follows(before, epoch);
  const apartNs = known ? epoch.simNs - before.simNs : 0;
  const goes = known && mesh.connection === "open" && epoch.speedRatio !== 0;
  const most = Math.max(MOST_AHEAD_NS, 1.5 * apartNs);
  const aheadNs = goes ? Math.min(Math.max(mesh.simNowNs(nowMs) - epoch.simNs, 0), most) : 0;
  return {
    fraction: known ? aheadNs / apartNs : 0,
    simNs: epoch.simNs + aheadNs,
    earthRotationRad: epoch.earthRotationRad + (aheadNs / 1e9) * EARTH_RAD_PER_S,
  };
}

/** Does anything move on the screen by itself? */
export function isMoving(mesh: Mesh, motion: Motion): boolean {
  const epoch = mesh.epoch;
  return motion.fraction > 0 || (epoch !== null && epoch.speedRatio !== 0 && mesh.connection === "open");
}

/** `was` and `is` are of the last two epochs, in km; the result is in the scene.  Of the arc's two weights, sines of
 *  parts of the angle over the whole's, two terms each: at 60 s between epochs of a low orbit 4e-7 is left out. */
export const MOVED_GLSL = /* glsl */ `
uniform float fraction;
vec3 moved(vec3 was, vec3 is) {
  float perIs = inversesqrt(dot(is, is));
  float perWas = inversesqrt(max(dot(was, was), 1.0));
  vec3 u = is * perIs;
  vec3 v = was * perWas;
  vec3 chord = u - v;
  float square = dot(chord, chord) / 6.0;
  float on = 1.0 + fraction;
  vec3 at = u * (on * (1.0 + square * (1.0 - on * on))) - v * (fraction * (1.0 + square * (1.0 - fraction * fraction)));
  float radius = (on / perIs - fraction / perWas) * ${(1 / EARTH_RADIUS_KM).toExponential(9)};
  return at * (inversesqrt(dot(at, at)) * radius);
}`;

const wasAt = new Vector3();
const side = new Vector3();

/** Earth-fixed, in the scene. */
export function positionOf(mesh: Mesh, node: number, fraction: number, into: Vector3): Vector3 {
  const epoch = mesh.epoch;
  if (epoch === null) return into.set(0, 0, 0);
  into.fromArray(epoch.positionKm, 3 * node);
  const radius = into.length();
  const before = mesh.before;
  if (fraction === 0 || before === null) return into.divideScalar(EARTH_RADIUS_KM);
  wasAt.fromArray(before.positionKm, 3 * node);
  const wasRadius = wasAt.length();
  into.divideScalar(radius);
  wasAt.divideScalar(wasRadius);
  const along = into.dot(wasAt);
  side.copy(into).multiplyScalar(along).sub(wasAt);
  const sine = side.length();
  if (sine < 1e-7) return into.multiplyScalar(radius / EARTH_RADIUS_KM);
  const angle = fraction * Math.atan2(sine, along);
  const grown = radius + fraction * (radius - wasRadius);
  return into
    .multiplyScalar(Math.cos(angle))
    .addScaledVector(side, Math.sin(angle) / sine)
    .multiplyScalar(grown / EARTH_RADIUS_KM);
}
