import { heapStats } from "bun:jsc";
import { expect, test } from "bun:test";
import { inTime } from "../../src/swarm/patience.ts";
import { FakeClock } from "../helpers/clock.ts";

const TIMEOUT_MS = 1_000;

/** Resolves when its signal does. */
function ended(signal: AbortSignal): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  if (signal.aborted) resolve("at once");
  signal.addEventListener("abort", () => resolve("later"), { once: true });
  return promise;
}

test("work is ended by the time, or by who stops it before or meanwhile", async () => {
  const clock = new FakeClock();
  const late = inTime(clock, new AbortController().signal, TIMEOUT_MS, ended);
  clock.advance(TIMEOUT_MS);
  expect(await late).toBe("later");
  const stopping = new AbortController();
  const stopped = inTime(clock, stopping.signal, TIMEOUT_MS, ended);
  stopping.abort();
  expect(await stopped).toBe("later");
  expect(await inTime(clock, stopping.signal, TIMEOUT_MS, ended)).toBe("at once");
  expect(clock.pending).toBe(0);
});

// Each minute's announcement, with all the replies to it, was kept for as long as a copy ran.
test("work that is over leaves nothing with who could have stopped it", async () => {
  const { signal: stopping } = new AbortController();
  const clock = new FakeClock();
  const signals = (): number => {
    Bun.gc(true);
    return heapStats().objectTypeCounts["AbortSignal"] ?? 0;
  };
  const before = signals();
  for (let count = 0; count < 100; count++) {
    const replies = new Uint8Array(1);
    await inTime(clock, stopping, TIMEOUT_MS, async (signal) => {
      signal.addEventListener("abort", () => replies.fill(0), { once: true });
      await Promise.resolve();
    });
  }
  expect(signals() - before).toBeLessThan(10);
  expect(stopping.aborted).toBe(false);
});
