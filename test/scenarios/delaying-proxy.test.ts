/** A path that holds every datagram for a time of its own (udx-native test/proxy.js users). */
import { expect, test } from "bun:test";
import { Network } from "../udx/sim/network.ts";
import { createPair, pattern, writeAll } from "../udx/sim/world.ts";

test("9.2.38: a thousand small writes, each datagram up to a second late, arrive complete and in order", async () => {
  const network = new Network(38);
  Object.assign(network.link, { delayMs: 0, jitterMs: 1000 });
  const [a, b] = createPair(network);
  const expected: string[] = [];
  for (let i = 0; i < 1000; i++) {
    expected.push(`${i},`);
    a.stream.write(`${i},`);
    if (i % 50 === 49) await network.advance(5);
  }
  a.stream.end();
  b.stream.end();
  await network.runUntil(() => a.isClosed && b.isClosed);
  expect(Buffer.concat(b.chunks).toString()).toBe(expected.join(""));
  expect([a.error, b.error]).toEqual([null, null]);
});

test("9.2.68: 32 KiB over a path of 600 ms, give or take 100, take a few round trips", async () => {
  const network = new Network(68);
  Object.assign(network.link, { delayMs: 250, jitterMs: 100 });
  const [a, b] = createPair(network);
  const startedAt = network.nowMs;
  writeAll(a.stream, pattern(32_768));
  b.stream.end();
  await network.runUntil(() => b.isEnded);
  expect(Buffer.concat(b.chunks).equals(pattern(32_768))).toBe(true);
  expect(network.nowMs - startedAt).toBeLessThan(4000);
});
