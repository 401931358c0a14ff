/** What the colours of satellites and lasers mean: data, for whoever shows it. */

import type { Mesh } from "../state/mesh";
import { LAYER_OF, type SatellitesBy } from "../state/look";
import { f32 } from "../wire/columns";
import { CHANGED, CLASSES, FAILED, hexAt, type Scale, UNKNOWN } from "./colours";

export type Legend =
  | {
      kind: "scale";
      title: string;
      /** "K", "ms", "%"; empty where it has none. */
      unit: string;
      least: number;
      most: number;
      /** From least to most, evenly spaced. */
      colours: readonly string[];
      unknown: { label: string; colour: string } | null;
    }
  | {
      kind: "classes";
      title: string;
      entries: readonly { label: string; colour: string; mark: "dot" | "ring" | "line" | "dashes" }[];
    };

interface Shown {
  title: string;
  unit: string;
  scale: Scale;
  /** From what is on the wire to what is shown. */
  times: number;
  /** Where it is known beforehand; else it goes by the values. */
  range: readonly [number, number] | null;
}

const SHOWN: Partial<Record<SatellitesBy, Shown>> = {
  sunlight: { title: "Sunlight", unit: "% of the Sun's disk", scale: "cividis", times: 100, range: [0, 100] },
  temperature: { title: "Radiator", unit: "K", scale: "viridis", times: 1, range: null },
  battery: { title: "Battery", unit: "% of what it holds", scale: "viridis", times: 100, range: [0, 100] },
  load: { title: "Load", unit: "% of peak power", scale: "viridis", times: 100, range: [0, 100] },
  capacity: { title: "Capacity", unit: "% of that at peak power", scale: "viridis", times: 100, range: [0, 100] },
  latency: { title: "Latency by light, there and back", unit: "ms", scale: "viridis", times: 1, range: null },
};

interface Coloured {
  shown: Shown;
  values: Float32Array;
  range: readonly [number, number];
}

/** What satellites are coloured by now, with its values; null while the server has not sent them. */
export function valuesOf(mesh: Mesh): Coloured | null {
  const shown = SHOWN[mesh.look.satellitesBy];
  const layer = mesh.layer;
  if (shown === undefined || layer === null || layer.kind !== LAYER_OF[mesh.look.satellitesBy]) return null;
  const values = f32(layer.valueF32le);
  return { shown, values, range: shown.range ?? rounded(values, shown.times) };
}

/** What the values span, widened to figures that read well. */
function rounded(values: Float32Array, times: number): readonly [number, number] {
  let least = Infinity;
  let most = -Infinity;
  for (const value of values) {
    if (value < least) least = value;
    if (value > most) most = value;
  }
  if (!(least <= most)) return [0, 1];
  const span = Math.max((most - least) * times, 1e-9);
  const step = 10 ** Math.floor(Math.log10(span));
  const low = Math.floor((least * times) / step) * step;
  return [low, Math.max(Math.ceil((most * times) / step) * step, low + step)];
}

const UNKNOWN_ENTRY = { label: "not known, or no way", colour: UNKNOWN };

export function satelliteLegend(mesh: Mesh): Legend {
  const by = mesh.look.satellitesBy;
  if (by === "shell") {
    const shells = mesh.hello?.shells ?? [];
    return {
      kind: "classes",
      title: "Shell",
      entries: shells.map((shell, i) => ({ label: shell.name, colour: shellColour(i), mark: "dot" })),
    };
  }
  if (by === "faults") {
    return {
      kind: "classes",
      title: "Faults",
      entries: [
        { label: "works", colour: CLASSES[0] ?? UNKNOWN, mark: "dot" },
        { label: "has failed", colour: FAILED, mark: "ring" },
        { label: "laser has failed", colour: FAILED, mark: "dashes" },
        { label: "laser is changed", colour: CHANGED, mark: "line" },
      ],
    };
  }
  const shown = SHOWN[by];
  const now = valuesOf(mesh);
  const gateway = mesh.look.gatewayNode;
  const of = by === "latency" && gateway !== null ? `, to ${mesh.name(gateway)}` : "";
  const range = now?.range ?? shown?.range ?? [NaN, NaN];
  return scale(`${shown?.title ?? by}${of}`, shown?.unit ?? "", range, shown?.scale ?? "viridis", UNKNOWN_ENTRY);
}

export function laserLegend(mesh: Mesh): Legend | null {
  if (mesh.look.lasersBy === "use") {
    const unknown = { label: "not known", colour: UNKNOWN };
    return scale("Lasers by use", "% of the rate", [0, 100], USE, unknown);
  }
  if (mesh.look.lasersBy === "rate") {
    const [least, most] = rateRangeBps(mesh);
    return scale("Lasers by rate", "Gbit/s", [least / 1e9, most / 1e9], "viridis", null);
  }
  return null;
}

export const USE: Scale = "viridis";

/** Of lasers that are up, the slower direction of each. */
export function rateRangeBps(mesh: Mesh): readonly [number, number] {
  const { epoch, links } = mesh;
  let least = Infinity;
  let most = 0;
  if (epoch !== null && links !== null && epoch.linksNumber === links.number) {
    links.kind.forEach((kind, row) => {
      const rate = Math.min(epoch.linkRateAbBps[row] ?? 0, epoch.linkRateBaBps[row] ?? 0);
      if (kind !== 1 || !(rate > 0)) return;
      least = Math.min(least, rate);
      most = Math.max(most, rate);
    });
  }
  if (!(least < Infinity)) return [0, 1e9];
  return least === most ? [0, most] : [least, most];
}

export function shellColour(shell: number): string {
  return CLASSES[shell % CLASSES.length] ?? UNKNOWN;
}

function scale(
  title: string,
  unit: string,
  [least, most]: readonly [number, number],
  by: Scale,
  unknown: { label: string; colour: string } | null,
): Legend {
  const colours = Array.from({ length: 9 }, (_, i) => hexAt(by, i / 8));
  return { kind: "scale", title, unit, least, most, colours, unknown };
}
