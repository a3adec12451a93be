import { afterAll, beforeAll, expect, test } from "bun:test";
import { createLoopbackDht, type LoopbackDht } from "../helpers/dht.ts";

let dht: LoopbackDht;
beforeAll(async () => {
  dht = await createLoopbackDht(3);
});
afterAll(() => dht.destroy());

const KEEPALIVE_MS = 500;
const OTHER_KEEPALIVE_MS = 900;
/** By then one end answers the other. */
const SETTLE_MS = 3 * KEEPALIVE_MS;
const PERIODS = 8;
/** What a timer of a busy machine may be late. */
const LATE_MS = 150;

interface Raw extends NodeJS.EventEmitter {
  readonly packetsTransmitted: number;
}

test("two idle ends say that they are alive in three packets, neither later than it has to", async () => {
  // Timers of one process fire together, and so at both ends at once; those of different lengths do not.
  const b = await dht.createNode({ keepAliveMs: OTHER_KEEPALIVE_MS });
  const a = await dht.createNode({ keepAliveMs: KEEPALIVE_MS });
  const accepted = Promise.withResolvers<Raw>();
  const server = b.createServer((stream) => {
    stream.on("error", () => undefined).resume();
    accepted.resolve(stream.rawStream as unknown as Raw);
  });
  await server.listen();
  const stream = a.connect(server.publicKey ?? Buffer.alloc(32));
  stream.on("error", () => undefined).resume();
  expect(await stream.opened).toBe(true);
  const ends = [stream.rawStream as unknown as Raw, await accepted.promise];
  await Bun.sleep(SETTLE_MS);

  const arrivals = ends.map((raw) => {
    const times: number[] = [];
    raw.on("data", () => times.push(performance.now()));
    return times;
  });
  const sent = (): number => ends.reduce((sum, raw) => sum + raw.packetsTransmitted, 0);
  const before = sent();
  await Bun.sleep(PERIODS * KEEPALIVE_MS);
  const packets = sent() - before;

  const messages = arrivals.reduce((sum, { length }) => sum + length, 0);
  expect(messages).toBeGreaterThanOrEqual(2 * (PERIODS - 1));
  // Three for two; one and the other by themselves would be four.
  expect(packets / messages).toBeLessThan(1.8);
  for (const times of arrivals) {
    for (const [i, at] of times.entries()) {
      expect(at - (times[i - 1] ?? at)).toBeLessThan(KEEPALIVE_MS + LATE_MS);
    }
  }
}, 30_000);
