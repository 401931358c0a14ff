/** Scales that eyes with any sight for colour can order, and classes that they can tell apart. */

export type Rgb = readonly [number, number, number];

/** Nine stops each, evenly spaced, of matplotlib's viridis and cividis (CC0). */
const STOPS = {
  viridis: ["#440154", "#472d7b", "#3b528b", "#2c728e", "#21918c", "#28ae80", "#5ec962", "#addc30", "#fde725"],
  cividis: ["#00224e", "#123570", "#3b496c", "#575d6d", "#707173", "#8a8678", "#a59c74", "#c3b369", "#fee838"],
} as const;
export type Scale = keyof typeof STOPS;

/** Of Okabe and Ito, without the black one, which space would hide: the brightest first. */
export const CLASSES: readonly string[] = [
  "#56b4e9", "#e69f00", "#009e73", "#f0e442", "#cc79a7", "#d55e00", "#0072b2", "#ffffff",
];
export const UNKNOWN = "#7d8597";
export const FAILED = "#ff5a36";
export const CHANGED = "#f0e442";
export const PICKED = "#ffffff";
/** One for each direction of the watched pair's way. */
export const THERE = "#ffd166";
export const BACK = "#4cc9f0";

export function rgb(hex: string): Rgb {
  const n = Number.parseInt(hex.slice(1), 16);
  return [(n >> 16) / 255, ((n >> 8) & 255) / 255, (n & 255) / 255];
}

export function stopsOf(scale: Scale): readonly string[] {
  return STOPS[scale];
}

const TABLES = new Map<Scale, Float32Array>();
const STEPS = 256;

/** 256 colours from the lowest to the highest, r g b each.  The darkest tenth is left out: space is dark. */
export function tableOf(scale: Scale): Float32Array {
  const made = TABLES.get(scale);
  if (made !== undefined) return made;
  const stops = STOPS[scale].map(rgb);
  const table = new Float32Array(3 * STEPS);
  for (let i = 0; i < STEPS; i++) {
    const at = (DARKEST + (1 - DARKEST) * (i / (STEPS - 1))) * (stops.length - 1);
    const low = Math.min(Math.floor(at), stops.length - 2);
    for (let k = 0; k < 3; k++) {
      const a = stops[low]?.[k] ?? 0;
      const b = stops[low + 1]?.[k] ?? 0;
      table[3 * i + k] = a + (b - a) * (at - low);
    }
  }
  TABLES.set(scale, table);
  return table;
}
const DARKEST = 0.12;

export function hexAt(scale: Scale, ratio: number): string {
  const table = tableOf(scale);
  const i = 3 * Math.round(Math.min(Math.max(ratio, 0), 1) * (STEPS - 1));
  const of = (k: number): string => Math.round(255 * (table[i + k] ?? 0)).toString(16).padStart(2, "0");
  return `#${of(0)}${of(1)}${of(2)}`;
}
