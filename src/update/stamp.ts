/**
 * When the background mode looks next: the modification time of an empty file beside the executable. Every run
 * of a program that runs for a moment asks for it, so it is one `stat` and nothing to parse.
 */

/** Longer than any interval with its jitter. */
const AHEAD_MAX_MS = 2 * 86_400_000;
/** A helper that could not even say when to come again is not started anew at every run. */
export const CLAIMED_MS = 600_000;

/** No file counts as a time that never comes, and a clock that was set back makes one: both are due. */
export function isDue(stampMs: number, nowMs: number): boolean {
  return stampMs <= nowMs || stampMs > nowMs + AHEAD_MAX_MS;
}
