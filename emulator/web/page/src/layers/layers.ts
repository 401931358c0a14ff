/** What is coloured by what, the scale of it, and against what the Earth turns. */

import { el, fill, setOptions, setText } from "../layout/dom";
import { count } from "../layout/format";
import { panel } from "../layout/panel";
import { redrawOn } from "../layout/redraw";
import { say } from "../layout/said";
import { hasAllLinks, linksTold } from "../state/around";
import { LAYER_OF, type Frame, type LasersBy, type SatellitesBy } from "../state/look";
import type { Mesh } from "../state/mesh";
import type { Wire } from "../wire/socket";
import { LayerKind } from "../wire/web_pb";

const SATELLITES_BY: readonly (readonly [SatellitesBy, string])[] = [
  ["shell", "shell"],
  ["faults", "faults"],
  ["sunlight", "sunlight"],
  ["temperature", "temperature of the radiator"],
  ["battery", "battery"],
  ["load", "power that computers draw"],
  ["capacity", "computing that is possible"],
  ["latency", "latency to a gateway"],
];

const LASERS_BY: readonly (readonly [LasersBy, string])[] = [
  ["use", "use of their rate"],
  ["rate", "physical rate"],
  ["none", "not drawn"],
];

export function mountLayers(element: HTMLElement, mesh: Mesh, wire: Wire): void {
  const box = panel("layers", "Colours and view");
  const satellites = choice("Satellites by", "What the colour of a satellite tells", (value) => mesh.setLook({ satellitesBy: value as SatellitesBy }));
  const gateway = choice("Gateway", "To which gateway the latency is", (value) => mesh.setLook({ gatewayNode: Number(value) }));
  const lasers = choice("Lasers by", "What the colour of a laser tells", (value) => mesh.setLook({ lasersBy: value as LasersBy }));
  const frame = choice("View", "Fixed to the Earth, or to the stars: the Earth turns under the orbits", (value) => mesh.setLook({ frame: value as Frame }));
  const note = el("p", { class: "quiet" });
  fill(box.body, [satellites.root, gateway.root, lasers.root, frame.root, note]);
  element.append(box.root);

  let asked = "";
  const askFor = () => {
    const { satellitesBy, gatewayNode } = mesh.look;
    const kind = LAYER_OF[satellitesBy] ?? LayerKind.UNSPECIFIED;
    const of = kind === LayerKind.LATENCY ? (gatewayNode ?? mesh.hello?.gateways[0]?.node ?? 0) : 0;
    const now = `${kind} ${of}`;
    if (now === asked) return;
    if (asked === "" && kind === LayerKind.UNSPECIFIED) return; // the server sends none at first
    asked = now;
    wire.keep({ case: "show", value: { kind, gatewayNode: of } }).catch((error: Error) => {
      if (mesh.connection === "open") say(error.message, "wrong");
    });
  };

  const draw = () => {
    const layers = mesh.hello?.layers ?? [];
    setOptions(
      satellites.select,
      SATELLITES_BY.filter(([by]) => LAYER_OF[by] === null || layers.includes(LAYER_OF[by])),
    );
    setOptions(gateway.select, (mesh.hello?.gateways ?? []).map((each) => [String(each.node), each.name]));
    setOptions(lasers.select, LASERS_BY);
    setOptions(frame.select, [["earth", "fixed to the Earth"], ["stars", "fixed to the stars"]]);
    const look = mesh.look;
    satellites.select.value = look.satellitesBy;
    lasers.select.value = look.lasersBy;
    frame.select.value = look.frame;
    if (look.gatewayNode !== null) gateway.select.value = String(look.gatewayNode);
    gateway.root.hidden = look.satellitesBy !== "latency";
    note.hidden = hasAllLinks(mesh);
    const { told, all } = linksTold(mesh);
    if (told < all) setText(note, `${count(told)} of ${count(all)} links are shown: those that carry what is measured, and a choice of the others.`);
    box.remark(SATELLITES_BY.find(([by]) => by === look.satellitesBy)?.[1] ?? "");
  };
  mesh.on("look", () => {
    // a latency needs a gateway: the first one until another is chosen
    const first = mesh.hello?.gateways[0]?.node;
    if (mesh.look.satellitesBy === "latency" && mesh.look.gatewayNode === null && first !== undefined) mesh.setLook({ gatewayNode: first });
    else askFor();
  });
  box.onOpen = redrawOn(mesh, ["hello", "look", "links"], draw, 100);

}

function choice(label: string, help: string, change: (value: string) => void): { root: HTMLElement; select: HTMLSelectElement } {
  const select = el("select", { title: help });
  select.addEventListener("change", () => change(select.value));
  return { root: el("label", { class: "choice", title: help }, el("span", {}, label), select), select };
}
