/** Why the mesh cannot be changed from here now; null: it can. */

import type { Mesh } from "../state/mesh";

export function whyNoControl(mesh: Mesh): string | null {
  if (mesh.connection !== "open") return "There is no connection to the server now.";
  if (mesh.hello === null) return "The server has not said yet what this page may do.";
  if (!mesh.hello.isLive) return "This run is over: what is shown is its record.";
  if (mesh.hasEnded) return "The run has ended.";
  if (!mesh.hello.canControl) return "This page may look, but change nothing: the server was started so.";
  return null;
}
