import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { READ_CHUNK_MAX } from "../../src/udx/constants.ts";
import { ReadSlab } from "../../src/udx/read-slab.ts";
import { giveBackChunk, ReadLease } from "../../src/udx/read-slabs.ts";

test("a slab is used again when it is full and all of it is back, and not before", () => {
  const lease = new ReadLease();
  const { slab } = lease;
  const [first, second] = [lease.cut(0, 10), lease.cut(10, READ_CHUNK_MAX)];
  giveBackChunk(first);
  expect(new ReadLease().slab).not.toBe(slab);
  lease.close();
  expect(new ReadLease().slab).not.toBe(slab);
  giveBackChunk(second);
  expect(new ReadLease().slab).toBe(slab);
  expect(new ReadLease().slab).not.toBe(slab);
});

test("a chunk is given back once, and only as it was handed out", () => {
  const lease = new ReadLease();
  const [first, second] = [lease.cut(0, 10), lease.cut(10, 20)];
  lease.close();
  giveBackChunk(first);
  giveBackChunk(first);
  giveBackChunk(second.subarray(0));
  giveBackChunk(Buffer.alloc(10));
  expect(new ReadLease().slab).not.toBe(lease.slab);
  giveBackChunk(second);
  expect(new ReadLease().slab).toBe(lease.slab);
});

/** Every chunk of a turn. */
function readAll(slab: ReadSlab): Buffer[] {
  const chunks: Buffer[] = [];
  for (let chunk = slab.read(); chunk !== undefined; chunk = slab.read()) chunks.push(chunk);
  return chunks;
}

test("a busy stream whose reader gives everything back stays with a few slabs", () => {
  const slab = new ReadSlab();
  const used = new Set<ArrayBufferLike>();
  for (let turn = 0; turn < 200; turn++) {
    for (let i = 0; i < 32; i++) slab.push(Buffer.alloc(1400, turn), 0);
    for (const chunk of readAll(slab)) {
      if (chunk.buffer.byteLength === READ_CHUNK_MAX) used.add(chunk.buffer);
      giveBackChunk(chunk);
    }
  }
  expect(used.size).toBeGreaterThan(0);
  expect(used.size).toBeLessThan(10);
});

test("what a reader keeps never changes, whatever others give back", () => {
  // Per turn: datagrams of 1,400 bytes, the stream they come from, and whether its reader keeps what it gets.
  const turn = fc.tuple(fc.integer({ min: 1, max: 120 }), fc.nat(2), fc.boolean());
  fc.assert(
    fc.property(fc.array(turn, { maxLength: 60 }), (turns) => {
      const streams = [new ReadSlab(), new ReadSlab(), new ReadSlab()];
      const kept: { readonly chunk: Buffer; readonly copy: Buffer }[] = [];
      for (const [index, [datagrams, which, isKept]] of turns.entries()) {
        const slab = streams[which];
        if (slab === undefined) continue;
        for (let i = 0; i < datagrams; i++) slab.push(Buffer.alloc(1400, index + i), 0);
        for (const chunk of readAll(slab)) {
          if (isKept) kept.push({ chunk, copy: Buffer.from(chunk) });
          else giveBackChunk(chunk);
        }
      }
      for (const { chunk, copy } of kept) expect(chunk.equals(copy)).toBe(true);
    }),
  );
});
