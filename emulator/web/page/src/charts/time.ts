/** Which stretch of the run's clock the charts show. */

import type { Mesh } from "../state/mesh";

/** What of the run's clock is shown, in seconds; 0 is the whole run.  Around the instant that was pointed at, where that is longer ago. */
export function timeShown(mesh: Mesh, seconds: number): [fromS: number, toS: number] {
  const begin = Number(mesh.hello?.beginSimNs ?? 0n) / 1e9;
  const end = Number(mesh.hello?.endSimNs ?? 0n) / 1e9;
  const now = mesh.hello?.isLive === false ? end : Math.max(begin + 1, Number(mesh.epoch?.simNs ?? 0) / 1e9, Number(mesh.status?.simNs ?? 0n) / 1e9);
  if (seconds === 0) return [begin, Math.max(now, begin + 1)];
  if (mesh.hello?.isLive === false) {
    // around the sought instant
    const at = (mesh.epoch?.simNs ?? 0) / 1e9;
    const to = Math.min(Math.max(at + seconds / 2, begin + seconds), Math.max(end, begin + 1));
    return [Math.max(begin, to - seconds), to];
  }
  const pointed = mesh.instantNs === null ? now : mesh.instantNs / 1e9;
  if (pointed < now - seconds) {
    const from = Math.max(begin, pointed - seconds / 2);
    return [from, from + seconds];
  }
  return [Math.max(begin, now - seconds), now];
}
