/** Work that is not waited for without end. */
import type { Clock } from "../core/clock.ts";

/**
 * `work` gets a signal that ends it after `timeoutMs`, or with `stopping`. Not `AbortSignal.any`: a listener that is left
 * on one keeps it, and all that the listener holds, for as long as `stopping` lives.
 */
export async function inTime<T>(
  clock: Clock,
  stopping: AbortSignal,
  timeoutMs: number,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const ending = new AbortController();
  const end = (): void => ending.abort();
  if (stopping.aborted) end();
  stopping.addEventListener("abort", end, { once: true });
  const cancel = clock.after(timeoutMs, end);
  try {
    return await work(ending.signal);
  } finally {
    cancel();
    stopping.removeEventListener("abort", end);
  }
}

/** Resolves when `work` has settled, but no later than after `delayMs`. */
export async function atMost(clock: Clock, work: Promise<unknown>, delayMs: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const cancel = clock.after(delayMs, resolve);
  await Promise.race([promise, Promise.allSettled([work])]);
  cancel();
}
