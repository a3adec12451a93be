import { expect, test } from "bun:test";
import { WriteQueue } from "../../src/udx/send-queue.ts";
import type { UDXStream } from "../../src/udx/stream.ts";
import { giveBack, takeSlab } from "../../src/udx/write-slabs.ts";
import { Network } from "./sim/network.ts";
import { createPair, pattern } from "./sim/world.ts";

test("a slab is used again when its last byte is in a packet, and not before", () => {
  const queue = new WriteQueue();
  const target = Buffer.alloc(70_000);
  const chunk = takeSlab(20_000);
  if (chunk === undefined) throw new Error("no slab");
  expect(chunk.byteLength).toBe(20_000);
  queue.push(chunk);
  queue.take(target, 0, 19_999);
  const other = takeSlab(30_000);
  expect(other?.buffer).not.toBe(chunk.buffer);
  queue.take(target, 0, 1);
  expect(takeSlab(40_000)?.buffer).toBe(chunk.buffer);
});

test("each is given back once, and only what was lent", () => {
  const chunk = takeSlab(50_000);
  if (chunk === undefined) throw new Error("no slab");
  giveBack(chunk.subarray(1));
  giveBack(Buffer.alloc(50_000));
  expect(takeSlab(50_000)?.buffer).not.toBe(chunk.buffer);
  giveBack(chunk);
  giveBack(chunk);
  expect(takeSlab(50_000)?.buffer).toBe(chunk.buffer);
  expect(takeSlab(50_000)?.buffer).not.toBe(chunk.buffer);
});

test("a slab is used again for messages of its class", () => {
  const [small, large] = [takeSlab(68 * 1024), takeSlab(68 * 1024 + 1)];
  if (small === undefined || large === undefined) throw new Error("no slab");
  expect(large.buffer.byteLength).toBe(132 * 1024);
  giveBack(large);
  giveBack(small);
  expect(takeSlab(132 * 1024)?.buffer).toBe(large.buffer);
  expect(takeSlab(20_000)?.buffer).toBe(small.buffer);
});

test("small messages and those too large for a slab are left to the caller", () => {
  for (const bytes of [0, 20, 16 * 1024 - 1, 132 * 1024 + 1, 16 * 1024 * 1024]) {
    expect(takeSlab(bytes)).toBeUndefined();
  }
});

/** Writes `data` from slabs, with back-pressure, and notes their memory in `used`. */
function writeSlabs(stream: UDXStream, data: Buffer, used: Set<ArrayBufferLike>): number {
  const BYTES = 60_000;
  let at = 0;
  const go = (): void => {
    while (at < data.length) {
      const slab = takeSlab(Math.min(BYTES, data.length - at));
      if (slab === undefined) throw new Error("no slab");
      used.add(slab.buffer);
      slab.set(data.subarray(at, at + slab.length));
      at += slab.length;
      if (!stream.write(slab)) {
        stream.once("drain", go);
        return;
      }
    }
    stream.end();
  };
  go();
  return Math.ceil(data.length / BYTES);
}

test("packets that are sent again carry the bytes of their time, not those of the slab's next message", async () => {
  const network = new Network(3);
  Object.assign(network.link, { loss: 0.05, duplicate: 0.02, jitterMs: 15, delayMs: 10 });
  const [a, b] = createPair(network);
  const [up, down] = [pattern(1_200_000), pattern(1_199_980).reverse()];
  const used = new Set<ArrayBufferLike>();
  const count = writeSlabs(a.stream, up, used) + writeSlabs(b.stream, down, used);
  await network.runUntil(() => a.isClosed && b.isClosed);
  expect(a.stream.retransmits).toBeGreaterThan(0);
  expect(used.size).toBeLessThan(count);
  expect(Buffer.concat(b.chunks).equals(up)).toBe(true);
  expect(Buffer.concat(a.chunks).equals(down)).toBe(true);
});
