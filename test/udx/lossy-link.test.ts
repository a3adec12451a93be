import { expect, test } from "bun:test";
import { Network } from "./sim/network.ts";
import { createPair, exchange, pattern, writeAll } from "./sim/world.ts";

const MEBIBYTE = 1024 * 1024;

for (const seed of [1, 2, 3, 4, 5, 6]) {
  test(`delivers both directions intact over loss, reordering and duplication (seed ${seed})`, async () => {
    const network = new Network(seed);
    Object.assign(network.link, { loss: 0.05, duplicate: 0.02, jitterMs: 15, delayMs: 10 });
    const [a, b] = createPair(network);
    const up = pattern(MEBIBYTE);
    const down = pattern(MEBIBYTE / 2 + 17);
    await exchange(network, [a, up], [b, down]);
    expect(network.dropped).toBeGreaterThan(10);
    expect(a.stream.retransmits).toBeGreaterThan(0);
  });
}

test("a clean link needs no retransmission and no time-out", async () => {
  const network = new Network(1);
  const [a, b] = createPair(network);
  const data = pattern(4 * MEBIBYTE);
  writeAll(a.stream, data);
  b.stream.end();
  await network.runUntil(() => a.isClosed && b.isClosed);
  expect(Buffer.concat(b.chunks).equals(data)).toBe(true);
  expect(a.stream.retransmits).toBe(0);
  expect(a.stream.rtoCount).toBe(0);
});
