/** Land as a picture to be laid around a ball. */

import { feature } from "topojson-client";
import type { GeometryCollection, Topology } from "topojson-specification";
import topology from "world-atlas/land-110m.json";

type Place = readonly [number, number];

const atlas = topology as unknown as Topology<{ land: GeometryCollection }>;

/** A line goes on over the map's edge: neighbouring places are never half a turn apart. */
function unrolled(line: readonly (readonly number[])[]): Place[] {
  let last = line[0]?.[0] ?? 0;
  return line.map(([longitude = 0, latitude = 0]) => {
    last += ((((longitude - last + 180) % 360) + 360) % 360) - 180;
    return [last, latitude];
  });
}

/** White on black, longitude −180° to 180° from left to right, north on top. */
export function landMask(widthPx: number): HTMLCanvasElement {
  const canvas = document.createElement("canvas");
  canvas.width = widthPx;
  canvas.height = widthPx / 2;
  const context = canvas.getContext("2d");
  if (context === null) return canvas;
  context.fillStyle = "#000";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.fillStyle = "#fff";
  for (const each of feature(atlas, atlas.objects.land).features) {
    const of = each.geometry;
    const polygons = of.type === "Polygon" ? [of.coordinates] : of.type === "MultiPolygon" ? of.coordinates : [];
    for (const rings of polygons) fill(context, rings.map(unrolled), widthPx / 360);
  }
  return softened(canvas);
}

/** Each pixel the mean of nine: the shader finds the coast where the mask is at a half, by how steep it is there. */
function softened(sharp: HTMLCanvasElement): HTMLCanvasElement {
  const soft = document.createElement("canvas");
  soft.width = sharp.width;
  soft.height = sharp.height;
  const context = soft.getContext("2d");
  if (context === null) return sharp;
  for (let i = 0; i < 9; i++) {
    context.globalAlpha = 1 / (i + 1);
    context.drawImage(sharp, (i % 3) - 1, Math.floor(i / 3) - 1);
  }
  return soft;
}

/** Once as it is, and once more where it goes over either edge. */
function fill(context: CanvasRenderingContext2D, rings: readonly Place[][], perDeg: number): void {
  for (const shift of [-360, 0, 360]) {
    context.beginPath();
    for (const ring of rings) {
      for (const [longitude, latitude] of closed(ring)) {
        context.lineTo((longitude + shift + 180) * perDeg, (90 - latitude) * perDeg);
      }
      context.closePath();
    }
    context.fill("evenodd");
  }
}

/** One that goes around a pole is closed over it. */
function closed(ring: Place[]): readonly Place[] {
  const [first, last] = [ring[0], ring.at(-1)];
  if (first === undefined || last === undefined || Math.abs(last[0] - first[0]) < 180) return ring;
  const pole = first[1] > 0 ? 90 : -90;
  return [...ring, [last[0], pole], [first[0], pole]];
}
