/** Nodes by what is typed: exact names, and suggestions. */

import type { Mesh } from "./mesh";

const SATELLITE = /^(?:sat[- ]?)?(\d+)[- ,](\d+)$/i;

export interface Suggestion {
  node: number;
  name: string;
  /** What else it is called, or what it is. */
  also: string;
}

/** The node of exactly that name: sat-3-7, 3-7, gw-london, or what a file calls a satellite; null where there is none. */
export function nodeNamed(mesh: Mesh, typed: string): number | null {
  const text = typed.trim().toLowerCase();
  for (const gateway of mesh.hello?.gateways ?? []) if (gateway.name.toLowerCase() === text) return gateway.node;
  for (const [node, name] of mesh.satellites?.knownAs ?? []) if (name.toLowerCase() === text) return node;
  const parts = SATELLITE.exec(text);
  if (parts === null || mesh.satellites === null) return null;
  const [plane, slot] = [Number(parts[1]), Number(parts[2])];
  const of = mesh.satellites;
  for (let node = 0; node < of.plane.length; node++) if (of.plane[node] === plane && of.slot[node] === slot) return node;
  return null;
}

/** Those whose name begins with what is typed, then those that hold it; gateways first. */
export function suggestions(mesh: Mesh, typed: string, most = 12): Suggestion[] {
  const text = typed.trim().toLowerCase();
  const begins: Suggestion[] = [];
  const holds: Suggestion[] = [];
  const offer = (node: number, name: string, also: string) => {
    const at = name.toLowerCase().indexOf(text);
    const alsoAt = also.toLowerCase().indexOf(text);
    if (at === 0 || at === 4) begins.push({ node, name, also }); // 4: after "sat-"
    else if (at > 0 || alsoAt >= 0) holds.push({ node, name, also });
  };
  for (const gateway of mesh.hello?.gateways ?? []) offer(gateway.node, gateway.name, "gateway");
  const n = mesh.satellites?.plane.length ?? 0;
  for (let node = 0; node < n && begins.length < most; node++) {
    if (text.length === 0 && begins.length + holds.length >= most) break;
    offer(node, mesh.name(node), mesh.satellites?.knownAs.get(node) ?? mesh.shellName(node));
    if (holds.length > 8 * most) holds.length = 8 * most;
  }
  return [...begins, ...holds].slice(0, most);
}
