import { expect, test } from "bun:test";
import { Demand, type Supply } from "../../src/swarm/demand.ts";
import { FakeClock } from "../helpers/clock.ts";

const LOOK_MS = 100;
const MB = 1_000_000;

interface Path {
  /** On the wire, and of the stream. */
  readonly wireBytesPerS?: number;
  readonly bytesPerS?: number;
  readonly wantedBytes?: number;
  readonly isCoarse?: boolean;
}

/** Providers wanted, look by look, while everything comes at these rates. */
function wantedFor(path: Path, looks: number, demand?: { demand: Demand; clock: FakeClock }) {
  const { wireBytesPerS = 0, bytesPerS = 0, wantedBytes = 1_000 * MB, isCoarse = false } = path;
  const clock = demand?.clock ?? new FakeClock();
  const of = demand?.demand ?? new Demand(clock);
  const wanted: number[] = [of.wanted];
  const startMs = clock.monotonicMs();
  for (let look = 0; look < looks; look++) {
    clock.advance(LOOK_MS);
    const nowMs = clock.monotonicMs();
    const shareS = (nowMs - startMs) / 1000;
    const supply: Supply = {
      lastVerifiedMs: bytesPerS > 0 ? nowMs : -Infinity,
      fetchedBytes: bytesPerS * shareS,
      wireBytes: wireBytesPerS * shareS,
      wantedBytes,
      isCoarse,
    };
    of.look(supply);
    wanted.push(of.wanted);
  }
  return { wanted, demand: of, clock };
}

test("one provider at first; while nobody gives anything, one more every tenth of a second", () => {
  expect(wantedFor({}, 8).wanted).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

test("whoever fills a fast path stays alone", () => {
  const fast = { wireBytesPerS: 30 * MB, bytesPerS: 60 * MB };
  expect(wantedFor(fast, 50).wanted.at(-1)).toBe(1);
});

test("what is over soon needs nobody else", () => {
  const slow = { wireBytesPerS: 0.1 * MB, bytesPerS: 0.2 * MB };
  expect(wantedFor({ ...slow, wantedBytes: 0.7 * MB }, 30).wanted.at(-1)).toBeLessThanOrEqual(2);
  expect(wantedFor({ ...slow, wantedBytes: 50 * MB }, 30).wanted.at(-1)).toBeGreaterThan(8);
});

test("when the fast one stops, others are asked within half a second", () => {
  const fast = wantedFor({ wireBytesPerS: 30 * MB, bytesPerS: 60 * MB }, 20);
  const before = fast.demand.wanted;
  const stopped = { lastVerifiedMs: fast.clock.monotonicMs(), fetchedBytes: 120 * MB };
  for (let look = 0; look < 15; look++) {
    fast.clock.advance(LOOK_MS);
    fast.demand.look({
      ...stopped,
      wireBytes: 60 * MB,
      wantedBytes: 1_000 * MB,
      isCoarse: false,
    });
  }
  expect(fast.demand.wanted).toBeGreaterThan(before + 8);
});

test("while nobody can send differences, some more are tried for them, whatever the speed", () => {
  const fast = { wireBytesPerS: 30 * MB, bytesPerS: 60 * MB, isCoarse: true };
  expect(wantedFor(fast, 20).wanted.at(-1)).toBe(4);
});
