/** Quantities as people read them: with their unit, and "not measured" where nobody knows. */

export const UNKNOWN = "not measured";

const WHOLE = new Intl.NumberFormat("en-GB", { maximumFractionDigits: 0 });

type Maybe = number | bigint | undefined | null;

function known(value: Maybe): number | null {
  if (value === undefined || value === null) return null;
  const number = Number(value);
  return Number.isFinite(number) ? number : null;
}

/** Three digits that count: 1,234 · 123 · 12.3 · 1.23 · 0.012. */
export function digits(value: number): string {
  const size = Math.abs(value);
  if (size >= 99.95) return WHOLE.format(value);
  if (size >= 9.995) return value.toFixed(1);
  if (size >= 0.0995) return value.toFixed(2);
  if (size === 0) return "0";
  return size >= 0.00095 ? value.toFixed(3) : value.toPrecision(2);
}

export function count(value: Maybe, unknown = UNKNOWN): string {
  const of = known(value);
  return of === null ? unknown : WHOLE.format(of);
}

const DURATIONS: readonly (readonly [number, string])[] = [
  [1e9, "s"],
  [1e6, "ms"],
  [1e3, "µs"],
];

/** A length of time in the unit that fits: 12.3 ms. */
export function duration(ns: Maybe, unknown = UNKNOWN): string {
  const of = known(ns);
  if (of === null) return unknown;
  if (of === 0) return "0 ms";
  if (Math.abs(of) >= 120e9) return elapsed(of);
  for (const [size, unit] of DURATIONS) if (Math.abs(of) >= 0.9995 * size) return `${digits(of / size)} ${unit}`;
  return `${digits(of)} ns`;
}

/** A latency, always in ms, so that those beside each other compare. */
export function ms(ns: Maybe, unknown = UNKNOWN): string {
  const of = known(ns);
  return of === null ? unknown : `${digits(of / 1e6)} ms`;
}

const RATES: readonly (readonly [number, string])[] = [
  [1e12, "Tbit/s"],
  [1e9, "Gbit/s"],
  [1e6, "Mbit/s"],
  [1e3, "kbit/s"],
];

export function rate(bps: Maybe, unknown = UNKNOWN): string {
  const of = known(bps);
  if (of === null) return unknown;
  for (const [size, unit] of RATES) if (Math.abs(of) >= 0.9995 * size) return `${digits(of / size)} ${unit}`;
  return `${digits(of)} bit/s`;
}

/** A share of 1, in percent. */
export function share(ratio: Maybe, unknown = UNKNOWN): string {
  const of = known(ratio);
  return of === null ? unknown : `${digits(100 * of)} %`;
}

export function times(ratio: Maybe, unknown = UNKNOWN): string {
  const of = known(ratio);
  return of === null ? unknown : `${digits(of)} ×`;
}

/** Since the start: 0:12:33, with tenths where they are asked for. */
export function elapsed(ns: number, decimals = 0): string {
  const scale = 10 ** decimals;
  const units = Math.floor((Math.abs(ns) / 1e9) * scale + 1e-6);
  const whole = Math.floor(units / scale);
  const two = (value: number) => String(value).padStart(2, "0");
  const fraction = decimals === 0 ? "" : `.${String(units % scale).padStart(decimals, "0")}`;
  const sign = ns < 0 && units > 0 ? "−" : "";
  return `${sign}${Math.floor(whole / 3600)}:${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}${fraction}`;
}

/** The instant in UTC: 2026-11-01 00:12:33. */
export function utc(startUnixNs: bigint, simNs: number): string {
  const at = new Date(Number(startUnixNs / 1_000_000n) + simNs / 1e6);
  return Number.isFinite(at.getTime()) ? at.toISOString().slice(0, 19).replace("T", " ") : "not known";
}

/** Where on Earth: 51.5° N, 0.1° W. */
export function place(latitudeDeg: number, longitudeDeg: number): string {
  const north = `${Math.abs(latitudeDeg).toFixed(1)}° ${latitudeDeg < 0 ? "S" : "N"}`;
  return `${north}, ${Math.abs(longitudeDeg).toFixed(1)}° ${longitudeDeg < 0 ? "W" : "E"}`;
}

/** With a capital at its beginning and a full stop at its end. */
export function asSentence(text: string): string {
  const trimmed = text.trim();
  if (trimmed === "") return "";
  return `${trimmed[0]?.toUpperCase() ?? ""}${trimmed.slice(1)}${/[.!?]$/.test(trimmed) ? "" : "."}`;
}

/** On an axis: 0 has no unit, where others may have one each. */
export function onAxis(show: (value: number) => string): (value: number) => string {
  return (value) => (value === 0 ? "0" : show(value));
}

/** "1 satellite", "2 satellites". */
export function many(n: number | bigint, one: string, more = `${one}s`): string {
  return `${count(n)} ${Number(n) === 1 ? one : more}`;
}
