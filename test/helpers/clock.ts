import type { Clock } from "../../src/core/clock.ts";

/** Time that moves only when told to. */
export class FakeClock implements Clock {
  #nowMs: number;
  #monotonicMs = 0;
  readonly #timers = new Map<number, { atMs: number; callback: () => void }>();
  #nextId = 0;

  constructor(nowMs: number = Date.UTC(2026, 0, 1)) {
    this.#nowMs = nowMs;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  monotonicMs(): number {
    return this.#monotonicMs;
  }

  after(delayMs: number, callback: () => void): () => void {
    const id = this.#nextId++;
    this.#timers.set(id, { atMs: this.#monotonicMs + Math.max(0, delayMs), callback });
    return () => void this.#timers.delete(id);
  }

  /** Timers that are armed. */
  get pending(): number {
    return this.#timers.size;
  }

  /** Moves both clocks, firing timers in order, each at its own time. */
  advance(byMs: number): void {
    const untilMs = this.#monotonicMs + byMs;
    for (;;) {
      const due = [...this.#timers]
        .filter(([, { atMs }]) => atMs <= untilMs)
        .sort(([a, x], [b, y]) => x.atMs - y.atMs || a - b)[0];
      if (due === undefined) break;
      const [id, { atMs, callback }] = due;
      this.#timers.delete(id);
      this.#move(atMs);
      callback();
    }
    this.#move(untilMs);
  }

  /** The wall clock jumps; the monotonic one does not. */
  jump(byMs: number): void {
    this.#nowMs += byMs;
  }

  #move(toMs: number): void {
    this.#nowMs += toMs - this.#monotonicMs;
    this.#monotonicMs = toMs;
  }
}

/** The real time, with every delay `factor` times shorter; the wall clock is the real one. */
export function fastClock(factor: number): Clock {
  return {
    nowMs: () => Date.now(),
    monotonicMs: () => performance.now() * factor,
    after(delayMs, callback) {
      const timer = setTimeout(callback, delayMs / factor);
      timer.unref();
      return () => clearTimeout(timer);
    },
  };
}
