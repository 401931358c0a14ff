/** What kinds of events mean for a reader: how loud they are, and what their words say. */

import type { Event } from "../wire/web_pb";

export type Weight = "plain" | "note" | "alarm";

const KINDS: Readonly<Record<string, readonly [Weight, string]>> = {
  handover: ["plain", "A gateway's antennas went over to other satellites"],
  "laser lost": ["plain", "Two satellites lost sight of each other, or their link failed"],
  "laser gained": ["plain", "Two satellites have a laser link from now on"],
  eclipse: ["plain", "Satellites came into the Earth's shadow"],
  sunlight: ["plain", "Satellites came out of the Earth's shadow"],
  "held back": ["note", "Computers are slowed by heat or by want of power"],
  refused: ["alarm", "Requests of a class are refused: no satellite can serve them"],
  "served again": ["note", "Requests of a class are served again"],
  intervention: ["note", "Somebody failed, changed or restored something"],
  fault: ["alarm", "The recorder found something wrong"],
  "late tick": ["alarm", "The emulator was late: links were changed after their instant"],
  "node died": ["alarm", "The program of a node has ended"],
  "light breached": ["alarm", "A packet was faster than light: the emulation is wrong there"],
};

export function weight(kind: string): Weight {
  return KINDS[kind]?.[0] ?? "note";
}

export function meaning(kind: string): string {
  return KINDS[kind]?.[1] ?? kind;
}

/** What stands out of its line, and the rest: the line begins with its kind, or else the kind stands before it. */
export function line(event: Event): [kind: string, rest: string] {
  const isNamed = event.text.toLowerCase().startsWith(event.kind.toLowerCase());
  if (!isNamed) return [event.n > 1 ? `${event.kind} (${event.n})` : event.kind, event.text];
  const end = event.text.indexOf(": ");
  return end < 0 ? [event.text, ""] : [event.text.slice(0, end), event.text.slice(end + 2)];
}

/** How many events of each kind there are, in the order of their names. */
export function byKind(events: readonly Event[]): [kind: string, n: number][] {
  const counts = new Map<string, number>();
  for (const event of events) counts.set(event.kind, (counts.get(event.kind) ?? 0) + 1);
  return [...counts].sort(([a], [b]) => (a < b ? -1 : 1));
}

/** The newest `most` that are not hidden, newest first. */
export function newest(events: readonly Event[], hidden: ReadonlySet<string>, most: number): Event[] {
  const found: Event[] = [];
  for (let i = events.length - 1; i >= 0 && found.length < most; i--) {
    const event = events[i];
    if (event !== undefined && !hidden.has(event.kind)) found.push(event);
  }
  return found;
}
