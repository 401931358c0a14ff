/** What the page shows, for programs that try it: `window.orbitmesh` in a browser's console. */

import { type PerspectiveCamera, Vector3 } from "three";
import type { Mesh, Picked } from "../state/mesh";
import type { Drawing } from "./globe";
import { laserLegend, type Legend, satelliteLegend } from "./legend";
import { positionOf } from "./motion";
import { project, type Screen } from "./project";
import { EARTH_RADIUS_KM } from "./scale";

declare global {
  interface Window {
    orbitmesh?: Globe;
  }
}

export interface Globe {
  readonly mesh: Mesh;
  focusOn(nodes: readonly number[]): void;
  home(): void;
  legends(): { satellites: Legend; lasers: Legend | null };
  /** Where a node is in the last frame, in CSS px from the canvas' left upper corner; null before the first epoch. */
  screenOf(node: number): Screen | null;
  /** Of the last frame. */
  simNs(): number;
  /** From where the last frame looks at Earth's centre; the field of view is from its lower to its upper edge. */
  camera(): {
    eyeEarthFixedKm: number[];
    upEarthFixed: number[];
    fovDeg: number;
    widthPx: number;
    heightPx: number;
  };
  drawn(): {
    satellites: number;
    links: number;
    wayStrokes: number;
    gateways: number;
    labels: number;
    frames: number;
    /** What there is to draw is drawn: no next frame was asked for. */
    isStill: boolean;
  };
  /** Of the last two seconds at most; NaN where less than two frames were drawn. */
  framesPerS(): number;
  /** When they were drawn first, since the page was opened; NaN before. */
  firstSatellitesMs(): number;
  pickAt(xPx: number, yPx: number): Picked;
  /** Draws as often as the browser lets it, for so long: what it can do, not what it needs. */
  measure(forMs: number): Promise<{ frames: number; seconds: number }>;
}

export function handleOf(drawing: Drawing, mesh: Mesh): Globe {
  return {
    mesh,
    focusOn: (nodes) => drawing.turnTo(nodes),
    home: () => drawing.view.home(),
    legends: () => ({ satellites: satelliteLegend(mesh), lasers: laserLegend(mesh) }),
    screenOf(node) {
      if (mesh.epoch === null || 3 * node >= mesh.epoch.positionKm.length) return null;
      const { camera, turned, width, height, fraction, course } = drawing.where();
      return project(positionOf(course, node, fraction, new Vector3()), camera, turned, width, height);
    },
    simNs: () => drawing.motion.simNs,
    camera() {
      const { camera, turned, width, height } = drawing.where();
      const back = turned.clone().invert();
      return {
        eyeEarthFixedKm: camera.position.clone().applyMatrix4(back).multiplyScalar(EARTH_RADIUS_KM).toArray(),
        upEarthFixed: camera.up.clone().transformDirection(back).toArray(),
        fovDeg: (camera as PerspectiveCamera).fov,
        widthPx: width,
        heightPx: height,
      };
    },
    drawn: () => ({
      satellites: drawing.satellites.drawn,
      links: drawing.links.drawn,
      wayStrokes: drawing.way.drawn,
      gateways: drawing.gateways.drawn,
      labels: drawing.gateways.labelsShown,
      frames: drawing.frames,
      isStill: drawing.isStill,
    }),
    framesPerS() {
      const now = performance.now();
      const recent = drawing.frameMs.filter((each) => now - each < 2000);
      const tookMs = (recent.at(-1) ?? 0) - (recent[0] ?? 0);
      return tookMs === 0 ? NaN : ((recent.length - 1) * 1000) / tookMs;
    },
    firstSatellitesMs: () => drawing.firstSatellitesMs,
    pickAt: (xPx, yPx) => drawing.pickAt(xPx, yPx, 9),
    async measure(forMs) {
      const began = performance.now();
      const before = drawing.frames;
      while (performance.now() - began < forMs) {
        drawing.want();
        await new Promise(requestAnimationFrame);
      }
      return { frames: drawing.frames - before, seconds: (performance.now() - began) / 1000 };
    },
  };
}

