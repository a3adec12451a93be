import { describe, expect, test } from "bun:test";
import {
  BANS_MAX,
  CONNECTIONS_PER_HOST_MAX,
  CONNECTIONS_PER_LOOPBACK_MAX,
  FIRST_BYTE_TIMEOUT_MS,
  PEERS_MAX,
  PROGRESS_MIN_BYTES_PER_S,
  PROGRESS_WINDOW_MS,
} from "../../src/core/limits.ts";
import type { Piece } from "../../src/content/plan.ts";
import { PiecePool, type Ask, type Offer } from "../../src/swarm/piece-pool.ts";
import { Motion } from "../../src/swarm/motion.ts";
import { Pipeline } from "../../src/swarm/pipeline.ts";
import type { Clock } from "../../src/core/clock.ts";
import { Deadline } from "../../src/swarm/deadline.ts";
import { HostCounts } from "../../src/swarm/host-counts.ts";
import { Peers } from "../../src/swarm/peers.ts";
import { Progress } from "../../src/swarm/progress.ts";
import { Repeater } from "../../src/swarm/repeater.ts";
import { REQUESTS_IN_FLIGHT_MAX } from "../../src/core/limits.ts";
import { FakeClock } from "../helpers/clock.ts";

describe("deadline", () => {
  test("expires once, when its last move says, and moving it costs no timer", () => {
    const clock = new FakeClock();
    let expired = 0;
    const deadline = new Deadline(clock, () => expired++);
    deadline.set(100);
    for (let turn = 0; turn < 50; turn++) {
      clock.advance(10);
      deadline.set(100);
      expect(clock.pending).toBe(1);
    }
    clock.advance(99);
    expect(expired).toBe(0);
    clock.advance(1);
    expect(expired).toBe(1);
    clock.advance(1_000);
    expect(expired).toBe(1);
  });

  test("can be moved nearer, and cleared", () => {
    const clock = new FakeClock();
    let expired = 0;
    const deadline = new Deadline(clock, () => expired++);
    deadline.set(60_000);
    deadline.set(10);
    clock.advance(10);
    expect(expired).toBe(1);
    deadline.set(10);
    deadline.clear();
    clock.advance(100_000);
    expect(expired).toBe(1);
    expect(clock.pending).toBe(0);
  });

  test("that we were kept from seeing in time gives the other side a second, once", () => {
    let nowMs = 0;
    let fire: (() => void) | undefined;
    // A process that gets no CPU: its timers fire when it does, before it has read what came.
    const clock: Clock = {
      nowMs: () => nowMs,
      monotonicMs: () => nowMs,
      after: (_, callback) => {
        fire = callback;
        return () => (fire = undefined);
      },
    };
    const wake = (atMs: number): void => {
      nowMs = atMs;
      const due = fire;
      fire = undefined;
      due?.();
    };
    let expired = 0;
    const deadline = new Deadline(clock, () => expired++);
    deadline.set(10_000);
    wake(40_000);
    expect(expired).toBe(0);
    // What had come is read now.
    deadline.set(10_000);
    wake(80_000);
    expect(expired).toBe(0);
    // Nothing had.
    wake(81_000);
    expect(expired).toBe(1);
    deadline.set(10_000);
    wake(91_500);
    wake(99_000);
    expect(expired).toBe(2);
  });
});

describe("progress", () => {
  const world = (): { clock: FakeClock; stalls: string[]; progress: Progress } => {
    const clock = new FakeClock();
    const stalls: string[] = [];
    return { clock, stalls, progress: new Progress(clock, (what) => stalls.push(what)) };
  };

  test("D3: no first byte within its time is a stall", () => {
    const { clock, stalls, progress } = world();
    progress.begin();
    clock.advance(FIRST_BYTE_TIMEOUT_MS - 1);
    expect(stalls).toEqual([]);
    clock.advance(1);
    expect(stalls).toEqual(["no answer in time"]);
  });

  test("D3: one byte a second never becomes an answer and is a stall", () => {
    const { clock, stalls, progress } = world();
    progress.begin();
    for (let second = 0; second < 60 && stalls.length === 0; second++) {
      progress.advance(1);
      clock.advance(1_000);
    }
    expect(stalls).toEqual(["too slow"]);
    expect(clock.monotonicMs()).toBeLessThanOrEqual(PROGRESS_WINDOW_MS);
  });

  test("the slowest rate allowed goes on for as long as it takes: no limit on the total", () => {
    const { clock, stalls, progress } = world();
    progress.begin();
    const everyMs = 16_000;
    for (let turn = 0; turn < 200; turn++) {
      progress.advance((PROGRESS_MIN_BYTES_PER_S * everyMs) / 1000);
      clock.advance(everyMs);
    }
    expect(stalls).toEqual([]);
    progress.end();
    expect(clock.pending).toBe(0);
  });
});

describe("peers", () => {
  const key = (number: number): Uint8Array => {
    const bytes = new Uint8Array(32);
    new DataView(bytes.buffer).setUint32(0, number);
    return bytes;
  };
  const own = new Uint8Array(32).fill(0xee);

  test("never us, never twice, never more than the cap; the worst goes first", () => {
    const peers = new Peers(new FakeClock(), own);
    peers.add(own, []);
    expect(peers.next(new Set())).toBeUndefined();
    for (let number = 0; number < PEERS_MAX; number++) peers.add(key(number), []);
    peers.add(key(0), []);
    const bad = key(7).toHex();
    peers.failed(bad);
    peers.add(key(1_000), []);
    expect(peers.size).toBe(PEERS_MAX);
    const seen = new Set<string>();
    for (let peer = peers.next(seen); peer !== undefined; peer = peers.next(seen))
      seen.add(peer.id);
    expect(seen.has(bad)).toBe(false);
    expect(seen.has(key(1_000).toHex())).toBe(true);
  });

  test("D6: who served comes first, who had nothing comes last, who failed waits ever longer", () => {
    const clock = new FakeClock();
    const peers = new Peers(clock, own);
    const [good, fresh, lacking, failed] = [1, 2, 3, 4].map((number) => {
      peers.add(key(number), []);
      return key(number).toHex();
    }) as [string, string, string, string];
    peers.served(good);
    peers.lacking(lacking);
    peers.failed(failed);
    clock.advance(5_000);
    const order: string[] = [];
    for (let peer = peers.next(new Set()); peer !== undefined; peer = peers.next(new Set(order))) {
      order.push(peer.id);
    }
    expect(order).toEqual([good, fresh, lacking, failed]);
    peers.failed(failed);
    clock.advance(9_999);
    expect(peers.next(new Set(order.slice(0, 3)))).toBeUndefined();
    clock.advance(1);
    expect(peers.next(new Set(order.slice(0, 3)))?.id).toBe(failed);
  });

  test("D3: who failed comes after everybody who did not, whatever it gave before", () => {
    const clock = new FakeClock();
    const peers = new Peers(clock, own);
    const [gave, fresh, lacking] = [1, 2, 3].map((number) => {
      peers.add(key(number), []);
      return key(number).toHex();
    }) as [string, string, string];
    for (let piece = 0; piece < 50; piece++) peers.served(gave);
    peers.failed(gave);
    peers.lacking(lacking);
    clock.advance(5_000);
    expect(peers.next(new Set())?.id).toBe(fresh);
    expect(peers.next(new Set([fresh]))?.id).toBe(lacking);
    expect(peers.hasFresh(new Set([fresh, lacking]))).toBe(false);
    expect(peers.next(new Set([fresh, lacking]))?.id).toBe(gave);
    peers.served(gave);
    expect(peers.hasFresh(new Set([fresh, lacking]))).toBe(true);
  });

  test("who was told that all places are taken comes again soon, then less often, and not with the others", () => {
    const clock = new FakeClock();
    const randoms = [0, 0.5, 0.999];
    const all = randoms.map((random) => {
      const peers = new Peers(clock, own, () => random);
      peers.add(key(1), []);
      return peers;
    });
    const waits = (peers: Peers): number => {
      peers.busy(key(1).toHex());
      const sinceMs = clock.monotonicMs();
      while (peers.next(new Set()) === undefined) clock.advance(100);
      return clock.monotonicMs() - sinceMs;
    };
    const [soon, later, last] = all.map((peers) => [1, 2, 3, 4, 5].map(() => waits(peers)));
    expect(soon).toEqual([1_000, 2_000, 4_000, 8_000, 8_000]);
    expect(later).toEqual([1_500, 3_000, 6_000, 12_000, 12_000]);
    expect(last).toEqual([2_000, 4_000, 8_000, 16_000, 16_000]);
    const [peers] = all;
    peers?.served(key(1).toHex());
    expect(peers === undefined ? 0 : waits(peers)).toBe(1_000);
  });

  test("a liar does not come back under its key, and the list of liars is bounded", () => {
    const peers = new Peers(new FakeClock(), own);
    peers.add(key(1), []);
    peers.ban(key(1).toHex());
    peers.add(key(1), []);
    expect(peers.next(new Set())).toBeUndefined();
    for (let number = 2; number < BANS_MAX + 2; number++) peers.ban(key(number).toHex());
    expect(peers.isBanned(key(1).toHex())).toBe(false);
    expect(peers.isBanned(key(2).toHex())).toBe(true);
  });
});

describe("piece pool", () => {
  const KiB = 1024;
  const piece = (first: number, count = 1): Piece => ({ first, count });
  const sorted = (pieces: readonly Piece[]): Piece[] =>
    pieces.toSorted((a, b) => a.first - b.first);
  /** Every chunk has 32 KiB. */
  const poolOf = (...pieces: Piece[]): PiecePool<string> =>
    new PiecePool(pieces, { sizeOf: ({ count }) => count * 32 * KiB, random: () => 0 });
  const next = (pool: PiecePool<string>, who: string, nowMs = 0, maxBytes = 512 * KiB) =>
    pool.next(who, nowMs, { has: () => true, maxBytes });
  function ask(pool: PiecePool<string>, wanted: Piece, who = "a", askedMs = 0): Ask<string> {
    const asked = { piece: wanted, who, id: wanted.first, askedMs };
    pool.asked(asked);
    return asked;
  }

  test("every piece is asked for once, and again when an ask comes to nothing", () => {
    const pool = poolOf(piece(1), piece(3), piece(5, 2));
    expect(pool.left).toBe(3);
    const asks = [1, 2, 3].map(() => ask(pool, next(pool, "a") ?? piece(9)));
    expect(sorted(asks.map((one) => one.piece))).toEqual([piece(1), piece(3), piece(5, 2)]);
    expect(next(pool, "b")).toBeUndefined();
    const [first, second] = asks;
    if (first === undefined || second === undefined) throw new Error("asks");
    pool.failed(second);
    expect(next(pool, "b")).toEqual(second.piece);
    expect(pool.done(first)).toEqual([]);
    expect(pool.done(first)).toBeUndefined();
    pool.failed(first);
    expect(pool.left).toBe(1);
  });

  test("a piece that is late is asked of one other; the faster one cancels the slower one", () => {
    const pool = poolOf(piece(1));
    expect(next(pool, "slow")).toEqual(piece(1));
    const slow = ask(pool, piece(1), "slow");
    expect(next(pool, "fast", 1_999)).toBeUndefined();
    expect(next(pool, "slow", 2_000)).toBeUndefined();
    expect(next(pool, "fast", 2_000)).toEqual(piece(1));
    const fast = ask(pool, piece(1), "fast", 2_000);
    expect(next(pool, "third", 3_999)).toBeUndefined();
    expect(pool.done(fast)).toEqual([slow]);
    expect(pool.done(slow)).toBeUndefined();
    expect(pool.left).toBe(0);
  });

  test("D3: a piece that does not come is asked of twice as many each two seconds", () => {
    const pool = poolOf(piece(1));
    ask(pool, next(pool, "0") ?? piece(9), "0");
    let asked = 1;
    for (let nowMs = 0; nowMs < 10_000; nowMs += 500) {
      for (;;) {
        const wanted = next(pool, `${asked}`, nowMs);
        if (wanted === undefined) break;
        ask(pool, wanted, `${asked++}`, nowMs);
      }
      expect([nowMs, asked]).toEqual([nowMs, 2 ** Math.floor(nowMs / 2_000)]);
    }
  });

  test("what few have comes first, and only what somebody has is asked of them", () => {
    const copies = new Map([
      [1, 3],
      [2, 1],
      [3, 2],
    ]);
    const pool = new PiecePool<string>([piece(1), piece(2), piece(3)], {
      sizeOf: ({ count }) => count * 32 * KiB,
      copiesOf: (chunk) => copies.get(chunk) ?? 0,
    });
    const offer = (...chunks: number[]): Offer => ({
      has: (chunk) => chunks.includes(chunk),
      maxBytes: 64 * KiB,
    });
    expect(pool.next("a", 0, offer(4))).toBeUndefined();
    expect(pool.next("a", 0, offer(1, 2, 3))).toEqual(piece(2));
    expect(pool.next("a", 0, offer(1))).toEqual(piece(1));
    expect(pool.next("a", 0, offer(1, 2, 3))).toEqual(piece(3));
  });

  test("of a piece that somebody has in part, the part is asked for; a late one only of who has it all", () => {
    const pool = poolOf(piece(1, 4));
    const offer = (...chunks: number[]): Offer => ({
      has: (chunk) => chunks.includes(chunk),
      maxBytes: 512 * KiB,
    });
    expect(pool.next("part", 0, offer(1, 2, 4))).toEqual(piece(1, 2));
    expect(pool.next("rest", 0, offer(1, 2, 4))).toBeUndefined();
    expect(pool.next("rest", 0, offer(3, 4))).toEqual(piece(3, 2));
  });

  test("all pieces are asked for in an order of their own by each getter", () => {
    const orders = new Set<string>();
    for (let getter = 0; getter < 8; getter++) {
      const pool = new PiecePool<string>(
        Array.from({ length: 50 }, (_, index) => piece(index)),
        { sizeOf: () => KiB },
      );
      const order: number[] = [];
      for (let wanted = next(pool, "a"); wanted !== undefined; wanted = next(pool, "a")) {
        order.push(wanted.first);
      }
      expect(order.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 50 }, (_, n) => n));
      orders.add(order.join());
    }
    expect(orders.size).toBe(8);
  });

  test("who cannot give a piece whole gets a part of it; the rest is for the next one", () => {
    const pool = poolOf(piece(0, 5), piece(9));
    expect(next(pool, "small", 0, 64 * KiB)).toEqual(piece(0, 2));
    const rest = [next(pool, "large"), next(pool, "large")].map((one) => one ?? piece(8));
    expect(sorted(rest)).toEqual([piece(2, 3), piece(9)]);
    expect(next(pool, "small")).toBeUndefined();
  });

  test("a piece whose answer would be too large is asked for in halves", () => {
    const pool = poolOf(piece(0, 5));
    const whole = ask(pool, next(pool, "a") ?? piece(9));
    pool.split(whole);
    const halves = [next(pool, "a"), next(pool, "b")].map((one) => one ?? piece(9));
    expect(sorted(halves)).toEqual([piece(0, 3), piece(3, 2)]);
    expect(pool.done(whole)).toBeUndefined();
  });

  test("a late piece goes in parts to who cannot give it whole; what comes after all does not count", () => {
    const pool = poolOf(piece(0, 4));
    const late = ask(pool, next(pool, "large") ?? piece(9), "large");
    expect(next(pool, "small", 2_000, 64 * KiB)).toEqual(piece(0, 2));
    ask(pool, piece(0, 2), "small", 2_000);
    expect(pool.done(late)).toBeUndefined();
    pool.failed(late);
    expect(next(pool, "small", 2_000, 64 * KiB)).toEqual(piece(2, 2));
    expect(pool.left).toBe(1);
  });
});

describe("pipeline", () => {
  /** Answers of 64 KiB over a path that takes `rttMs` and carries `bytesPerMs`. */
  function windowAfter(answers: number, rttMs: number, bytesPerMs: number): number {
    const pipeline = new Pipeline();
    const sizeBytes = 65_536;
    const underWay: { mark: ReturnType<Pipeline["mark"]>; dueMs: number }[] = [];
    let nowMs = 0;
    let freeMs = 0;
    for (let answer = 0; answer < answers; answer++) {
      while (underWay.length < pipeline.window) {
        freeMs = Math.max(freeMs, nowMs + rttMs) + sizeBytes / bytesPerMs;
        underWay.push({ mark: pipeline.mark(nowMs), dueMs: freeMs });
      }
      const next = underWay.shift();
      if (next === undefined) throw new Error("nothing under way");
      nowMs = next.dueMs;
      pipeline.delivered(next.mark, sizeBytes, nowMs);
    }
    return pipeline.window;
  }

  test("one request before anything has come, then two more with each answer", () => {
    expect(windowAfter(0, 50, 1_000)).toBe(1);
    expect(windowAfter(1, 2, 10_000)).toBe(3);
    expect(windowAfter(2, 2, 10_000)).toBe(5);
  });

  test("settles at what keeps the path full: a few on a slow one, all on a fast or long one", () => {
    expect(windowAfter(100, 50, 20)).toBeLessThanOrEqual(3);
    expect(windowAfter(100, 50, 1_000)).toBeGreaterThanOrEqual(3);
    expect(windowAfter(100, 50, 1_000)).toBeLessThanOrEqual(6);
    expect(windowAfter(100, 200, 20_000)).toBe(REQUESTS_IN_FLIGHT_MAX);
  });
});

describe("motion", () => {
  test("names who stands still or lags far behind, and nobody when all are as slow", () => {
    const motion = new Motion<{ socketBytes: number; perTick: number }>();
    const all = [100_000, 90_000, 110_000].map((perTick) => ({ socketBytes: 0, perTick }));
    for (const who of all) motion.begin(who, 0);
    let nowMs = 0;
    const pass = (forMs: number): void => {
      for (const endMs = nowMs + forMs; nowMs < endMs;) {
        nowMs += 250;
        for (const who of all) who.socketBytes += who.perTick;
        motion.look(nowMs);
      }
    };
    pass(10_000);
    expect(motion.slowest(nowMs)).toBeUndefined();
    const late = { socketBytes: 0, perTick: 10 };
    all.push(late);
    motion.begin(late, nowMs);
    pass(4_000);
    // Not yet: it has to have had its time.
    expect(motion.slowest(nowMs)).toBeUndefined();
    pass(1_000);
    expect(motion.slowest(nowMs)).toBe(late);
    motion.end(late);
    expect(motion.slowest(nowMs)).toBeUndefined();
    for (const who of all) who.perTick = 1_000;
    pass(10_000);
    expect(motion.slowest(nowMs)).toBeUndefined();
    for (const who of all) who.perTick = 1;
    pass(10_000);
    expect(motion.slowest(nowMs)).toBeDefined();
  });
});

test("one address has few places, this machine's own has more, and places come back", () => {
  const hosts = new HostCounts();
  const fill = (host: string): number => {
    let count = 0;
    while (hosts.tryAdd(host)) count++;
    return count;
  };
  expect(fill("192.0.2.1")).toBe(CONNECTIONS_PER_HOST_MAX);
  expect(fill("192.0.2.2")).toBe(CONNECTIONS_PER_HOST_MAX);
  expect(fill("127.0.0.1")).toBe(CONNECTIONS_PER_LOOPBACK_MAX);
  expect(fill("127.0.0.1.example.org")).toBe(CONNECTIONS_PER_HOST_MAX);
  hosts.remove("192.0.2.1");
  expect(fill("192.0.2.1")).toBe(1);
});

test("a repeater goes on after a failure, never overlaps, and stops", async () => {
  const clock = new FakeClock();
  let turns = 0;
  let running = 0;
  const repeater = new Repeater(
    clock,
    () => 1_000,
    async () => {
      turns++;
      expect(++running).toBe(1);
      await Promise.resolve();
      running--;
      throw new Error("this turn fails");
    },
  );
  repeater.start();
  const settle = async (): Promise<void> =>
    void (await new Promise((resolve) => setImmediate(resolve)));
  for (let turn = 1; turn <= 3; turn++) {
    await settle();
    expect(turns).toBe(turn);
    clock.advance(1_000);
  }
  await settle();
  repeater.stop();
  clock.advance(100_000);
  await settle();
  expect(turns).toBe(4);
  expect(clock.pending).toBe(0);
});
