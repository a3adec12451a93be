import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { concat } from "../../src/core/bytes.ts";
import { forEachPiece, memorySource, without } from "../../src/core/source.ts";

test("a view without some bytes reads like the bytes themselves, at every boundary", () => {
  const bytes = fc.uint8Array({ minLength: 1, maxLength: 40 });
  fc.assert(
    fc.property(bytes, fc.nat(40), fc.nat(40), fc.nat(40), fc.nat(40), (all, o, s, at, count) => {
      const offset = o % (all.length + 1);
      const sizeBytes = s % (all.length - offset + 1);
      const expected = concat(all.subarray(0, offset), all.subarray(offset + sizeBytes));
      const view = without(memorySource(all), offset, sizeBytes);
      expect(view.sizeBytes).toBe(expected.length);
      const from = at % (expected.length + 1);
      const length = count % (expected.length - from + 1);
      expect(view.read(from, length)).toEqual(expected.subarray(from, from + length));
    }),
  );
});

test("refuses ranges that are not inside", () => {
  const source = memorySource(new Uint8Array(10));
  for (const [offset, sizeBytes] of [
    [-1, 1],
    [0, 11],
    [11, 0],
    [10, 1],
    [5, -1],
  ] as const) {
    expect(() => source.read(offset, sizeBytes)).toThrow(RangeError);
    expect(() => without(source, offset, sizeBytes)).toThrow(RangeError);
  }
});

test("pieces cover a large source once, in order", () => {
  const bytes = new Uint8Array(2_500_000).map((_, index) => index * 7);
  const seen: Uint8Array[] = [];
  forEachPiece(memorySource(bytes), (piece, offset) => {
    expect(offset).toBe(seen.reduce((sum, { length }) => sum + length, 0));
    seen.push(piece.slice());
  });
  expect(seen.length).toBeGreaterThan(1);
  expect(concat(...seen)).toEqual(bytes);
});
