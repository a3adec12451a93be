/** Time as a parameter: everything below `update/` takes a Clock, so that tests own time. */
export interface Clock {
  /** Wall clock, Unix milliseconds. For what peers and people see; it may jump. */
  nowMs(): number;
  /** Monotonic milliseconds. For every deadline; it never jumps. */
  monotonicMs(): number;
  /** Calls back once after `delayMs`; the returned function cancels. Never keeps the process alive. */
  after(delayMs: number, callback: () => void): () => void;
}

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after(delayMs, callback) {
    const timer = setTimeout(callback, delayMs);
    timer.unref();
    return () => clearTimeout(timer);
  },
};

/** Minutes since the Unix epoch: the slot of topics and of the rotating auth. */
export function unixMinute(nowMs: number): number {
  return Math.floor(nowMs / 60_000);
}
