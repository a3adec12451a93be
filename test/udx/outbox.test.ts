import { expect, test } from "bun:test";
import { Outbox } from "../../src/udx/outbox.ts";
import type { DatagramBatch, UdpHandle } from "../../src/udx/runtime.ts";

/** A kernel that answers each call as told: a count, or an error. */
function kernel(answer: (batch: DatagramBatch, call: number) => number): {
  handle: UdpHandle;
  taken: string[];
} {
  const taken: string[] = [];
  let call = 0;
  const handle: UdpHandle = {
    port: 1,
    fd: undefined,
    isUnfragmented: false,
    recvBufferBytes: 0,
    sendMany(batch) {
      const count = answer(batch, call++);
      for (let i = 0; i < count; i++) taken.push(String(batch[i * 3]));
      return count;
    },
    joinReceived: () => false,
    setTTL: () => undefined,
    addMembership: () => undefined,
    dropMembership: () => undefined,
    ref: () => undefined,
    unref: () => undefined,
    close: () => undefined,
  };
  return { handle, taken };
}

function filled(count: number): Outbox {
  const outbox = new Outbox();
  for (let i = 0; i < count; i++) outbox.push(Buffer.from(`${i}`), 1000 + i, "127.0.0.1");
  return outbox;
}

test("an error about an older datagram costs none of the new ones", () => {
  const { handle, taken } = kernel((batch, call) => {
    if (call % 2 === 0) throw new Error("ECONNREFUSED");
    return batch.length / 3;
  });
  const outbox = filled(3);
  expect(outbox.flush(handle)).toBe(true);
  expect(taken).toEqual(["0", "1", "2"]);
});

test("a short count means: the rest again", () => {
  const { handle, taken } = kernel(() => 1);
  const outbox = filled(4);
  expect(outbox.flush(handle)).toBe(true);
  expect(taken).toEqual(["0", "1", "2", "3"]);
  expect(outbox.flushed).toBe(4);
});

test("drops only the datagram the kernel never takes", () => {
  const { handle, taken } = kernel((batch) => {
    const bad = batch.indexOf(1001);
    if (bad === -1) return batch.length / 3;
    if (bad === 1) throw new Error("EMSGSIZE");
    return (bad - 1) / 3;
  });
  const outbox = filled(4);
  expect(outbox.flush(handle)).toBe(true);
  expect(taken).toEqual(["0", "2", "3"]);
  expect(outbox.flushed).toBe(4);
});

test("a bad datagram in a batch that is refused as a whole does not take the good ones with it", () => {
  const { handle, taken } = kernel((batch) => {
    if (batch.includes(1002)) throw new TypeError("bad address");
    return batch.length / 3;
  });
  const outbox = filled(5);
  expect(outbox.flush(handle)).toBe(true);
  expect(taken).toEqual(["0", "1", "3", "4"]);
});

test("a full kernel keeps the rest for later, in order", () => {
  let room = 2;
  const { handle, taken } = kernel((batch) => {
    const count = Math.min(room, batch.length / 3);
    room -= count;
    return count;
  });
  const outbox = filled(5);
  expect(outbox.flush(handle)).toBe(false);
  expect(outbox.flushed).toBe(2);
  outbox.push(Buffer.from("5"), 9, "127.0.0.1");
  room = 10;
  expect(outbox.flush(handle)).toBe(true);
  expect(taken).toEqual(["0", "1", "2", "3", "4", "5"]);
  expect(outbox.flushed).toBe(6);
});

test("detached datagrams no longer change with their owner's buffer", () => {
  const { handle, taken } = kernel((batch) => batch.length / 3);
  const outbox = new Outbox();
  const buffer = Buffer.from("before");
  outbox.push(buffer, 1, "127.0.0.1");
  outbox.detach();
  buffer.fill("x");
  outbox.flush(handle);
  expect(taken).toEqual(["before"]);
});
