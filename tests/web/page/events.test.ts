import assert from "node:assert/strict";
import test from "node:test";
import { create } from "@bufbuild/protobuf";
import { byKind, line, newest, weight } from "../../../emulator/web/page/src/events/kinds";
import { timeShown } from "../../../emulator/web/page/src/charts/time";
import { EventSchema } from "../../../emulator/web/page/src/wire/web_pb";
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
  assert.deepEqual(timeShown(small(false), 10), [0, 10]);
  assert.deepEqual(timeShown(small(false), 4), [3, 7]);
  assert.deepEqual(timeShown(small(false), 0), [0, 60]);
});
