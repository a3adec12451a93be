/** Windows refuses what is allowed while somebody looks at a file: a scanner, an indexer, a backup. */
import { isErrno } from "./error.ts";

/** Sharing violations and the like, as libuv translates them. */
const IN_USE = ["EBUSY", "EPERM", "EACCES", "ETXTBSY"];
const FIRST_WAIT_MS = 10;
const WAIT_MAX_MS = 500;
/** Some ten seconds in all: a scanner reads a new executable of 100 MB in one or two. */
const TRIES_MAX = 24;

/** Waits while the thread has nothing else to do. */
export type Sleep = (waitMs: number) => void;

/** Until it succeeds, fails for another reason than a file in use, or has been tried for long enough. */
export function patiently<T>(act: () => T, sleep: Sleep): T {
  for (let tries = 1, waitMs = FIRST_WAIT_MS; ; tries++) {
    try {
      return act();
    } catch (error) {
      if (tries === TRIES_MAX || !IN_USE.some((code) => isErrno(error, code))) throw error;
    }
    sleep(waitMs);
    waitMs = Math.min(2 * waitMs, WAIT_MAX_MS);
  }
}
