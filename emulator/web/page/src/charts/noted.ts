/** From when on the charts know anything: the server notes what is told from its own beginning on. */

import { elapsed } from "../layout/format";
import { SeriesKind } from "../wire/web_pb";

const NAMES: ReadonlyMap<SeriesKind, string> = new Map([
  [SeriesKind.LATENCY, "latency"],
  [SeriesKind.LATENESS, "lateness"],
  [SeriesKind.THROUGHPUT, "throughput"],
  [SeriesKind.LOSS, "loss"],
]);

/** A sentence for each instant; empty where all that is shown was noted. */
export function notedSince(sinceS: ReadonlyMap<SeriesKind, number>, fromS: number): string {
  const byInstant = new Map<string, string[]>();
  for (const [kind, name] of NAMES) {
    const s = sinceS.get(kind);
    if (s === undefined || s <= fromS) continue;
    const at = elapsed(s * 1e9);
    byInstant.set(at, [...(byInstant.get(at) ?? []), name]);
  }
  return [...byInstant].map(([at, names]) => `${listed(names)} noted from ${at} on, when this page's server began to read the run.`).join(" ");
}

function listed(names: readonly string[]): string {
  const all = names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1) ?? ""}`;
  return `${all.charAt(0).toUpperCase()}${all.slice(1)} ${names.length > 1 ? "are" : "is"}`;
}
