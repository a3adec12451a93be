import { expect, test } from "bun:test";
import { RECV_WINDOW_MAX } from "../../src/udx/constants.ts";
import { windowLimit } from "../../src/udx/window-limit.ts";
import { Network } from "./sim/network.ts";
import { createPair, pattern, readAll, createStream, connect, writeAll } from "./sim/world.ts";

const SMALL = 425_984;
const unknown = { hasSample: false, min: 0 };

test("a small buffer limits short paths, and loopback before any sample", () => {
  expect(windowLimit(SMALL, true, unknown)).toBe(Math.floor(SMALL / 3));
  expect(windowLimit(SMALL, false, { hasSample: true, min: 0.2 })).toBe(Math.floor(SMALL / 3));
  expect(windowLimit(SMALL, false, unknown)).toBe(RECV_WINDOW_MAX);
});

test("the limit grows with the round trip, up to the whole window", () => {
  expect(windowLimit(SMALL, false, { hasSample: true, min: 10 })).toBe(
    Math.floor((SMALL / 3) * 10),
  );
  expect(windowLimit(SMALL, true, { hasSample: true, min: 50 })).toBe(RECV_WINDOW_MAX);
  expect(windowLimit(4 * RECV_WINDOW_MAX, true, unknown)).toBe(RECV_WINDOW_MAX);
});

test("what is advertised, and so what is in flight, keeps to it", async () => {
  const network = new Network();
  network.recvBufferBytes = 90_000;
  Object.assign(network.link, { delayMs: 0.1, rate: 100_000 });
  const [a, b] = createPair(network);
  // One packet each way gives both sides a sample.
  a.stream.write("x");
  b.stream.write("x");
  await network.advance(20);
  let most = 0;
  network.link.drop = () => {
    most = Math.max(most, a.stream.inflight);
    return false;
  };
  const data = pattern(2_000_000);
  writeAll(a.stream, data);
  b.stream.end();
  await network.runUntil(() => a.isClosed && b.isClosed, 60_000);
  expect(Buffer.concat(b.chunks).subarray(1).equals(data)).toBe(true);
  expect(most).toBeGreaterThan(10);
  expect(most).toBeLessThanOrEqual(30_000 / 1152);
});

test("a reader that stops and goes on is served under a limit without a time-out", async () => {
  const network = new Network();
  network.recvBufferBytes = 90_000;
  network.link.delayMs = 0.1;
  const a = createStream(network, "10.0.0.1", 1);
  const b = createStream(network, "10.0.0.2", 2, { read: false });
  connect(a, b);
  connect(b, a);
  b.stream.write("x");
  await network.advance(20);
  const data = pattern(6_000_000);
  writeAll(a.stream, data);
  b.stream.end();
  await network.advance(3000);
  const startedAt = network.nowMs;
  readAll(b);
  await network.runUntil(() => b.isEnded, 60_000);
  expect(Buffer.concat(b.chunks).equals(data)).toBe(true);
  expect(network.nowMs - startedAt).toBeLessThan(1000);
});
