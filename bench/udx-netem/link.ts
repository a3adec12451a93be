/**
 * A link between two hosts, run by link-process.ts: delay, random loss, reordering, and a bottleneck with a
 * first-in-first-out buffer. What `tc netem` and `tc tbf` would do, but it needs neither kernel module, repeats
 * its random choices, and knows of every packet how long it waited.
 */
import { Poll, Slots } from "./tun.ts";

export interface LinkSettings {
  /** One way. */
  readonly delayMs: number;
  /** Part of the packets that vanish, in each direction. */
  readonly loss: number;
  /** Part of the packets that overtake others, and by how much. By the whole delay: `netem reorder`. */
  readonly reorder: number;
  readonly earlyMs: number;
  /** Bottleneck; 0: none. */
  readonly bytesPerMs: number;
  /** What the bottleneck's buffer holds, as time at its rate. */
  readonly bufferMs: number;
}

/** What the packets of one direction went through. */
export interface DirectionReport {
  readonly packets: number;
  /** Dropped because the buffer was full: caused by the senders. */
  readonly overflows: number;
  readonly meanWaitMs: number;
  readonly p95WaitMs: number;
}

const SLOTS = 32_768;
const SLOT_BYTES = 2048;
const MAX_WAIT_MS = 20;
/** Packets taken from a device before those due are sent again. */
const BURST = 64;
const WAIT_BUCKETS_PER_MS = 4;
const WAIT_BUCKETS = 8192;

/** Packets on their way, in the order they are due. */
class Transit {
  readonly slots = new Slots(SLOTS, SLOT_BYTES);
  private readonly lengths = new Uint16Array(SLOTS);
  private readonly dueMs = new Float64Array(SLOTS);
  private head = 0;
  private tail = 0;

  get isFull(): boolean {
    return this.tail - this.head === SLOTS;
  }

  /** Where the next packet goes; only `add` makes it count. */
  get freeSlot(): number {
    return this.tail % SLOTS;
  }

  add(length: number, dueMs: number): void {
    this.lengths[this.freeSlot] = length;
    this.dueMs[this.freeSlot] = dueMs;
    this.tail++;
  }

  /** Sends what is due to the device; the time of the next packet. */
  deliver(to: number, nowMs: number): number {
    while (this.head < this.tail) {
      const slot = this.head % SLOTS;
      const dueMs = this.dueMs[slot] ?? 0;
      if (dueMs > nowMs) return dueMs;
      this.slots.write(to, slot, this.lengths[slot] ?? 0);
      this.head++;
    }
    return Infinity;
  }
}

class Direction {
  private readonly from: number;
  private readonly to: number;
  private readonly settings: LinkSettings;
  private readonly random: () => number;
  private readonly usual = new Transit();
  private readonly early = new Transit();
  private busyUntilMs = 0;

  private packets = 0;
  private overflows = 0;
  private waitSumMs = 0;
  private readonly waits = new Uint32Array(WAIT_BUCKETS);

  constructor(from: number, to: number, settings: LinkSettings, seed: number) {
    this.from = from;
    this.to = to;
    this.settings = settings;
    this.random = mulberry32(seed);
  }

  /** Takes what the device has. */
  receive(nowMs: number): void {
    const { loss, reorder, bytesPerMs, bufferMs, delayMs, earlyMs } = this.settings;
    for (let i = 0; i < BURST; i++) {
      const isEarly = reorder > 0 && this.random() < reorder;
      const transit = isEarly ? this.early : this.usual;
      if (transit.isFull) return;
      const length = transit.slots.read(this.from, transit.freeSlot);
      if (length <= 0) return;
      this.packets++;
      if (loss > 0 && this.random() < loss) continue;
      let leavesMs = nowMs;
      if (bytesPerMs > 0) {
        const waitMs = Math.max(0, this.busyUntilMs - nowMs);
        if (waitMs + length / bytesPerMs > bufferMs) {
          this.overflows++;
          continue;
        }
        this.countWait(waitMs);
        leavesMs = Math.max(this.busyUntilMs, nowMs) + length / bytesPerMs;
        this.busyUntilMs = leavesMs;
      }
      transit.add(length, leavesMs + delayMs - (isEarly ? earlyMs : 0));
    }
  }

  /** Delivers what is due; the time of the next packet. */
  deliver(nowMs: number): number {
    return Math.min(this.early.deliver(this.to, nowMs), this.usual.deliver(this.to, nowMs));
  }

  report(): DirectionReport {
    const counted = this.waits.reduce((sum, count) => sum + count, 0);
    let below = 0;
    const p95 = this.waits.findIndex((count) => (below += count) >= counted * 0.95);
    return {
      packets: this.packets,
      overflows: this.overflows,
      meanWaitMs: counted === 0 ? 0 : this.waitSumMs / counted,
      p95WaitMs: counted === 0 ? 0 : p95 / WAIT_BUCKETS_PER_MS,
    };
  }

  private countWait(waitMs: number): void {
    this.waitSumMs += waitMs;
    const bucket = Math.min(WAIT_BUCKETS - 1, Math.floor(waitMs * WAIT_BUCKETS_PER_MS));
    this.waits[bucket] = (this.waits[bucket] ?? 0) + 1;
  }
}

export class Link {
  private readonly directions: readonly [Direction, Direction];
  private readonly poll: Poll;

  /** `a` and `b` are the descriptors of TUN devices. */
  constructor(a: number, b: number, settings: LinkSettings, seed: number) {
    this.directions = [
      new Direction(a, b, settings, seed),
      new Direction(b, a, settings, seed + 1),
    ];
    this.poll = new Poll([a, b]);
  }

  /** Carries packets for `ms`, blocking the thread. */
  run(ms: number): void {
    const endMs = performance.now() + ms;
    for (let nowMs = performance.now(); nowMs < endMs; nowMs = performance.now()) {
      let nextMs = endMs;
      for (const direction of this.directions) {
        direction.receive(nowMs);
        nextMs = Math.min(nextMs, direction.deliver(nowMs));
      }
      this.poll.wait(Math.min(MAX_WAIT_MS, nextMs - performance.now()));
    }
  }

  /** From a to b, from b to a. */
  report(): DirectionReport[] {
    return this.directions.map((direction) => direction.report());
  }
}

/** Small seeded generator of numbers in [0, 1), so that every run loses the same packets. */
function mulberry32(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
