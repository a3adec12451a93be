/** Work that is not waited for without end. */
import type { Clock } from "../core/clock.ts";

/** `work` gets a signal that ends it after `timeoutMs`, or with `stopping`. */
export async function inTime<T>(
  clock: Clock,
  stopping: AbortSignal,
  timeoutMs: number,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const timeout = new AbortController();
  const cancel = clock.after(timeoutMs, () => timeout.abort());
  try {
    return await work(AbortSignal.any([stopping, timeout.signal]));
  } finally {
    cancel();
  }
}

/** Resolves when `work` has settled, but no later than after `delayMs`. */
export async function atMost(clock: Clock, work: Promise<unknown>, delayMs: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const cancel = clock.after(delayMs, resolve);
  await Promise.race([promise, Promise.allSettled([work])]);
  cancel();
}
