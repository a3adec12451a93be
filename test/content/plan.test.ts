import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { ChunkPlan, piecesOf } from "../../src/content/plan.ts";
import { ChunkTable } from "../../src/content/table.ts";
import { concat, equal } from "../../src/core/bytes.ts";
import { memorySource } from "../../src/core/source.ts";
import { noise } from "../helpers/release.ts";
import { edited, type Edit } from "./streams.ts";

const tableOf = (bytes: Uint8Array): ChunkTable => ChunkTable.ofStream(memorySource(bytes));
const old = noise(1_500_000, 1);
const oldTable = tableOf(old);

test("what is here and what is missing make up the stream, for arbitrary edits", () => {
  const edit: fc.Arbitrary<Edit> = fc.record({
    at: fc.double({ min: 0, max: 1, noNaN: true }),
    removed: fc.nat(100_000),
    inserted: fc.uint8Array({ maxLength: 3_000 }),
  });
  fc.assert(
    fc.property(fc.array(edit, { maxLength: 5 }), (edits) => {
      const next = concat(edited(old, edits), Uint8Array.of(7));
      const table = tableOf(next);
      const plan = new ChunkPlan(table, oldTable);
      const missing = new Set(plan.missing);
      const out = new Uint8Array(next.length);
      for (let index = 0; index < table.count; index++) {
        const { offset, sizeBytes } = table.rangeOf(index);
        const here = plan.localRangeOf(index);
        expect(here === undefined).toBe(missing.has(index));
        const from = here === undefined ? next : old;
        const at = here?.offset ?? offset;
        out.set(from.subarray(at, at + sizeBytes), offset);
      }
      expect(equal(out, next)).toBe(true);
    }),
    { numRuns: 25 },
  );
});

test("nothing is missing of the same, everything of another, and without anything here", () => {
  expect(new ChunkPlan(oldTable, oldTable).missing).toEqual([]);
  const other = tableOf(noise(300_000, 2));
  const all = [...Array(other.count).keys()];
  expect(new ChunkPlan(other, oldTable).missing).toEqual(all);
  expect(new ChunkPlan(other, undefined).missing).toEqual(all);
});

test("repeated chunks are taken in the order they stand", () => {
  const table = tableOf(concat(new Uint8Array(5 * 65_536), noise(100_000, 3)));
  const plan = new ChunkPlan(table, table);
  for (let index = 0; index < table.count; index++) {
    expect(plan.localRangeOf(index)).toEqual(table.rangeOf(index));
  }
});

test("a missing piece resembles what lies between the same neighbours, wherever they moved", () => {
  for (const insertedBytes of [100, 5_000, 30_000]) {
    const moved = concat(noise(50_000, 5), old);
    const edit = { at: 0.5, removed: 100, inserted: noise(insertedBytes, 4) };
    const table = tableOf(edited(moved, [edit]));
    const plan = new ChunkPlan(table, oldTable);
    const at = Math.floor(0.5 * moved.length);
    let seen = 0;
    for (const piece of piecesOf(table, plan.missing, 65_536)) {
      const { offset, sizeBytes } = table.rangeOf(piece.first, piece.count);
      if (offset > at || offset + sizeBytes <= at) continue;
      seen++;
      const near = plan.resembling(piece) ?? { offset: 0, sizeBytes: 0 };
      // The old bytes that stand before the edit in this piece are in it.
      expect(near.offset).toBeLessThanOrEqual(offset - 50_000);
      expect(near.offset + near.sizeBytes).toBeGreaterThanOrEqual(at - 50_000);
      expect(near.sizeBytes).toBeLessThan(4 * 65_536);
    }
    expect(seen).toBe(1);
  }
  const other = tableOf(noise(300_000, 2));
  expect(new ChunkPlan(other, undefined).resembling({ first: 0, count: 1 })).toBeUndefined();
});

test("pieces are runs of missing chunks up to a size, or one chunk", () => {
  const sizeOf = (first: number, count: number): number => oldTable.rangeOf(first, count).sizeBytes;
  const indexes = [0, 1, 2, 5, 7, 8];
  const maxBytes = sizeOf(0, 2);
  const pieces = piecesOf(oldTable, indexes, maxBytes);
  const covered = pieces.flatMap(({ first, count }) =>
    Array.from({ length: count }, (_, i) => first + i),
  );
  expect(covered).toEqual(indexes);
  for (const { first, count } of pieces) {
    expect(count === 1 || sizeOf(first, count) <= maxBytes).toBe(true);
  }
  expect(piecesOf(oldTable, indexes, 1)).toHaveLength(6);
  expect(piecesOf(oldTable, indexes, 1e9)).toHaveLength(3);
  expect(piecesOf(oldTable, [], 1e9)).toEqual([]);
});
