import assert from "node:assert/strict";
import test from "node:test";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { measuredBy, partsOf, scaleEnd } from "../../../emulator/web/page/src/latency/parts";
import { WaySchema } from "../../../emulator/web/page/src/wire/web_pb";

const parts = (of: MessageInitShape<typeof WaySchema>) => partsOf(create(WaySchema, of));
const ns = (of: ReturnType<typeof parts>) => of.parts.map((each) => each.ns);

test("parts add up to what was measured", () => {
  const of = parts({ propagationNs: 38e6, straightLineNs: 29e6, serialisationNs: 1e6, measuredNs: 41e6, remainderNs: 2e6 });
  assert.deepEqual(ns(of), [29e6, 9e6, 1e6, 2e6]);
  assert.equal(of.sumNs, 41e6);
  assert.equal(of.physicalNs, 39e6);
  assert.equal(of.stretch, 38 / 29);
});

test("whose samples they are", () => {
  assert.equal(measuredBy(create(WaySchema, { measuredBy: "udp" })), "UDP probes");
  assert.equal(measuredBy(create(WaySchema, {})), "probes");
});

test("what was not measured is no part", () => {
  const of = parts({ propagationNs: 38e6, straightLineNs: 29e6 });
  assert.deepEqual(ns(of), [29e6, 9e6, null, null]);
  assert.equal(of.measuredNs, null);
  assert.equal(of.sumNs, 38e6);
});

test("medians of noise leave no part below nothing, and a straight way has no detour", () => {
  assert.deepEqual(ns(parts({ propagationNs: 10, straightLineNs: 10.001, remainderNs: -5 })), [10, 0, null, 0]);
  assert.equal(parts({ propagationNs: 10, straightLineNs: 0 }).stretch, null);
});

test("a scale has room above the value, and steps that do not tremble", () => {
  assert.deepEqual([0, 0.9, 1, 4.5, 4.9, 41.2, 99].map(scaleEnd), [1, 1, 1.5, 5, 7.5, 50, 150]);
});
