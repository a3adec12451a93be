/**
 * Timers that share wake-ups: each is moved by up to a fifth of its length, so that all of a process that are due
 * at about the same time run in one turn. A thousand idle connections say that they are alive every five seconds;
 * one by one, that costs a wake-up and a system call each, here and at the peer. Each wake-up costs one of Bun's allocator as well.
 */
import { type Clock, systemClock } from "../../src/core/clock.ts";
import { throwUncaught } from "../../src/udx/error.ts";

/** What a timer's wake-ups are rounded to, as a share of its length. */
const SHARE = 1 / 5;
/** Timers run by one wake-up; the next of the same slot follow a moment later, so that no burst floods a peer's socket buffer. */
const BURST = 128;
const BURST_PAUSE_MS = 10;
/** Timers of the system may fire this much early, ms. */
const EARLY_MS = 1;

const NEVER = Number.POSITIVE_INFINITY;

/** All timers of one clock. Slots are absolute times, so timers of the same length meet in them. */
export class SharedTimers {
  private readonly clock: Clock;
  /** In the order of being added. A timer that is destroyed stays where it is until its slot runs. */
  private readonly slots = new Map<number, SharedTimer[]>();
  /** Timers that are to call back. */
  private live = 0;
  private armedAt: number = NEVER;
  private disarm: (() => void) | null = null;
  /** While timers run: when they were to. */
  private runningMs: number | null = null;

  constructor(clock: Clock = systemClock) {
    this.clock = clock;
  }

  get nowMs(): number {
    return this.runningMs ?? this.clock.monotonicMs();
  }

  /** Calls back every `ms`, or up to a fifth sooner. */
  every(ms: number, callback: () => void): SharedTimer {
    return new SharedTimer(this, ms, callback, true);
  }

  /** Calls back once after `ms`, or up to a fifth later. */
  once(ms: number, callback: () => void): SharedTimer {
    return new SharedTimer(this, ms, callback, false);
  }

  /** Puts `timer` into the slot of its `dueAt`. */
  add(timer: SharedTimer): void {
    const { dueAt } = timer;
    const slot = this.slots.get(dueAt);
    if (slot === undefined) this.slots.set(dueAt, [timer]);
    else slot.push(timer);
    if (dueAt < this.armedAt) this.arm(dueAt, this.nowMs);
  }

  /** One more that `add` will be called with. */
  began(): void {
    this.live++;
  }

  /** One that will call back no more. */
  ended(): void {
    if (--this.live > 0) return;
    this.slots.clear();
    this.disarm?.();
    this.disarm = null;
    this.armedAt = NEVER;
  }

  private arm(at: number, nowMs: number): void {
    if (at >= this.armedAt) return;
    this.disarm?.();
    this.armedAt = at;
    this.disarm = this.clock.after(Math.max(Math.ceil(at - nowMs), EARLY_MS), this.onWake);
  }

  private readonly onWake = (): void => {
    this.armedAt = NEVER;
    this.disarm = null;
    const nowMs = this.nowMs;
    const due = [...this.slots.keys()].filter((at) => at <= nowMs + EARLY_MS);
    let left = BURST;
    for (const at of due) {
      // Not too early: who is called back half a millisecond before its time would be due a slot too early again.
      this.runningMs = Math.max(at, nowMs);
      left = this.run(at, left, this.runningMs);
    }
    this.runningMs = null;
    let next = NEVER;
    for (const at of this.slots.keys()) next = Math.min(next, at);
    if (next < NEVER) this.arm(left === 0 ? Math.max(next, nowMs + BURST_PAUSE_MS) : next, nowMs);
  };

  /** Runs up to `left` timers of a slot; returns how many more may run. */
  private run(at: number, left: number, nowMs: number): number {
    const slot = this.slots.get(at);
    if (slot === undefined) return left;
    let done = 0;
    // More may join meanwhile.
    while (done < slot.length && left > 0) {
      const timer = slot[done++];
      if (timer === undefined || timer.done) continue;
      // Refreshed since: that only noted the time.
      if (timer.dueAt > at) {
        this.add(timer);
        continue;
      }
      left--;
      timer.fire(nowMs);
    }
    if (done < slot.length) slot.splice(0, done);
    else if (this.slots.get(at) === slot) this.slots.delete(at);
    return left;
  }
}

/** Those of the process. */
export const sharedTimers: SharedTimers = new SharedTimers();

/** One timer, with the surface of a `timeout-refresh` timer. It never keeps the process alive. */
export class SharedTimer {
  /** When it is due, ms on the monotonic clock: a slot. The one it is in is an earlier one after a refresh. */
  dueAt: number;

  private readonly timers: SharedTimers;
  private readonly ms: number;
  private readonly isInterval: boolean;
  private callback: (() => void) | null;

  constructor(timers: SharedTimers, ms: number, callback: () => void, isInterval: boolean) {
    this.timers = timers;
    this.ms = ms;
    this.callback = callback;
    this.isInterval = isInterval;
    this.dueAt = this.slotFrom(timers.nowMs);
    timers.began();
    timers.add(this);
  }

  /** Whether it will never call back again. */
  get done(): boolean {
    return this.callback === null;
  }

  /** More than half of the time has passed. */
  get isHalfOver(): boolean {
    return this.dueAt - this.timers.nowMs < this.ms / 2;
  }

  /** Starts anew. Cheap: called for every message. */
  refresh(): void {
    if (this.callback !== null) this.dueAt = this.slotFrom(this.timers.nowMs);
  }

  destroy(): void {
    if (this.callback === null) return;
    this.callback = null;
    this.timers.ended();
  }

  ref(): void {
    // Its only user asks for the opposite.
  }

  unref(): void {
    // As it is.
  }

  /** Called by SharedTimers, which has taken it out of its slot. */
  fire(nowMs: number): void {
    const { callback } = this;
    if (callback === null) return;
    if (this.isInterval) {
      this.dueAt = this.slotFrom(nowMs);
      this.timers.add(this);
    } else {
      this.destroy();
    }
    try {
      callback();
    } catch (error) {
      throwUncaught(error);
    }
  }

  /** A sign of life never comes late, and a time-out never early. */
  private slotFrom(nowMs: number): number {
    const step = Math.max(this.ms * SHARE, EARLY_MS);
    const slots = (nowMs + this.ms) / step;
    return (this.isInterval ? Math.floor(slots) : Math.ceil(slots)) * step;
  }
}
