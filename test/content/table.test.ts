import { expect, test } from "bun:test";
import { planBlocks } from "../../src/content/plan.ts";
import { BlockTable } from "../../src/content/table.ts";
import { concat } from "../../src/core/bytes.ts";
import { BLOCK_BYTES } from "../../src/core/limits.ts";
import { memorySource } from "../../src/core/source.ts";

function filled(...values: number[]): Uint8Array {
  return concat(...values.map((value) => new Uint8Array(BLOCK_BYTES).fill(value)));
}
const tableOf = (bytes: Uint8Array): BlockTable => BlockTable.ofStream(memorySource(bytes));

test("ranges cover the stream once; the last block is what is left", () => {
  const table = tableOf(filled(1, 2, 3).subarray(0, 2 * BLOCK_BYTES + 7));
  expect(table.count).toBe(3);
  expect([0, 1, 2].map((index) => table.blockRange(index))).toEqual([
    { offset: 0, sizeBytes: BLOCK_BYTES },
    { offset: BLOCK_BYTES, sizeBytes: BLOCK_BYTES },
    { offset: 2 * BLOCK_BYTES, sizeBytes: 7 },
  ]);
  for (const index of [-1, 3, 0.5, Number.NaN]) {
    expect(() => table.blockRange(index)).toThrow(RangeError);
    expect(() => table.hashOf(index)).toThrow(RangeError);
  }
});

test("a block is accepted at its own place, whole and unchanged", () => {
  const bytes = filled(1, 2).subarray(0, BLOCK_BYTES + 9);
  const table = tableOf(bytes);
  const first = bytes.slice(0, BLOCK_BYTES);
  const last = bytes.slice(BLOCK_BYTES);
  expect(table.isBlock(0, first)).toBe(true);
  expect(table.isBlock(1, last)).toBe(true);
  expect(table.isBlock(1, first)).toBe(false);
  expect(table.isBlock(0, first.subarray(1))).toBe(false);
  expect(table.isBlock(1, concat(last, Uint8Array.of(0)))).toBe(false);
  last[8] = 3;
  expect(table.isBlock(1, last)).toBe(false);
});

test("only the blocks that differ in place are fetched", () => {
  const wanted = tableOf(filled(1, 2, 3, 4));
  expect(planBlocks(wanted, undefined)).toEqual([0, 1, 2, 3]);
  expect(planBlocks(wanted, wanted)).toEqual([]);
  expect(planBlocks(wanted, tableOf(filled(1, 9, 3)))).toEqual([1, 3]);
  expect(planBlocks(wanted, tableOf(filled(2, 1, 4, 3, 5)))).toEqual([0, 1, 2, 3]);
  // A last block that was shorter is another block.
  expect(planBlocks(wanted, tableOf(filled(1, 2, 3, 4).subarray(0, 4 * BLOCK_BYTES - 1)))).toEqual([
    3,
  ]);
});
