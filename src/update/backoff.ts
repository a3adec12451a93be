/** How long to wait after failures: exponential, capped, with jitter so that copies do not move in step. */
import { TRIES_PER_ROOT_MAX } from "../core/limits.ts";

/** However often an update failed, it is tried again within the hour. */
const DELAY_MAX_MS = 3_600_000;
const RESTART_MIN_MS = 1_000;
const RESTART_MAX_MS = 300_000;
/** Each wait is between half and one and a half of its nominal length. */
const JITTER = 0.5;

/** `unit` is a random number from 0 to 1, 1 excluded. */
export function jittered(delayMs: number, unit: number): number {
  return Math.round(delayMs * (1 - JITTER + 2 * JITTER * unit));
}

/**
 * Before the next attempt on a release that failed `failures` times. The first TRIES_PER_ROOT_MAX come
 * at the usual interval, each later one after twice the wait.
 */
export function retryDelayMs(failures: number, intervalMs: number, unit: number): number {
  const doublings = Math.max(0, failures - TRIES_PER_ROOT_MAX + 1);
  return jittered(Math.min(Math.max(DELAY_MAX_MS, intervalMs), intervalMs * 2 ** doublings), unit);
}

/** Before a part that crashed `crashes` times in a row is started again. */
export function restartDelayMs(crashes: number, unit: number): number {
  return jittered(Math.min(RESTART_MAX_MS, RESTART_MIN_MS * 2 ** Math.max(0, crashes - 1)), unit);
}
