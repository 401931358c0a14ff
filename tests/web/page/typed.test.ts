import assert from "node:assert/strict";
import test from "node:test";
import { typedChange, typedDurationNs, typedLossRatio, typedRateBps } from "../../../emulator/web/page/src/details/typed";

test("units as the command line takes them, exactly", () => {
  assert.equal(typedRateBps("10 Mbit/s"), 10_000_000n);
  assert.equal(typedRateBps("1.5Gbit/s"), 1_500_000_000n);
  assert.equal(typedRateBps(".25 kbit/s"), 250n);
  assert.equal(typedDurationNs("5ms"), 5_000_000n);
  assert.equal(typedDurationNs("1.1 s"), 1_100_000_000n);
  assert.equal(typedDurationNs("3 µs"), 3_000n);
  assert.equal(typedDurationNs("3 μs"), 3_000n, "the Greek letter too");
  assert.equal(typedDurationNs("2 h"), 7_200_000_000_000n);
  assert.equal(typedLossRatio("2 %"), 0.02);
  assert.equal(typedLossRatio("0%"), 0);
  assert.equal(typedLossRatio("100 %"), 1);
});

test("what is refused says what is accepted", () => {
  assert.throws(() => typedRateBps("10"), /“10” has no unit: write a number and one of bit\/s, kbit\/s/);
  assert.throws(() => typedRateBps("10 mbps"), /has the unit “mbps”.*as in “10 Mbit\/s”/);
  assert.throws(() => typedRateBps("fast"), /is not a quantity/);
  assert.throws(() => typedRateBps("-1 Mbit/s"), /is not a quantity/);
  assert.throws(() => typedRateBps("0 bit/s"), /Fail breaks a link/);
  assert.throws(() => typedDurationNs("0 s"), /no time at all/);
  assert.throws(() => typedDurationNs("1 constructor"), /has the unit/);
  assert.throws(() => typedLossRatio("101 %"), /at most 100 %/);
  assert.throws(() => typedLossRatio("0.02"), /write a number and %/);
});

test("empty fields change nothing, and all empty is refused", () => {
  assert.deepEqual(typedChange({ rate: "", loss: " 2 %", delay: "", lasts: "30 s" }), { lossRatio: 0.02, lastsNs: 30_000_000_000n });
  assert.throws(() => typedChange({ rate: "", loss: "", delay: " ", lasts: "30 s" }), /Nothing is to change/);
});
