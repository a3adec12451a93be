import { expect, test } from "bun:test";
import type { CborValue } from "../../src/core/cbor.ts";
import { Fields } from "../../src/core/fields.ts";

const fields = (...entries: [string, CborValue][]): Fields => new Fields(new Map(entries));

test("hands out what has the right type and range", () => {
  const some = fields(["n", 5], ["t", "ü"], ["b", Uint8Array.of(1, 2)]);
  expect(some.uint("n", 5, 5)).toBe(5);
  expect(some.text("t", 2)).toBe("ü");
  expect(some.bytes("b", 2)).toEqual(Uint8Array.of(1, 2));
  expect(some.has("gone")).toBe(false);
  expect(some.take("gone")).toBeUndefined();
  expect(() => some.end()).not.toThrow();
});

test("refuses what has not", () => {
  const some = fields(["n", 5], ["t", "ü"], ["b", Uint8Array.of(1, 2)]);
  expect(() => some.uint("n", 4)).toThrow("from 0 to 4");
  expect(() => some.uint("n", 9, 6)).toThrow("from 6 to 9");
  expect(() => some.uint("t", 9)).toThrow("number");
  expect(() => some.uint("gone", 9)).toThrow("number");
  // Two bytes, although one character.
  expect(() => some.text("t", 1)).toThrow("at most 1 bytes");
  expect(() => some.text("b", 9)).toThrow("text");
  expect(() => some.bytes("b", 3)).toThrow("3 bytes");
  expect(() => some.bytes("t", 2)).toThrow("2 bytes");
  expect(() => new Fields([1])).toThrow("not a map");
});

test("refuses a field nobody asked for", () => {
  const some = fields(["known", 1], ["surprise", 2]);
  some.take("known");
  expect(() => some.end()).toThrow('"surprise" is unknown');
});
