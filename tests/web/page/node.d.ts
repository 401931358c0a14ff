/** What of Node the tests use: its own types would be one more dependency. */

declare module "node:test" {
  export default function test(name: string, of: () => void | Promise<void>): void;
}

declare module "node:assert/strict" {
  interface Assert {
    equal(actual: unknown, expected: unknown, message?: string): void;
    deepEqual(actual: unknown, expected: unknown, message?: string): void;
    ok(value: unknown, message?: string): void;
    throws(block: () => unknown, expected?: RegExp): void;
  }
  const assert: Assert;
  export default assert;
}
