import assert from "node:assert/strict";
import test from "node:test";
import { hasAllLinks, linkRow, linkState, linksTold, nearestSatellite, placeOf, rowsOf } from "../../../emulator/web/page/src/state/around";
import { add, History, since, thin, track } from "../../../emulator/web/page/src/state/history";
import { nodeNamed, suggestions } from "../../../emulator/web/page/src/state/names";
import { SHEETS } from "../../../emulator/web/page/src/table/sheets";
import { SeriesKind } from "../../../emulator/web/page/src/wire/web_pb";
import { f32, f64, small, take } from "./meshes";

test("nodes by what is typed", () => {
  const mesh = small();
  assert.equal(nodeNamed(mesh, " SAT-1-2 "), 5);
  assert.equal(nodeNamed(mesh, "1-2"), 5);
  assert.equal(nodeNamed(mesh, "gw-Perth"), 7);
  assert.equal(nodeNamed(mesh, "starlink-1007"), 4);
  assert.equal(nodeNamed(mesh, "sat-9-9"), null);
  assert.equal(nodeNamed(mesh, ""), null);
  assert.deepEqual(suggestions(mesh, "sat-1").map((each) => each.name), ["sat-1-0", "sat-1-1", "sat-1-2"]);
  assert.deepEqual(suggestions(mesh, "lon").map((each) => each.node), [6]);
  assert.deepEqual(suggestions(mesh, "starlink").map((each) => [each.name, each.also]), [["sat-1-1", "STARLINK-1007"]]);
  assert.equal(suggestions(mesh, "", 4).length, 4);
});

test("links either way round, and what state they are in", () => {
  const mesh = small();
  assert.equal(linkRow(mesh, 1, 0), 0);
  assert.equal(linkRow(mesh, 1, 5), -1);
  assert.deepEqual(rowsOf(mesh, 0), [0, 2, 4]);
  assert.deepEqual([0, 1, 2, -1].map((row) => linkState(mesh, row)), ["works", "has failed", "is changed", "not known"]);
  take(mesh, { case: "links", value: { linksNumber: 2n } });
  assert.equal(linkState(mesh, 0), "not known", "columns of other links than these");
});

test("the nearest satellite of a gateway, of those that are known to be linked", () => {
  assert.equal(nearestSatellite(small(), 6), 0);
  assert.equal(nearestSatellite(small(), 7), null, "how far its only one is, nobody knows");
});

test("where a node is, over the ellipsoid", () => {
  const at = (x: number, y: number, z: number) => {
    const mesh = small();
    mesh.epoch?.positionKm.set([x, y, z]);
    const of = placeOf(mesh, 0);
    return of === null ? null : [of.latitudeDeg, of.longitudeDeg, of.altitudeKm].map((each) => Math.round(each * 1000) / 1000);
  };
  assert.deepEqual(at(0, 6928.137, 0), [0, 90, 550]);
  assert.deepEqual(at(0, 0, -6906.752), [-90, 0, 550]); // the poles are 21.385 km nearer
  // the closed form the other way, which is exact: (N + h) cos φ cos λ, …
  assert.deepEqual(at(4257.312, 372.467, 5436.209), [52, 5, 550]);
  assert.equal(placeOf(small(), 99), null);
});

test("another run forgets the old one; the same one after a lost connection does not", () => {
  const mesh = small();
  take(mesh, { case: "event", value: { number: 1n, kind: "eclipse" } });
  mesh.pick({ kind: "node", node: 3 });
  const hello = { satellites: 6, gateways: [] };
  take(mesh, { case: "hello", value: { ...hello, runId: "run-1" } });
  assert.equal(mesh.events.length, 1);
  assert.deepEqual(mesh.picked, { kind: "node", node: 3 });
  take(mesh, { case: "hello", value: { ...hello, runId: "run-2" } });
  assert.equal(mesh.events.length, 0);
  assert.deepEqual(mesh.picked, { kind: "nothing" });
  assert.equal(mesh.epoch, null);
});

test("a track stays in order, and an instant that is told twice is one", () => {
  const of = track();
  for (const [s, value] of [[1, 10], [3, 30], [2, 20], [3.1, 31], [0, 0]] as const) add(of, s, value, NaN);
  assert.deepEqual(of.s, [0, 1, 2, 3.1]);
  assert.deepEqual(of.value, [0, 10, 20, 31]);
});

test("a line breaks where nothing was told for long", () => {
  const of = track();
  for (const s of [0, 1, 2, 3, 20, 21]) add(of, s, s, s);
  const shown = since(of, 1.5);
  assert.deepEqual(shown.s, [1, 2, 3, 4, 20, 21]);
  assert.ok(Number.isNaN(shown.value[3]));
  assert.deepEqual(since(of, 30).s, []);
});

test("points of long ago may stand further apart than those of now", () => {
  const of = track();
  for (const s of [0, 8, 16, 24, 32, 33, 34, 35, 90, 91, 92]) add(of, s, s, s);
  const shown = since(of, 0);
  assert.deepEqual(shown.s.filter((_, i) => Number.isNaN(shown.value[i])), [36], "one break: where nothing was told");
});

test("a track that grows too long keeps its beginning, thinned", () => {
  const of = track();
  for (let s = 0; s < 12; s++) add(of, s, s, -s);
  thin(of, 11);
  assert.deepEqual(of.s, [0, 2, 4, 6, 7, 8, 9, 10, 11]);
  assert.deepEqual(of.value, of.s);
  thin(of, 11);
  assert.equal(of.s.length, 9);
});

test("history: what was before by series, what comes by status; not measured is not 0", () => {
  const mesh = small();
  const history = new History(mesh);
  take(mesh, { case: "series", value: { kind: SeriesKind.LATENCY, gatewayNode: 6, simSF64le: f64(1, 2), valueF32le: f32(20, NaN), besideF32le: f32(19, 19) } });
  take(mesh, { case: "status", value: { simNs: 3_000_000_000n, gateways: [{ gatewayNode: 6, physicalP50Ns: 19e6 }], engineLatenessP99Ns: 90_000n } });
  take(mesh, { case: "series", value: { kind: SeriesKind.LOSS, simSF64le: f64(1, 2), valueF32le: f32(0, 5), besideF32le: f32(NaN, NaN), sinceSimNs: 1_000_000_000n } });
  assert.deepEqual(history.lost.value, [0, 5]);
  assert.equal(history.sinceS.get(SeriesKind.LOSS), 1);
  const latency = history.latencyOf(6);
  assert.deepEqual(latency.s, [1, 2, 3]);
  assert.deepEqual(latency.value, [20, NaN, NaN]);
  assert.deepEqual(latency.beside, [19, 19, 19]);
  assert.deepEqual(history.latenessMs.value, [0.09]);
  assert.ok(Number.isNaN(history.latenessMs.beside[0]));
});

test("of a record series are whole: what a sought instant tells does not add to them", () => {
  const mesh = small(false);
  const history = new History(mesh);
  // the first instant comes before the series, and what it tells of lateness is of the whole run
  take(mesh, { case: "status", value: { simNs: 1_500_000_000n, engineLatenessP99Ns: 90_000n } });
  take(mesh, { case: "traffic", value: { simNs: 1_500_000_000n, carriedBps: 5, lostPerS: 1 } });
  assert.deepEqual([history.latenessMs.s, history.carried.s, history.lost.s], [[], [], []]);
  take(mesh, { case: "series", value: { kind: SeriesKind.LATENCY, gatewayNode: 6, simSF64le: f64(1, 2, 3), valueF32le: f32(20, 21, 22), besideF32le: f32(19, 19, 19) } });
  take(mesh, { case: "status", value: { simNs: 2_500_000_000n, gateways: [{ gatewayNode: 6, udpP50Ns: 99e6 }] } });
  assert.deepEqual(history.latencyOf(6).s, [1, 2, 3]);
});

test("of very many links the page is told some: a satellite without one of those is not without links", () => {
  const mesh = small();
  assert.equal(hasAllLinks(mesh), true);
  take(mesh, { case: "links", value: { linksNumber: 3n, allLasers: 2_000_000, allGroundLinks: 4 } });
  assert.deepEqual(linksTold(mesh), { told: 0, all: 2_000_004 });
  assert.equal(hasAllLinks(mesh), false);
  const links = SHEETS.satellites(mesh).columns.find((column) => column.key === "links");
  assert.equal(links?.name, "Links shown");
});
