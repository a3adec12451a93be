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
  /** Of Deadlines alone: it counts among those that wait. */
  isWaiting: boolean;
  /** Of Deadlines alone: it is in their list, where it stays for a while when it does not wait any more. */
  isListed: boolean;
  /** Must move `dueAt`. */
  onDue(nowMs: number): void;
}

const NEVER = Number.POSITIVE_INFINITY;

export class Deadlines {
  private readonly clock: Clock;
  private list: Timed[] = [];
  private waiting = 0;
  private armedAt: number = NEVER;
  private disarm: (() => void) | null = null;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** `dueAt` of the stream changed. */
  watch(stream: Timed, nowMs: number): void {
    if (stream.dueAt === NEVER) {
      this.forget(stream);
      return;
    }
    if (!stream.isWaiting) this.waiting++;
    stream.isWaiting = true;
    this.enlist(stream);
    this.arm(stream.dueAt, nowMs);
  }

  /** The stream waits for nothing. Without the last one there is no wake-up. */
  forget(stream: Timed): void {
    if (!stream.isWaiting) return;
    stream.isWaiting = false;
    if (--this.waiting > 0) return;
    for (const listed of this.list) listed.isListed = false;
    this.list.length = 0;
    this.disarm?.();
    this.disarm = null;
    this.armedAt = NEVER;
  }

  private enlist(stream: Timed): void {
    if (!stream.isListed) this.list.push(stream);
    stream.isListed = true;
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
    const list = this.list;
    this.list = [];
    for (const stream of list) {
      stream.isListed = false;
      if (stream.isWaiting && stream.dueAt <= nowMs) callDue(stream, nowMs);
      if (stream.dueAt === NEVER) this.forget(stream);
      if (!stream.isWaiting) continue;
      this.enlist(stream);
      if (stream.dueAt < next) next = stream.dueAt;
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
