/**
 * One timer for all streams of an instance. Deadlines mostly move later, with every ACK; that is noticed when the
 * timer fires, so a stream in full flight neither sets nor clears timers, and an idle one has none.
 */
import type { Clock } from "../core/clock.ts";
import { TIMER_GRANULARITY_MS } from "./constants.ts";
import { throwUncaught } from "./error.ts";

export interface Timed {
  /** When `onDue` is wanted, ms on the monotonic clock; Infinity for never. */
  readonly dueAt: number;
  /** Must move `dueAt`. */
  onDue(nowMs: number): void;
}

const NEVER = Number.POSITIVE_INFINITY;

export class Deadlines {
  private readonly clock: Clock;
  private readonly waiting = new Set<Timed>();
  private armedAt: number = NEVER;
  private disarm: (() => void) | null = null;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** `dueAt` of the stream changed. */
  watch(stream: Timed, nowMs: number): void {
    if (stream.dueAt === NEVER) return;
    this.waiting.add(stream);
    this.arm(stream.dueAt, nowMs);
  }

  /** The stream is closed. */
  forget(stream: Timed): void {
    if (!this.waiting.delete(stream) || this.waiting.size > 0) return;
    this.disarm?.();
    this.disarm = null;
    this.armedAt = NEVER;
  }

  private arm(at: number, nowMs: number): void {
    if (at >= this.armedAt) return;
    this.disarm?.();
    this.armedAt = at;
    this.disarm = this.clock.after(Math.max(at - nowMs, TIMER_GRANULARITY_MS), this.onTimer);
  }

  private readonly onTimer = (): void => {
    this.armedAt = NEVER;
    this.disarm = null;
    const nowMs = this.clock.monotonicMs();
    let next = NEVER;
    for (const stream of this.waiting) {
      if (stream.dueAt <= nowMs) callDue(stream, nowMs);
      if (stream.dueAt === NEVER) this.waiting.delete(stream);
      else if (stream.dueAt < next) next = stream.dueAt;
    }
    if (next < NEVER) this.arm(next, nowMs);
  };
}

/** A listener that throws costs no other stream its deadline. */
function callDue(stream: Timed, nowMs: number): void {
  try {
    stream.onDue(nowMs);
  } catch (error) {
    throwUncaught(error);
  }
}
