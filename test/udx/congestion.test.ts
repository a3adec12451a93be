/** Congestion control on simulated bottlenecks. All times are simulated, so the figures are exact. */
import { expect, test } from "bun:test";
import { Pacer } from "../../src/udx/pacer.ts";
import { Network } from "./sim/network.ts";
import { createPair, pattern, type Watch, writeAll } from "./sim/world.ts";

const PROBE_BW = 2;
const PROBE_RTT = 3;

/** Share of the bottleneck that payload used. */
async function utilization(network: Network, bytes: number): Promise<number> {
  const [a, b] = createPair(network);
  const startedAt = network.nowMs;
  writeAll(a.stream, pattern(bytes), 65_536);
  b.stream.end();
  await network.runUntil(() => b.isEnded);
  expect(b.received).toBe(bytes);
  expect(a.stream.rtoCount).toBe(0);
  return bytes / (network.nowMs - startedAt) / network.link.rate;
}

const PATHS = [
  ["10 Mbit/s, 50 ms", { rate: 1250, delayMs: 25, queueBytes: 64_000, loss: 0 }, 4e6, 0.85],
  [
    "the same with 1 % random loss",
    { rate: 1250, delayMs: 25, queueBytes: 64_000, loss: 0.01 },
    4e6,
    0.8,
  ],
  ["1 Mbit/s, 200 ms", { rate: 125, delayMs: 100, queueBytes: 30_000, loss: 0 }, 1e6, 0.85],
  ["100 Mbit/s, 10 ms", { rate: 12_500, delayMs: 5, queueBytes: 200_000, loss: 0 }, 16e6, 0.85],
  ["1 Gbit/s, 2 ms", { rate: 125_000, delayMs: 1, queueBytes: 1e6, loss: 0 }, 32e6, 0.8],
] as const;

for (const [name, link, bytes, least] of PATHS) {
  test(`fills ${name}`, async () => {
    const network = new Network(3);
    Object.assign(network.link, link);
    expect(await utilization(network, bytes)).toBeGreaterThan(least);
  }, 20_000);
}

// With three rounds of packet conservation in a row: the start was over at a tenth of the rate, and 3.9 MB had come.
test("losses at the start do not end it before the pipe is full", async () => {
  const network = new Network(18);
  Object.assign(network.link, { rate: 10_000, delayMs: 25, queueBytes: 1e6, loss: 0.02 });
  const [a, b] = createPair(network);
  writeAll(a.stream, pattern(20e6), 65_536);
  await network.advance(1500);
  expect(b.received).toBeGreaterThan(8e6);
});

test("once the pipe is measured the queue before the bottleneck stays short", async () => {
  const network = new Network(3);
  Object.assign(network.link, { rate: 1250, delayMs: 25 });
  const [a] = createPair(network);
  writeAll(a.stream, pattern(8e6), 65_536);
  await network.advance(2000);
  expect(a.stream.bbrState).toBe(PROBE_BW);
  network.deepestQueue = 0;
  await network.advance(3000);
  // The bandwidth-delay product of this path: what two of them in flight leave in the queue.
  expect(network.deepestQueue).toBeLessThan(1.5 * 1250 * 50);
});

test("looks for a shorter round trip after ten seconds, with next to nothing in flight", async () => {
  const network = new Network(3);
  Object.assign(network.link, { rate: 200, delayMs: 25 });
  const [a] = createPair(network);
  writeAll(a.stream, pattern(4e6), 65_536);
  let least = Number.POSITIVE_INFINITY;
  await network.runUntil(() => a.stream.bbrState === PROBE_RTT, 30_000);
  expect(network.nowMs).toBeGreaterThan(10_000);
  while (a.stream.bbrState === PROBE_RTT) {
    await network.advance(20);
    least = Math.min(least, a.stream.inflight);
  }
  expect(least).toBeLessThanOrEqual(4);
  expect(a.stream.bbrState).toBe(PROBE_BW);
});

test("9.1.26: alternating idle and saturated phases neither stall nor collapse", async () => {
  const network = new Network(3);
  Object.assign(network.link, { rate: 1250, delayMs: 25, queueBytes: 100_000 });
  const [a, b]: [Watch, Watch] = createPair(network);
  for (let phase = 1; phase <= 6; phase++) {
    a.stream.write(pattern(500_000));
    const startedAt = network.nowMs;
    await network.runUntil(() => b.received === phase * 500_000, 10_000);
    if (phase > 1) expect(network.nowMs - startedAt).toBeLessThan(700);
    await network.advance(phase * 400);
  }
  a.stream.end();
  b.stream.end();
  await network.runUntil(() => a.isClosed && b.isClosed);
  expect(a.error).toBeNull();
});

test("two streams through one bottleneck both get through", async () => {
  const network = new Network(3);
  Object.assign(network.link, { rate: 1250, delayMs: 20, queueBytes: 80_000 });
  const [a, b] = createPair(network);
  writeAll(a.stream, pattern(2e6));
  writeAll(b.stream, pattern(2e6));
  await network.runUntil(() => a.isClosed && b.isClosed, 20_000);
  expect(a.received + b.received).toBe(4e6);
});

test("a queue that others keep standing does not starve a stream until the next look at the path", async () => {
  const network = new Network(3);
  Object.assign(network.link, { rate: 2500, delayMs: 10, queueBytes: 250_000 });
  const [a, b] = createPair(network);
  writeAll(a.stream, pattern(40e6), 65_536);
  await network.advance(2000);
  // What a buffer that TCP fills does to a round trip.
  network.link.delayMs = 55;
  await network.advance(3000);
  const before = b.received;
  await network.advance(2000);
  expect((b.received - before) / (2000 * network.link.rate)).toBeGreaterThan(0.8);
});

test("a queue of one's own is no reason to look at the path early", async () => {
  const network = new Network(3);
  Object.assign(network.link, { rate: 2500, delayMs: 10, queueBytes: 250_000, jitterMs: 3 });
  const [a] = createPair(network);
  writeAll(a.stream, pattern(24e6), 65_536);
  for (let ms = 0; ms < 9000; ms += 50) {
    await network.advance(50);
    expect(a.stream.bbrState).not.toBe(PROBE_RTT);
  }
});

test("a pause does not save up a burst", () => {
  const pacer = new Pacer();
  pacer.refill(0, 1000);
  pacer.spend(25_000);
  expect(pacer.ready).toBe(false);
  pacer.refill(0.5, 1000);
  expect(pacer.ready).toBe(false);
  pacer.refill(60_000, 1000);
  let sent = 0;
  while (pacer.ready) {
    pacer.spend(1000);
    sent += 1000;
  }
  expect(sent).toBe(25_000);
});

test("what was overdrawn is paid back before the next packet", () => {
  const pacer = new Pacer();
  pacer.refill(0, 100);
  pacer.spend(25_400);
  pacer.refill(3, 100);
  expect(pacer.ready).toBe(false);
  pacer.refill(5, 100);
  expect(pacer.ready).toBe(true);
});
