/** Lasers and ground links as strokes; where an epoch has other links than were told, none is drawn till both agree. */

import { Group } from "three";
import type { EpochState, Links, Mesh } from "../state/mesh";
import { CHANGED, FAILED, PICKED, rgb, type Rgb, tableOf, UNKNOWN } from "./colours";
import { rateRangeBps, USE } from "./legend";
import type { Course } from "./motion";
import { BROKEN, PLAIN, Strokes, type StrokeUniforms } from "./strokes";

const LASER = 1;
const GROUND_COLOUR = rgb("#e8d8a8");
const UNKNOWN_COLOUR = rgb(UNKNOWN);
const FAILED_COLOUR = rgb(FAILED);
const CHANGED_COLOUR = rgb(CHANGED);
const PICKED_COLOUR = rgb(PICKED);

export class LinkLines {
  readonly group = new Group();
  private readonly strokes: Strokes;
  /** Of what is drawn now; null: nothing. */
  private of: { links: Links; epoch: EpochState } | null = null;

  constructor(uniforms: StrokeUniforms, private readonly mesh: Mesh, private readonly course: Course) {
    this.strokes = new Strokes(uniforms);
    this.strokes.shape.renderOrder = 3;
    this.group.add(this.strokes.shape);
  }

  get drawn(): number {
    return this.of === null ? 0 : this.strokes.drawn;
  }

  /** The links that are drawn, a row each. */
  get rows(): Links | null {
    return this.of?.links ?? null;
  }

  isShown(row: number): boolean {
    return this.of !== null && (this.mesh.look.lasersBy !== "none" || this.of.links.kind[row] !== LASER);
  }

  setEpoch(): void {
    const { links, epoch } = this.mesh;
    const agree = links !== null && epoch !== null && epoch.linksNumber === links.number;
    this.strokes.shape.visible = agree;
    if (!agree) {
      this.of = null;
      return;
    }
    this.of = { links, epoch };
    this.strokes.setEnds(links.a, links.b, this.course.isKm, this.course.wasKm);
    this.setLooks();
  }

  setLooks(): void {
    if (this.of === null) return;
    const { links, epoch } = this.of;
    const { look, traffic, picked } = this.mesh;
    const changed = new Set(epoch.changedLinkRows);
    const used = traffic !== null && traffic.linksNumber === links.number ? traffic : null;
    const lasers = links.kind.reduce((sum, kind) => sum + (kind === LASER ? 1 : 0), 0);
    const plainPx = lasers > 20_000 ? 0.6 : lasers > 1500 ? 0.8 : 1.1;
    const byUse = tableOf(USE);
    const [leastBps, mostBps] = look.lasersBy === "rate" ? rateRangeBps(this.mesh) : [0, 1];
    for (let row = 0; row < links.a.length; row++) {
      const isLaser = links.kind[row] === LASER;
      const isUp = epoch.linkIsUp[row] !== 0;
      let colour: Rgb = isLaser ? UNKNOWN_COLOUR : GROUND_COLOUR;
      let alpha = isLaser ? 0.34 : 0.62;
      let widthPx = isLaser ? plainPx : 1.1;
      if (look.lasersBy === "none" && isLaser) {
        widthPx = 0;
      } else if (!isUp) {
        colour = FAILED_COLOUR;
        alpha = 1;
        widthPx = 2.2;
      } else if (changed.has(row)) {
        colour = CHANGED_COLOUR;
        alpha = 0.9;
        widthPx = 1.8;
      } else if (look.lasersBy === "use") {
        const ab = used?.useAb[row] ?? NaN;
        const ba = used?.useBa[row] ?? NaN;
        const use = Number.isNaN(ab) ? ba : Number.isNaN(ba) ? ab : Math.max(ab, ba);
        if (!Number.isNaN(use) && use > 0) {
          // the root shows what is little beside what is none
          const shown = Math.sqrt(Math.min(use, 1));
          colour = at(byUse, Math.min(use, 1));
          alpha = Math.min(0.45 + 0.55 * shown, 1);
          widthPx = Math.max(widthPx, 0.9 + 2.6 * shown);
        }
      } else if (look.lasersBy === "rate" && isLaser) {
        const rate = Math.min(epoch.linkRateAbBps[row] ?? 0, epoch.linkRateBaBps[row] ?? 0);
        const ratio = mostBps > leastBps ? (rate - leastBps) / (mostBps - leastBps) : 1;
        colour = at(tableOf("viridis"), Math.min(Math.max(ratio, 0), 1));
        alpha = 0.75;
        widthPx = 0.8 + 0.9 * Math.min(Math.max(ratio, 0), 1);
      }
      if (picked.kind === "link" && isBetween(links, row, picked.a, picked.b)) {
        colour = isUp ? PICKED_COLOUR : colour;
        alpha = 1;
        widthPx = 3.6;
      }
      this.strokes.setLook(row, colour, alpha, widthPx, isUp ? PLAIN : BROKEN);
    }
    this.strokes.looksSet();
  }
}

function isBetween(links: Links, row: number, u: number, v: number): boolean {
  const [a, b] = [links.a[row], links.b[row]];
  return (a === u && b === v) || (a === v && b === u);
}

function at(table: Float32Array, ratio: number): Rgb {
  const i = 3 * Math.round(255 * ratio);
  return [table[i] ?? 0, table[i + 1] ?? 0, table[i + 2] ?? 0];
}
