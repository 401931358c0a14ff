/** What the tables hold: satellites, links and gateways, as columns of numbers or texts. */

import { count, ms, place, rate, share } from "../layout/format";
import { f32 } from "../wire/columns";
import { LayerKind } from "../wire/web_pb";
import { epochHasLinks, hasAllLinks, linkKind, linkState, placeOf, type LinkState } from "../state/around";
import type { Mesh } from "../state/mesh";

export interface Column {
  /** A word by which it is compared in the filter. */
  key: string;
  name: string;
  help: string;
  isNumber: boolean;
  /** By which it is sorted, and compared where it is a number; NaN and "" are not known. */
  value: (row: number) => number | string;
  text: (row: number) => string;
}

export interface Sheet {
  key: "satellites" | "links" | "gateways";
  name: string;
  rows: number;
  columns: readonly Column[];
  pick: (row: number) => void;
  isPicked: (row: number) => boolean;
}

const number = (key: string, name: string, help: string, value: (row: number) => number, text: (value: number) => string): Column => ({
  key,
  name,
  help,
  isNumber: true,
  value,
  text: (row) => text(value(row)),
});
const words = (key: string, name: string, help: string, value: (row: number) => string): Column => ({
  key,
  name,
  help,
  isNumber: false,
  value,
  text: (row) => value(row) || "not known",
});
/** Words that are sorted by a number, which a million of them need. */
const ranked = (key: string, name: string, help: string, value: (row: number) => number, text: (row: number) => string): Column => ({
  key,
  name,
  help,
  isNumber: false,
  value,
  text,
});
const km = (value: number) => (Number.isFinite(value) ? `${count(value)} km` : "not known");
const degrees = (value: number) => (Number.isFinite(value) ? `${value.toFixed(1)}°` : "not known");

const LAYERS: Readonly<Record<number, readonly [string, (value: number) => string]>> = {
  [LayerKind.SUNLIGHT]: ["sunlight", (value) => share(value, "not known")],
  [LayerKind.TEMPERATURE]: ["temperature", (value) => (Number.isFinite(value) ? `${value.toFixed(1)} K` : "not known")],
  [LayerKind.BATTERY]: ["battery", (value) => share(value, "not known")],
  [LayerKind.LOAD]: ["load", (value) => share(value, "not known")],
  [LayerKind.CAPACITY]: ["capacity", (value) => share(value, "not known")],
  [LayerKind.LATENCY]: ["latency", (value) => (Number.isFinite(value) ? ms(value * 1e6) : "no way")],
};

function satellites(mesh: Mesh): Sheet {
  const columns: Column[] = [
    ranked("name", "Satellite", "sat-PLANE-SLOT", (node) => byName(mesh, node), (node) => mesh.name(node)),
    ranked("shell", "Shell", "Of the constellation", (node) => mesh.satellites?.shell[node] ?? NaN, (node) => mesh.shellName(node) || "not known"),
    number("latitude", "Latitude", "Of the point below it; north is positive", (node) => placeOf(mesh, node)?.latitudeDeg ?? NaN, degrees),
    number("longitude", "Longitude", "Of the point below it; east is positive", (node) => placeOf(mesh, node)?.longitudeDeg ?? NaN, degrees),
    number("altitude", "Altitude", "Above the ellipsoid of WGS 84", (node) => placeOf(mesh, node)?.altitudeKm ?? NaN, km),
  ];
  if ((mesh.satellites?.knownAs.size ?? 0) > 0) {
    columns.splice(1, 0, { ...words("known", "Known as", "As a file calls it", (node) => mesh.satellites?.knownAs.get(node) ?? ""), text: (node) => mesh.satellites?.knownAs.get(node) ?? "" });
  }
  const layer = mesh.layer;
  const shown = layer === null ? undefined : LAYERS[layer.kind];
  if (layer !== null && shown !== undefined) {
    const values = f32(layer.valueF32le);
    const to = layer.kind === LayerKind.LATENCY ? ` to ${mesh.name(layer.gatewayNode)}` : "";
    columns.push(number(shown[0], `${shown[0][0]?.toUpperCase()}${shown[0].slice(1)}${to}`, "What satellites are coloured by", (node) => values[node] ?? NaN, shown[1]));
  }
  const lasers = lasersOf(mesh);
  columns.push(
    hasAllLinks(mesh)
      ? number("links", "Links", "Lasers and ground links that it has now", (node) => lasers[node] ?? 0, String)
      : number("links", "Links shown", "Of its lasers and ground links those that the page is told of: there are too many", (node) => lasers[node] ?? 0, String),
    stateOf(mesh, (node) => node),
  );
  return {
    key: "satellites",
    name: "Satellites",
    rows: mesh.nSatellites,
    columns,
    pick: (node) => mesh.pick({ kind: "node", node }),
    isPicked: (node) => mesh.picked.kind === "node" && mesh.picked.node === node,
  };
}

const MOST_NODES = 2 ** 21;
const STATES: readonly LinkState[] = ["has failed", "is changed", "works", "not known"];

/** Satellites by plane and slot, then gateways. */
function byName(mesh: Mesh, node: number): number {
  const of = mesh.satellites;
  return mesh.isGateway(node) || of === null ? 2 ** 31 + node : (of.plane[node] ?? 0) * 65536 + (of.slot[node] ?? 0);
}

function stateOf(mesh: Mesh, node: (row: number) => number): Column {
  const hasFailed = (row: number) => mesh.epoch?.failedNodes.has(node(row)) === true;
  return ranked("state", "State", "Whether it works", (row) => (hasFailed(row) ? 0 : 1), (row) => (hasFailed(row) ? "has failed" : "works"));
}

function lasersOf(mesh: Mesh): Uint32Array {
  const counts = new Uint32Array(mesh.nSatellites + (mesh.hello?.gateways.length ?? 0));
  for (const ends of [mesh.links?.a, mesh.links?.b]) {
    for (const node of ends ?? []) counts[node] = (counts[node] ?? 0) + 1;
  }
  return counts;
}

function links(mesh: Mesh): Sheet {
  const of = mesh.links;
  const end = (ends: Uint32Array | undefined, row: number) => ends?.[row] ?? 0;
  const epoch = epochHasLinks(mesh) ? mesh.epoch : null;
  const traffic = mesh.traffic?.linksNumber === of?.number ? mesh.traffic : null;
  const known = (value: number | undefined) => value ?? NaN;
  return {
    key: "links",
    name: "Links",
    rows: of?.a.length ?? 0,
    columns: [
      ranked(
        "name",
        "Link",
        "Its two ends",
        (row) => byName(mesh, end(of?.a, row)) * MOST_NODES + end(of?.b, row),
        (row) => mesh.linkName(end(of?.a, row), end(of?.b, row)),
      ),
      ranked("kind", "Kind", "Laser between satellites, or link to the ground", (row) => of?.kind[row] ?? 0, (row) => linkKind(mesh, row)),
      number("latency", "Latency", "One way, of the link as it is now", (row) => known(epoch?.linkDelayNs[row]) / 1e6, (value) => ms(value * 1e6, "not known")),
      number("rate", "Rate →", "Physical rate from the first end to the second; compared in Mbit/s", (row) => known(epoch?.linkRateAbBps[row]) / 1e6, (value) => rate(value * 1e6, "not known")),
      number("back", "Rate ←", "Physical rate from the second end to the first; compared in Mbit/s", (row) => known(epoch?.linkRateBaBps[row]) / 1e6, (value) => rate(value * 1e6, "not known")),
      number("use", "Use →", "Of its rate, what was carried in the last second; compared in percent", (row) => 100 * known(traffic?.useAb[row]), (value) => share(value / 100)),
      number("used", "Use ←", "Of its rate, what was carried in the last second; compared in percent", (row) => 100 * known(traffic?.useBa[row]), (value) => share(value / 100)),
      ranked("state", "State", "Whether it works", (row) => STATES.indexOf(linkState(mesh, row)), (row) => linkState(mesh, row)),
    ],
    pick: (row) => mesh.pick({ kind: "link", a: end(of?.a, row), b: end(of?.b, row) }),
    isPicked: (row) => {
      const picked = mesh.picked;
      if (picked.kind !== "link") return false;
      const [a, b] = [end(of?.a, row), end(of?.b, row)];
      return (picked.a === a && picked.b === b) || (picked.a === b && picked.b === a);
    },
  };
}

function gateways(mesh: Mesh): Sheet {
  const all = mesh.hello?.gateways ?? [];
  const figures = all.map((each) => mesh.status?.gateways.find((of) => of.gatewayNode === each.node));
  const inMs = (ns: number | undefined) => (ns ?? NaN) / 1e6;
  const shown = (value: number) => ms(value * 1e6);
  return {
    key: "gateways",
    name: "Gateways",
    rows: all.length,
    columns: [
      words("name", "Gateway", "A station on the ground", (row) => all[row]?.name ?? ""),
      { ...words("where", "Where", "Latitude and longitude", (row) => place(all[row]?.latitudeDeg ?? NaN, all[row]?.longitudeDeg ?? NaN)), value: (row) => all[row]?.latitudeDeg ?? NaN },
      number("satellites", "Satellites", "Of which latencies to it were measured in the last seconds", (row) => figures[row]?.satellites ?? NaN, (value) => count(value)),
      number("physical", "Physical, median", "What light and sending need, there and back", (row) => inMs(figures[row]?.physicalP50Ns), shown),
      number("measured", "Measured, median", "Round trips of UDP probes in the last seconds", (row) => inMs(figures[row]?.udpP50Ns), shown),
      number("tail", "Measured, p99", "99 of 100 round trips of UDP probes are faster", (row) => inMs(figures[row]?.udpP99Ns), shown),
      number("grpc", "gRPC call, median", "A remote call to a service on a satellite and its answer", (row) => inMs(figures[row]?.grpcP50Ns), shown),
      number("lost", "Lost", "Probes that were not answered in the last seconds", (row) => (figures[row] === undefined ? NaN : Number(figures[row].lost)), (value) => count(value)),
      stateOf(mesh, (row) => all[row]?.node ?? -1),
    ],
    pick: (row) => mesh.pick({ kind: "node", node: all[row]?.node ?? 0 }),
    isPicked: (row) => mesh.picked.kind === "node" && mesh.picked.node === all[row]?.node,
  };
}

export const SHEETS: Readonly<Record<Sheet["key"], (mesh: Mesh) => Sheet>> = { satellites, links, gateways };
