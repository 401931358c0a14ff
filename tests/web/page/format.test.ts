import assert from "node:assert/strict";
import test from "node:test";
import { count, digits, duration, elapsed, many, ms, onAxis, place, rate, share, utc } from "../../../emulator/web/page/src/layout/format";

test("what is not known is said, and is never 0", () => {
  for (const of of [ms, duration, rate, share, count]) {
    assert.equal(of(undefined), "not measured");
    assert.equal(of(NaN), "not measured");
    assert.equal(of(null), "not measured");
  }
  assert.equal(ms(0), "0 ms");
  assert.equal(count(0n), "0");
});

test("three digits that count, with a unit that fits", () => {
  assert.deepEqual([1234.4, 123.4, 99.96, 12.34, 9.996, 1.234, 0.0996, 0.0124, 0.00012].map(digits), ["1,234", "123", "100", "12.3", "10.0", "1.23", "0.10", "0.012", "0.00012"]);
  assert.equal(duration(21_000n), "21.0 µs");
  assert.equal(duration(999_990), "1.00 ms");
  assert.equal(duration(1.5e9), "1.50 s");
  assert.equal(duration(750), "750 ns");
  assert.equal(duration(754e9), "0:12:34");
  assert.equal(ms(41_234_567), "41.2 ms");
  assert.equal(rate(999_900_000), "1.00 Gbit/s");
  assert.equal(rate(18_900_000n), "18.9 Mbit/s");
  assert.equal(share(0.0234), "2.34 %");
  assert.equal(share(1), "100 %");
});

test("instants are cut, not rounded: 0:59 is not 1:00 yet", () => {
  assert.equal(elapsed(59.99e9), "0:00:59");
  assert.equal(elapsed(59.99e9, 1), "0:00:59.9");
  assert.equal(elapsed(4.3e9, 1), "0:00:04.3");
  assert.equal(elapsed(36_000e9), "10:00:00");
  assert.equal(elapsed(-1e9), "−0:00:01");
  assert.equal(utc(1_793_491_200_000_000_000n, 753e9), "2026-11-01 00:12:33");
});

test("places and numbers of things", () => {
  assert.equal(place(51.5, -0.12), "51.5° N, 0.1° W");
  assert.equal(place(-33.9, 151.2), "33.9° S, 151.2° E");
  assert.equal(many(1, "satellite"), "1 satellite");
  assert.equal(many(1584, "satellite"), "1,584 satellites");
  assert.equal(many(2, "entry", "entries"), "2 entries");
});

test("0 on an axis has no unit: beside 20 µs stood 0 ms", () => {
  assert.deepEqual([0, 10_000, 20_000].map(onAxis(duration)), ["0", "10.0 µs", "20.0 µs"]);
});
