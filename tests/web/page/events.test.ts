import assert from "node:assert/strict";
import test from "node:test";
import { create } from "@bufbuild/protobuf";
import { byKind, line, newest, weight } from "../../../emulator/web/page/src/events/kinds";
import { notedSince } from "../../../emulator/web/page/src/charts/noted";
import { timeShown } from "../../../emulator/web/page/src/charts/time";
import { EventSchema, SeriesKind } from "../../../emulator/web/page/src/wire/web_pb";
import { small } from "./meshes";

const events = ["handover", "eclipse", "handover", "late tick"].map((kind, i) => create(EventSchema, { number: BigInt(i), kind }));

test("newest first, without the kinds that are hidden, and no more than are shown", () => {
  assert.deepEqual(newest(events, new Set(["eclipse"]), 2).map((each) => each.number), [3n, 2n]);
  assert.deepEqual(byKind(events), [["eclipse", 1], ["handover", 2], ["late tick", 1]]);
  assert.equal(weight("late tick"), "alarm");
  assert.equal(weight("something of a later version"), "note");
});

test("the kind stands out of the line, once", () => {
  const of = (kind: string, text: string, n = 1) => line(create(EventSchema, { kind, text, n }));
  assert.deepEqual(of("handover", "Handover (2): gw-london left sat-1-2"), ["Handover (2)", "gw-london left sat-1-2"]);
  assert.deepEqual(of("late tick", "Late tick"), ["Late tick", ""]);
  assert.deepEqual(of("fault", "sat-1-2 fails", 3), ["fault (3)", "sat-1-2 fails"]);
});

test("charts show the last minutes of a mesh that runs, and what is around the instant of a record", () => {
  assert.deepEqual(timeShown(small(), 60), [0, 5]);
  assert.deepEqual(timeShown(small(), 2), [3, 5]);
  const pointed = small();
  pointed.pointAt(1_500_000_000);
  assert.deepEqual(timeShown(pointed, 2), [0.5, 2.5], "around an event of long ago");
  assert.deepEqual(timeShown(pointed, 4), [1, 5], "where it is in sight, the present stays too");
  assert.deepEqual(timeShown(small(false), 10), [0, 10]);
  assert.deepEqual(timeShown(small(false), 4), [3, 7]);
  assert.deepEqual(timeShown(small(false), 0), [0, 60]);
});

test("charts say from when on anything was noted, of what they show", () => {
  const since = new Map([[SeriesKind.LOSS, 312.4], [SeriesKind.THROUGHPUT, 312.4], [SeriesKind.LATENESS, 190]]);
  assert.equal(notedSince(since, 200), "Throughput and loss are noted from 0:05:12 on, when this page's server began to read the run.");
  assert.ok(/^Lateness is noted from 0:03:10 on, .* Throughput and loss are/.test(notedSince(since, 0)));
  assert.equal(notedSince(since, 400), "");
});
