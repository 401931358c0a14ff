/** Quantities as they are typed, in the units that the command line takes, exactly; Error says what is accepted. */

const RATE_BPS: Readonly<Record<string, bigint>> = {
  "bit/s": 1n,
  "kbit/s": 1_000n,
  "Mbit/s": 1_000_000n,
  "Gbit/s": 1_000_000_000n,
  "Tbit/s": 1_000_000_000_000n,
};
const DURATION_NS: Readonly<Record<string, bigint>> = {
  ns: 1n,
  us: 1_000n,
  "µs": 1_000n,
  ms: 1_000_000n,
  s: 1_000_000_000n,
  min: 60_000_000_000n,
  h: 3_600_000_000_000n,
};

const QUANTITY = /^\s*(\d+\.?\d*|\.\d+)\s*([^\s\d].*?)\s*$/;
const MOST_CHARACTERS = 60;

function whole(typed: string, units: Readonly<Record<string, bigint>>, example: string): bigint {
  const accepted = `write a number and one of ${Object.keys(units).join(", ")}, as in “${example}”`;
  if (typed.length > MOST_CHARACTERS) throw new Error(`That is too long: ${accepted}.`);
  const parts = QUANTITY.exec(typed);
  if (parts === null) {
    const lacksUnit = /^\s*[\d.]+\s*$/.test(typed);
    throw new Error(`“${typed.trim()}” ${lacksUnit ? "has no unit" : "is not a quantity"}: ${accepted}.`);
  }
  const [, number = "", unit = ""] = parts;
  const known = unit.replace("μ", "µ");
  const size = Object.hasOwn(units, known) ? units[known] : undefined;
  if (size === undefined) throw new Error(`“${typed.trim()}” has the unit “${unit}”: ${accepted}.`);
  const [before = "", after = ""] = number.split(".");
  const scale = 10n ** BigInt(after.length);
  const scaled = BigInt(before + after || "0") * size;
  return (scaled + scale / 2n) / scale;
}

export function typedRateBps(typed: string): bigint {
  const bps = whole(typed, RATE_BPS, "10 Mbit/s");
  if (bps === 0n) throw new Error("A rate of 0 is no rate: Fail breaks a link.");
  return bps;
}

/** 0 is taken only where it means something. */
export function typedDurationNs(typed: string): bigint {
  const ns = whole(typed, DURATION_NS, "5 ms");
  if (ns === 0n) throw new Error(`“${typed.trim()}” is no time at all: write more than 0.`);
  return ns;
}

export function typedLossRatio(typed: string): number {
  const parts = /^\s*(\d+\.?\d*|\.\d+)\s*%\s*$/.exec(typed);
  if (parts === null) throw new Error(`“${typed.trim().slice(0, MOST_CHARACTERS)}” is not a share: write a number and %, as in “2 %”.`);
  const ratio = Number(`${parts[1]}e-2`);
  if (ratio > 1) throw new Error(`“${typed.trim()}”: at most 100 % can be lost.`);
  return ratio;
}

export interface Change {
  rateBps?: bigint;
  lossRatio?: number;
  extraDelayNs?: bigint;
  lastsNs?: bigint;
}

/** What the fields ask for; an empty one changes nothing. */
export function typedChange(fields: { rate: string; loss: string; delay: string; lasts: string }): Change {
  const change: Change = {};
  if (fields.rate.trim() !== "") change.rateBps = typedRateBps(fields.rate);
  if (fields.loss.trim() !== "") change.lossRatio = typedLossRatio(fields.loss);
  if (fields.delay.trim() !== "") change.extraDelayNs = typedDurationNs(fields.delay);
  if (Object.keys(change).length === 0) throw new Error("Nothing is to change: give a rate, a loss or a delay. Fail breaks it.");
  if (fields.lasts.trim() !== "") change.lastsNs = typedDurationNs(fields.lasts);
  return change;
}
