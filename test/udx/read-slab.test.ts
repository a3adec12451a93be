import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { READ_CHUNK_MAX } from "../../src/udx/constants.ts";
import { ReadSlab } from "../../src/udx/read-slab.ts";

test("bytes come out in order and complete, however pushes and reads alternate", () => {
  const push = fc.record({ bytes: fc.uint8Array({ maxLength: 3000 }), skip: fc.nat(30) });
  const steps = fc.array(fc.oneof(push, fc.constant("read" as const)), { maxLength: 60 });
  fc.assert(
    fc.property(steps, (sequence) => {
      const slab = new ReadSlab();
      const pushed: Uint8Array[] = [];
      const read: Buffer[] = [];
      const take = (): boolean => {
        const chunk = slab.read();
        if (chunk !== undefined) read.push(chunk);
        return chunk !== undefined;
      };
      for (const step of sequence) {
        if (step === "read") {
          take();
          continue;
        }
        slab.push(Buffer.from(step.bytes), step.skip);
        pushed.push(step.bytes.subarray(Math.min(step.skip, step.bytes.length)));
      }
      while (take());
      // Compared at the end: a chunk once read must not change when later bytes arrive.
      expect(Buffer.concat(read).equals(Buffer.concat(pushed))).toBe(true);
      expect(slab.bytes).toBe(0);
      for (const chunk of read) expect(chunk.length).toBeLessThanOrEqual(READ_CHUNK_MAX);
    }),
  );
});

test("a payload longer than any slab still comes out whole", () => {
  const slab = new ReadSlab();
  const long = Buffer.alloc(READ_CHUNK_MAX + 5, 3);
  slab.push(Buffer.from("before"), 0);
  slab.push(long, 0);
  expect(slab.read()?.toString()).toBe("before");
  expect(slab.read()?.equals(long)).toBe(true);
  expect(slab.read()).toBeUndefined();
});

test("a stream that says a little now and then holds no memory in between, however long that goes on", () => {
  const slabs = Array.from({ length: 1000 }, () => new ReadSlab());
  const held = (): number => {
    Bun.gc(true);
    return process.memoryUsage().arrayBuffers;
  };
  const before = held();
  for (let round = 0; round < 200; round++) {
    for (const slab of slabs) {
      slab.push(Buffer.from("keepalive, twenty b."), 0);
      expect(slab.read()?.length).toBe(20);
      expect(slab.read()).toBeUndefined();
    }
  }
  expect(held() - before).toBeLessThan(slabs.length * 100);
});

test("a short payload leaves its datagram, a long one that is alone stays in it", () => {
  const slab = new ReadSlab();
  for (const [bytes, stays] of [
    [40, false],
    [1200, true],
  ] as const) {
    const datagram = Buffer.from(new ArrayBuffer(bytes)).fill(bytes & 0xff);
    slab.push(datagram, 20);
    const chunk = slab.read();
    expect(chunk?.equals(datagram.subarray(20))).toBe(true);
    expect(chunk?.buffer === datagram.buffer).toBe(stays);
    expect(slab.read()).toBeUndefined();
  }
});
