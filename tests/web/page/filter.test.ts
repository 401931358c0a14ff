import assert from "node:assert/strict";
import test from "node:test";
import { holds, isEverything, parseFilter, sorted } from "../../../emulator/web/page/src/table/filter";

const rows = (...of: number[]) => Uint32Array.from(of);

test("words and comparisons", () => {
  const filter = parseFilter("  Sat-3 altitude > 550 lat<-10 ", ["altitude", "latitude"]);
  assert.deepEqual(filter, {
    words: ["sat-3"],
    comparisons: [
      { column: "altitude", isMore: true, limit: 550 },
      { column: "latitude", isMore: false, limit: -10 },
    ],
  });
  assert.ok(isEverything(parseFilter("   ", [])));
  assert.deepEqual(parseFilter("speed>3", ["altitude"]).words, ["speed>3"], "a column that is not there is a word");
});

test("a row holds every word and every comparison; what is not known is neither more nor less", () => {
  const of = (typed: string, altitude: number) => holds(parseFilter(typed, ["altitude"]), () => "sat-3-7 low works", () => altitude);
  assert.ok(of("SAT-3 works", NaN));
  assert.ok(!of("sat-3 failed", NaN));
  assert.ok(of("alt>500", 550));
  assert.ok(!of("alt>500", NaN));
  assert.ok(!of("alt<500", NaN));
});

test("sorted: numbers as numbers, names as people count, unknown last either way, equal ones as they were", () => {
  const numbers = [3, NaN, 1, 2, 1];
  assert.deepEqual([...sorted(rows(0, 1, 2, 3, 4), (row) => numbers[row] ?? NaN, true)], [2, 4, 3, 0, 1]);
  assert.deepEqual([...sorted(rows(0, 1, 2, 3, 4), (row) => numbers[row] ?? NaN, false)], [0, 3, 2, 4, 1]);
  const names = ["sat-10-1", "sat-2-1", "", "sat-2-0"];
  assert.deepEqual([...sorted(rows(0, 1, 2, 3), (row) => names[row] ?? "", true)], [3, 1, 0, 2]);
  assert.deepEqual([...sorted(rows(0, 1, 2, 3), (row) => names[row] ?? "", false)], [0, 1, 3, 2]);
});
