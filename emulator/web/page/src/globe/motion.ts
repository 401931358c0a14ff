/** Where a node is between two epochs: it goes on along the arc that the last two span, its radius as it went.
 *  In the vertex shader for all of them, here for a few: both by the same arithmetic. */

import { Vector3 } from "three";
import type { EpochState, Mesh } from "../state/mesh";
import { EARTH_RAD_PER_S, EARTH_RADIUS_KM } from "./scale";

/** Beyond the newest epoch a mesh is not drawn further on than this, though its clock goes on. */
const MOST_AHEAD_NS = 15e9;
/** Two epochs further apart say nothing of the way between: half an orbit would be cut short. */
const MOST_APART_NS = 300e9;
/** Nearer ones say nothing of the direction: a float32 of a position is half a metre. */
const LEAST_APART_NS = 100e6;

export interface Motion {
  /** How far on from the newest epoch, over what is between the two: 0 where it is unknown or stands still. */
  fraction: number;
  simNs: number;
  /** Of Earth against the stars, now. */
  earthRotationRad: number;
}

/** The newest epoch, and the one before by which nodes move: a pause or a change of speed tells the same instant
 *  twice, or one a moment after. */
export class Course {
  epoch: EpochState | null = null;
  private earlier: EpochState | null = null;

  constructor(private readonly mesh: Mesh) {}

  take(): void {
    const last = this.epoch;
    const epoch = this.mesh.epoch;
    this.epoch = epoch;
    if (epoch === null) return;
    for (const each of [last, this.earlier]) {
      this.earlier = each;
      if (each !== null && each.positionKm.length === epoch.positionKm.length) {
        const apartNs = epoch.simNs - each.simNs;
        if (apartNs >= LEAST_APART_NS && apartNs <= MOST_APART_NS) return;
        if (apartNs < 0) break; // it was sought: what was there says nothing
      }
    }
    this.earlier = null;
  }

  /** Positions at the epoch before, or the newest ones where that is unknown. */
  get wasKm(): Float32Array {
    return this.earlier?.positionKm ?? this.epoch?.positionKm ?? new Float32Array(0);
  }

  get isKm(): Float32Array {
    return this.epoch?.positionKm ?? new Float32Array(0);
  }

  motion(nowMs: number): Motion {
    const { epoch, earlier, mesh } = this;
    if (epoch === null) return { fraction: 0, simNs: 0, earthRotationRad: 0 };
    const apartNs = earlier === null ? 0 : epoch.simNs - earlier.simNs;
    const goes = earlier !== null && mesh.connection === "open" && epoch.speedRatio !== 0;
    const most = Math.max(MOST_AHEAD_NS, 1.5 * apartNs);
    const aheadNs = goes ? Math.min(Math.max(mesh.simNowNs(nowMs) - epoch.simNs, 0), most) : 0;
    return {
      fraction: goes ? aheadNs / apartNs : 0,
      simNs: epoch.simNs + aheadNs,
      earthRotationRad: epoch.earthRotationRad + (aheadNs / 1e9) * EARTH_RAD_PER_S,
    };
  }
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

/** Earth-fixed, in the scene. */
export function positionOf(course: Course, node: number, fraction: number, into: Vector3): Vector3 {
  into.fromArray(course.isKm, 3 * node);
  const radius = into.length();
  if (fraction === 0 || radius === 0) return into.divideScalar(EARTH_RADIUS_KM);
  wasAt.fromArray(course.wasKm, 3 * node);
  const wasRadius = wasAt.length();
  into.divideScalar(radius);
  wasAt.divideScalar(wasRadius);
  const square = into.distanceToSquared(wasAt) / 6;
  const on = 1 + fraction;
  return into
    .multiplyScalar(on * (1 + square * (1 - on * on)))
    .addScaledVector(wasAt, -fraction * (1 + square * (1 - fraction * fraction)))
    .setLength((on * radius - fraction * wasRadius) / EARTH_RADIUS_KM);
}
