/** A round trip taken apart: what light needs on the straight line, what the way adds, sending, and the rest. */

import type { Way } from "../wire/web_pb";

export interface Part {
  key: "straight" | "detour" | "sending" | "rest";
  name: string;
  help: string;
  /** There and back; null: not measured. */
  ns: number | null;
}

export interface Parts {
  parts: readonly Part[];
  /** The sum of those that are known. */
  sumNs: number;
  physicalNs: number;
  measuredNs: number | null;
  /** The way's light over that of the straight line. */
  stretch: number | null;
}

export function partsOf(way: Way): Parts {
  const straight = Math.min(way.straightLineNs, way.propagationNs);
  const known = (value: number | undefined) => (value === undefined || Number.isNaN(value) ? null : Math.max(0, value));
  const parts: Part[] = [
    {
      key: "straight",
      name: "Light, straight line",
      help: "There and back at the speed of light in vacuum on the straight line between the two, through the Earth if need be: nothing is faster.",
      ns: straight,
    },
    {
      key: "detour",
      name: "Light, detour of the way",
      help: "What the way over its links is longer than the straight line, at the speed of light.",
      ns: Math.max(0, way.propagationNs - straight),
    },
    {
      key: "sending",
      name: "Sending",
      help: "Serialisation: putting the bits of a probe on each link at its rate, there and back.",
      ns: known(way.serialisationNs),
    },
    {
      key: "rest",
      name: "Everything else",
      help: "What was measured without light and sending: waiting in queues, computing, and the machine that emulates.",
      ns: known(way.remainderNs),
    },
  ];
  const measured = known(way.measuredNs);
  return {
    parts,
    sumNs: parts.reduce((sum, each) => sum + (each.ns ?? 0), 0),
    physicalNs: way.propagationNs + (known(way.serialisationNs) ?? 0),
    measuredNs: measured,
    stretch: way.straightLineNs > 0 ? way.propagationNs / way.straightLineNs : null,
  };
}

const MEASURED_BY: Readonly<Record<string, string>> = { udp: "UDP probes", grpc: "gRPC calls", task: "tasks" };

/** Whose samples they are, for people. */
export function measuredBy(way: Way): string {
  return MEASURED_BY[way.measuredBy] ?? (way.measuredBy || "probes");
}

/** The end of a scale from 0 on which the value is shown: 1, 2 or 5 times a power of ten, with some room above. */
export function scaleEnd(value: number): number {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value * 1.05));
  for (const step of [1, 1.5, 2, 3, 5, 7.5, 10]) if (value * 1.05 <= step * power) return step * power;
  return 10 * power;
}
