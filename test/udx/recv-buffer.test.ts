import { expect, test } from "bun:test";
import * as fc from "fast-check";
import {
  REORDER_BYTES_MAX,
  REORDER_GUARANTEED_BYTES,
  REORDER_LIMIT,
  REORDER_TOTAL_BYTES_MAX,
} from "../../src/udx/constants.ts";
import { readU32 } from "../../src/udx/header.ts";
import { RecvBuffer, ReorderBudget } from "../../src/udx/recv-buffer.ts";
import { SACK_BLOCK_SIZE, SACK_MAX_BLOCKS } from "../../src/udx/sack.ts";
import { seqDiff } from "../../src/udx/seq.ts";

const ONE = Buffer.from("x");

function blocks(buffer: RecvBuffer, next: number): [number, number][] {
  const bytes = Buffer.alloc(SACK_MAX_BLOCKS * SACK_BLOCK_SIZE);
  const size = buffer.encodeSack(bytes, 0, next);
  const found: [number, number][] = [];
  for (let at = 0; at < size; at += 8) found.push([readU32(bytes, at), readU32(bytes, at + 4)]);
  return found;
}

test("gives packets back in order, each once, across the wrap of the sequence number", () => {
  const starts = fc.constantFrom(0, 5, -5, 0x7fff_fff0, -0x8000_0000);
  const order = fc.shuffledSubarray(Array.from({ length: 200 }, (_, i) => i + 1));
  fc.assert(
    fc.property(starts, order, (start, distances) => {
      const buffer = new RecvBuffer(new ReorderBudget());
      for (const distance of distances) {
        const seq = (start + distance) | 0;
        expect(buffer.accepts(seq, start, 4)).toBe(true);
        const payload = Buffer.alloc(4);
        payload.writeUInt32LE(distance);
        buffer.put(seq, start, payload);
        expect(buffer.accepts(seq, start, 4)).toBe(false);
      }
      for (let distance = 0; distance <= 200; distance++) {
        const payload = buffer.take((start + distance) | 0);
        expect(payload?.readUInt32LE()).toBe(distances.includes(distance) ? distance : undefined);
      }
      expect(buffer.count).toBe(0);
      expect(buffer.bytes).toBe(0);
    }),
  );
});

test("lists exactly the runs it holds", () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.integer({ min: 1, max: 90 }), { maxLength: 80 }), (held) => {
      const next = -40;
      const buffer = new RecvBuffer(new ReorderBudget());
      for (const distance of held) buffer.put((next + distance) | 0, next, ONE);
      const listed = blocks(buffer, next).flatMap(([start, end]) =>
        Array.from({ length: seqDiff(end, start) }, (_, i) => seqDiff(start + i, next)),
      );
      expect(listed).toEqual(held.toSorted((a, b) => a - b));
    }),
  );
});

test("a list without room for all runs goes on where the last one stopped", () => {
  const buffer = new RecvBuffer(new ReorderBudget());
  const runs = 2 * SACK_MAX_BLOCKS + 20;
  for (let i = 1; i <= runs; i++) buffer.put(2 * i, 0, ONE);
  const first = blocks(buffer, 0);
  const second = blocks(buffer, 0);
  const third = blocks(buffer, 0);
  expect([first.length, second.length, third.length]).toEqual([50, 50, 20]);
  const all = [...first, ...second, ...third].map(([start]) => start);
  expect(all).toEqual(Array.from({ length: runs }, (_, i) => 2 * i + 2));
  expect(blocks(buffer, 0)).toEqual(first);
});

test("9.3.4: one forged packet far ahead is refused instead of allocating for it", () => {
  const buffer = new RecvBuffer(new ReorderBudget());
  expect(buffer.accepts(REORDER_LIMIT - 1, 0, 1)).toBe(true);
  expect(buffer.accepts(REORDER_LIMIT, 0, 1)).toBe(false);
  expect(buffer.accepts(1_000_000, 0, 1)).toBe(false);
});

test("holds a bounded number of bytes, but always takes the next in line", () => {
  const buffer = new RecvBuffer(new ReorderBudget());
  const payload = Buffer.alloc(1400);
  let seq = 1;
  while (buffer.accepts(seq, 0, payload.length)) buffer.put(seq++, 0, payload);
  expect(buffer.bytes).toBeLessThanOrEqual(REORDER_BYTES_MAX);
  expect(seq).toBeGreaterThan(1000);
  expect(buffer.accepts(0, 0, payload.length)).toBe(true);
});

test("empty packets are not free: a flood of them meets the same cap", () => {
  const buffer = new RecvBuffer(new ReorderBudget());
  let seq = 1;
  while (seq < REORDER_LIMIT && buffer.accepts(seq, 0, 0)) buffer.put(seq++, 0, Buffer.alloc(0));
  expect(buffer.bytes).toBeGreaterThanOrEqual(buffer.count * 64);
});

test("streams share a budget: when some have used it up, each other still holds its guaranteed part", () => {
  const budget = new ReorderBudget();
  const payload = Buffer.alloc(60_000);
  const fill = (buffer: RecvBuffer): void => {
    for (let seq = 1; buffer.accepts(seq, 0, payload.length); seq++) buffer.put(seq, 0, payload);
  };
  const buffers = Array.from({ length: 40 }, () => new RecvBuffer(budget));
  for (const buffer of buffers) fill(buffer);
  expect(buffers[0]?.bytes).toBeGreaterThan(REORDER_BYTES_MAX - 100_000);
  const last = buffers.at(-1)?.bytes ?? 0;
  expect(last).toBeWithin(REORDER_GUARANTEED_BYTES - 100_000, REORDER_GUARANTEED_BYTES + 1);
  expect(budget.bytes).toBeLessThan(REORDER_TOTAL_BYTES_MAX + 40 * REORDER_GUARANTEED_BYTES);
  for (const buffer of buffers) buffer.clear();
  expect(budget.bytes).toBe(0);
});

test("the ring that one packet far ahead needs counts, and goes with it", () => {
  const budget = new ReorderBudget();
  const buffers = Array.from({ length: 1000 }, () => new RecvBuffer(budget));
  const far = REORDER_LIMIT - 1;
  const took = buffers.filter((buffer) => {
    if (!buffer.accepts(far, 0, 1)) return false;
    buffer.put(far, 0, ONE);
    return true;
  });
  expect(took.length).toBeWithin(10, 200);
  for (const buffer of took) expect(buffer.take(far)).toBe(ONE);
  expect(budget.bytes).toBe(0);
});
