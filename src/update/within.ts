import type { Clock } from "../core/clock.ts";
import { UpdateError } from "./error.ts";

/**
 * `work`, or a refusal once `timeoutMs` have passed. The work itself goes on and its end is ignored, so
 * this is the last resort above things that have deadlines of their own.
 * @throws {UpdateError} TIMED_OUT
 */
export async function within<T>(clock: Clock, timeoutMs: number, work: Promise<T>): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const cancel = clock.after(timeoutMs, () =>
    reject(new UpdateError("TIMED_OUT", "the network did not answer in time", { blame: "local" })),
  );
  try {
    return await Promise.race([work, promise]);
  } finally {
    cancel();
  }
}
