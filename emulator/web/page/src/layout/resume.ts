/** What the viewer looked at, kept for a reload of this tab: selection, pair, colours, and the instant of a record. */

import type { Look } from "../state/look";
import type { Mesh, Picked } from "../state/mesh";
import type { Wire } from "../wire/socket";

interface Kept {
  runId: string;
  picked: Picked;
  pair: readonly [number, number] | null;
  look: Look;
  simNs: number;
}

const KEPT_AS = "orbitmesh-looked-at";

export function resume(mesh: Mesh, wire: Wire): void {
  let runId = "";
  mesh.on("hello", () => {
    const now = mesh.hello?.runId ?? "";
    if (now === runId) return; // the connection was lost meanwhile: all is there still
    runId = now;
    const kept = read();
    if (kept === null || kept.runId !== now) return;
    mesh.setLook(kept.look);
    if (kept.pair !== null) mesh.setPair(kept.pair);
    if (kept.picked.kind !== "nothing") mesh.pick(kept.picked);
    if (mesh.hello?.isLive === false && kept.simNs > 0) {
      // where it cannot be sought, the record is shown from its beginning, as without this
      wire.ask({ case: "seek", value: { simNs: BigInt(Math.round(kept.simNs)) } }).catch(() => undefined);
    }
  });
  addEventListener("pagehide", () => {
    if (mesh.hello === null) return;
    const kept: Kept = { runId: mesh.hello.runId, picked: mesh.picked, pair: mesh.pair, look: mesh.look, simNs: mesh.epoch?.simNs ?? 0 };
    try {
      sessionStorage.setItem(KEPT_AS, JSON.stringify(kept));
    } catch {
      return; // a browser that keeps nothing: a reload begins anew
    }
  });
}

function read(): Kept | null {
  try {
    return JSON.parse(sessionStorage.getItem(KEPT_AS) ?? "null") as Kept | null;
  } catch {
    return null; // as above, or what another version kept
  }
}
