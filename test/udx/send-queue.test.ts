import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { PacketList, PacketPool } from "../../src/udx/packet.ts";
import { SendQueue, WriteQueue } from "../../src/udx/send-queue.ts";

test("bytes come out in the order they went in, whatever the cuts", () => {
  const writes = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 30 });
  const cuts = fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 20 });
  fc.assert(
    fc.property(writes, cuts, (chunks, sizes) => {
      const queue = new WriteQueue();
      for (const chunk of chunks) queue.push(Buffer.from(chunk));
      const expected = Buffer.concat(chunks);
      expect(queue.bytes).toBe(expected.length);
      const target = Buffer.alloc(expected.length + 200);
      let at = 0;
      for (let i = 0; at < expected.length; i++) {
        const size = sizes[i % sizes.length] ?? 1;
        const taken = queue.take(target, at, size);
        expect(taken).toBe(Math.min(size, expected.length - at));
        at += taken;
      }
      expect(queue.bytes).toBe(0);
      expect(queue.take(target, 0, 10)).toBe(0);
      expect(target.subarray(0, at).equals(expected)).toBe(true);
    }),
  );
});

test("a long queue that is written and read in turn keeps its order", () => {
  const queue = new WriteQueue();
  const target = Buffer.alloc(4);
  let read = 0;
  for (let written = 0; written < 5000; written++) {
    const chunk = Buffer.alloc(4);
    chunk.writeUInt32LE(written);
    queue.push(chunk);
    if (written % 3 === 2) {
      queue.take(target, 0, 4);
      expect(target.readUInt32LE()).toBe(read++);
    }
  }
  while (queue.bytes > 0) {
    queue.take(target, 0, 4);
    expect(target.readUInt32LE()).toBe(read++);
  }
  expect(read).toBe(5000);
});

test("chunks that are sent are free for collection, although the queue is never empty", () => {
  const queue = new WriteQueue();
  const target = Buffer.alloc(65_536);
  const held = (): number => {
    Bun.gc(true);
    return process.memoryUsage().arrayBuffers;
  };
  for (let i = 0; i < 4; i++) queue.push(Buffer.alloc(65_536));
  const before = held();
  for (let i = 0; i < 500; i++) {
    queue.push(Buffer.alloc(65_536));
    expect(queue.take(target, 0, 65_536)).toBe(65_536);
  }
  expect(held() - before).toBeLessThan(16 * 65_536);
  expect(queue.bytes).toBe(4 * 65_536);
});

test("the ring keeps every packet findable while it grows across the wrap", () => {
  const pool = new PacketPool();
  const start = -100;
  const queue = new SendQueue(start);
  for (let i = 0; i < 1000; i++) {
    const packet = pool.take();
    packet.seq = queue.nxt;
    queue.append(packet);
  }
  expect(queue.outstanding).toBe(1000);
  for (let i = 0; i < 1000; i++) expect(queue.at((start + i) | 0)?.seq).toBe((start + i) | 0);
  for (let i = 0; i < 1000; i++) expect(queue.shift()?.seq).toBe((start + i) | 0);
  expect(queue.outstanding).toBe(0);
});

test("a recycled record shows nothing of its former life", () => {
  const pool = new PacketPool();
  const packet = pool.take();
  const fresh = new PacketPool().take();
  Object.assign(packet, { state: "lost", padding: 9, sends: 3, rtoCount: 2 });
  pool.give(packet);
  const again = pool.take();
  expect(again).toBe(packet);
  for (const field of ["state", "padding", "sends", "rtoCount", "prev", "next"] as const) {
    expect(again[field]).toBe(fresh[field]);
  }
});

test("a datagram view follows padding and payload of the record", () => {
  const packet = new PacketPool().take();
  packet.payloadLength = 100;
  expect(packet.datagram.length).toBe(120);
  packet.padding = 32;
  expect(packet.datagram.length).toBe(152);
  packet.padding = 0;
  expect(packet.datagram.length).toBe(120);
  packet.payloadLength = 0;
  expect(packet.datagram.length).toBe(20);
});

test("a list stays whole through removals at its ends and in its middle", () => {
  const pool = new PacketPool();
  const packets = Array.from({ length: 5 }, (_, seq) => Object.assign(pool.take(), { seq }));
  const list = new PacketList();
  for (const packet of packets) list.append(packet);
  for (const index of [2, 0, 4]) {
    const packet = packets[index];
    if (packet !== undefined) list.remove(packet);
  }
  const left: number[] = [];
  for (let packet = list.head; packet !== null; packet = packet.next) left.push(packet.seq);
  expect(left).toEqual([1, 3]);
  expect(list.tail?.seq).toBe(3);
  expect(list.length).toBe(2);
});
