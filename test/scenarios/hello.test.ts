/** The smallest conversations, to the packet (libudx test/stream-write-read*.c). */
import { expect, test } from "bun:test";
import { TYPE_DATA, TYPE_END, TYPE_SACK } from "../../src/udx/header.ts";
import { Network } from "../udx/sim/network.ts";
import { createPair } from "../udx/sim/world.ts";

const TYPE_AT = 2;

test("9.1.9: hello, and both sides close with everything acknowledged and nothing SACKed or repeated", async () => {
  const network = new Network();
  const types: number[] = [];
  network.link.drop = (datagram) => {
    types.push(datagram[TYPE_AT] ?? 0);
    return false;
  };
  const [a, b] = createPair(network);
  a.stream.write("hello");
  expect(await Promise.race([a.stream.flush(), network.advance(100).then(() => null)])).toBe(true);
  a.stream.end();
  b.stream.end();
  await network.runUntil(() => a.isClosed && b.isClosed, 5000);
  expect(Buffer.concat(b.chunks).toString()).toBe("hello");
  expect([a.isEnded, b.isEnded, a.error, b.error]).toEqual([true, true, null, null]);
  expect(a.stream.retransmits + b.stream.retransmits).toBe(0);
  expect(types.some((type) => type & TYPE_SACK)).toBe(false);
  expect(types.filter((type) => type & TYPE_DATA)).toHaveLength(1);
  expect(types.filter((type) => type & TYPE_END)).toHaveLength(2);
});

test("9.1.9: two writes in a row are both acknowledged and arrive as one text", async () => {
  const network = new Network();
  const [a, b] = createPair(network);
  a.stream.write("hello ");
  a.stream.write("world");
  const flushed = a.stream.flush();
  await network.advance(100);
  expect(await flushed).toBe(true);
  expect(Buffer.concat(b.chunks).toString()).toBe("hello world");
});

test("9.2.28: ending at once closes both sides without data", async () => {
  const network = new Network();
  const [a, b] = createPair(network);
  let finished = 0;
  for (const { stream } of [a, b]) stream.on("finish", () => finished++).end();
  await network.runUntil(() => a.isClosed && b.isClosed, 5000);
  expect([a.received, b.received, finished]).toEqual([0, 0, 2]);
  expect([a.isEnded, b.isEnded]).toEqual([true, true]);
});

for (const bytes of [1, 1000, 1_000_000]) {
  test(`9.2.29, 9.2.68: only one side writes, ${bytes} bytes, and both close`, async () => {
    const network = new Network();
    const [a, b] = createPair(network);
    b.stream.end();
    a.stream.end(Buffer.alloc(bytes, 7));
    await network.runUntil(() => a.isClosed && b.isClosed, 60_000);
    expect(Buffer.concat(b.chunks).equals(Buffer.alloc(bytes, 7))).toBe(true);
    expect([a.error, b.error]).toEqual([null, null]);
  });
}
