/** What is typed over a table: words that a row must hold, and comparisons of its numbers ("altitude>550"). */

export interface Filter {
  words: readonly string[];
  comparisons: readonly Comparison[];
}

export interface Comparison {
  column: string;
  isMore: boolean;
  limit: number;
}

const COMPARISON = /^([a-z]+)([<>])(-?\d+\.?\d*|-?\.\d+)$/;

/** `columns`: keys of those that can be compared; a comparison of another is a word. */
export function parseFilter(typed: string, columns: readonly string[]): Filter {
  const words: string[] = [];
  const comparisons: Comparison[] = [];
  for (const word of typed.toLowerCase().replace(/\s*([<>])\s*/g, "$1").split(/\s+/)) {
    const parts = COMPARISON.exec(word);
    const column = parts === null ? undefined : columns.find((each) => each.startsWith(parts[1] ?? "?"));
    if (parts !== null && column !== undefined) comparisons.push({ column, isMore: parts[2] === ">", limit: Number(parts[3]) });
    else if (word !== "") words.push(word);
  }
  return { words, comparisons };
}

export function isEverything(filter: Filter): boolean {
  return filter.words.length === 0 && filter.comparisons.length === 0;
}

/** NaN, which is not known, is neither more nor less. */
export function holds(filter: Filter, text: () => string, value: (column: string) => number): boolean {
  for (const { column, isMore, limit } of filter.comparisons) {
    const of = value(column);
    if (!(isMore ? of > limit : of < limit)) return false;
  }
  if (filter.words.length === 0) return true;
  const whole = text().toLowerCase();
  return filter.words.every((word) => whole.includes(word));
}

const NAMES = new Intl.Collator("en", { numeric: true });

/** Rows by number or by text; those that are not known come last, whichever way. Equal ones stay as they are. */
export function sorted(rows: Uint32Array, key: (row: number) => number | string, isRising: boolean): Uint32Array {
  const keys = Array.from(rows, key);
  const unknown = (of: number | string) => (typeof of === "number" ? Number.isNaN(of) : of === "");
  const sign = isRising ? 1 : -1;
  const order = Uint32Array.from(rows.keys());
  order.sort((i, j) => {
    const [a, b] = [keys[i] ?? NaN, keys[j] ?? NaN];
    if (unknown(a) || unknown(b)) return unknown(a) === unknown(b) ? i - j : unknown(a) ? 1 : -1;
    if (typeof a === "string" || typeof b === "string") return sign * NAMES.compare(String(a), String(b)) || i - j;
    return sign * (a - b) || i - j;
  });
  return order.map((i) => rows[i] ?? 0);
}
