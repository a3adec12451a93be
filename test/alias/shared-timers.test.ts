import { expect, test } from "bun:test";
import { SharedTimers } from "../../embed/alias/shared-timers.ts";
import { FakeClock } from "../helpers/clock.ts";

const KEEPALIVE_MS = 5000;

function setUp(): { clock: FakeClock; timers: SharedTimers; times: number[] } {
  const clock = new FakeClock();
  return { clock, timers: new SharedTimers(clock), times: [] };
}

test("intervals that began at different times fire together, none later than it was asked to", () => {
  const { clock, timers, times } = setUp();
  const started: number[] = [];
  for (let i = 0; i < 100; i++) {
    clock.advance(3);
    started.push(clock.monotonicMs());
    timers.every(KEEPALIVE_MS, () => times.push(clock.monotonicMs()));
  }
  clock.advance(KEEPALIVE_MS);
  expect(times).toHaveLength(100);
  expect(new Set(times).size).toBe(1);
  for (const [i, at] of started.entries()) {
    expect((times[i] ?? 0) - at).toBeWithin(KEEPALIVE_MS * 0.8, KEEPALIVE_MS + 1);
  }
  // From then on the interval is the one that was asked for.
  const first = times[0] ?? 0;
  times.length = 0;
  clock.advance(first + 3 * KEEPALIVE_MS - clock.monotonicMs());
  expect([...new Set(times)]).toEqual([1, 2, 3].map((n) => first + n * KEEPALIVE_MS));
  expect(clock.pending).toBe(1);
});

test("a time-out never comes early, and only once", () => {
  const { clock, timers, times } = setUp();
  clock.advance(777);
  timers.once(1000, () => times.push(clock.monotonicMs()));
  clock.advance(10_000);
  expect(times).toHaveLength(1);
  expect(times[0]).toBeWithin(1777, 1977 + 1);
  expect(clock.pending).toBe(0);
});

test("refresh starts anew, after firing too for an interval but not for a time-out", () => {
  const { clock, timers, times } = setUp();
  const timeout = timers.once(1000, () => times.push(clock.monotonicMs()));
  for (let i = 0; i < 10; i++) {
    clock.advance(500);
    timeout.refresh();
  }
  expect(times).toEqual([]);
  clock.advance(1100);
  timeout.refresh();
  clock.advance(5000);
  expect(times).toEqual([6000]);

  const interval = timers.every(1000, () => times.push(clock.monotonicMs()));
  clock.advance(1000);
  clock.advance(800);
  interval.refresh();
  clock.advance(800);
  expect(times).toHaveLength(2);
  clock.advance(200);
  expect(times).toHaveLength(3);
});

test("a destroyed timer stays silent, and the last one leaves no wake-up behind", () => {
  const { clock, timers, times } = setUp();
  const all = Array.from({ length: 3 }, () => {
    return timers.every(KEEPALIVE_MS, () => times.push(0));
  });
  // One of a slot destroys the next while they fire.
  const last = timers.every(KEEPALIVE_MS, () => times.push(1));
  const killer = timers.every(KEEPALIVE_MS, () => {
    for (const timer of [...all, last, killer]) timer.destroy();
  });
  clock.advance(KEEPALIVE_MS);
  clock.advance(10 * KEEPALIVE_MS);
  expect(times).toEqual([0, 0, 0, 1]);
  expect(clock.pending).toBe(0);
});

test("a thousand at once are spread out", () => {
  const { clock, timers, times } = setUp();
  for (let i = 0; i < 1000; i++) {
    timers.every(KEEPALIVE_MS, () => times.push(clock.monotonicMs()));
  }
  clock.advance(KEEPALIVE_MS + 1000);
  expect(times).toHaveLength(1000);
  const bursts = Map.groupBy(times, (at) => at);
  expect(bursts.size).toBe(8);
  expect(Math.max(...[...bursts.values()].map((burst) => burst.length))).toBe(128);
  expect((times.at(-1) ?? 0) - (times[0] ?? 0)).toBeLessThan(100);
});

test("a timer made while its own slot fires is not lost", () => {
  const { clock, timers, times } = setUp();
  timers.once(5, () => {
    timers.once(1, () => times.push(clock.monotonicMs()));
  });
  clock.advance(50);
  expect(times).toHaveLength(1);
  expect(clock.pending).toBe(0);
});
