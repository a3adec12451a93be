/**
 * Step 8 (restart at HH:MM local time). Every local day has one moment for it: the first instant at which
 * the clock on the wall has reached HH:MM. On a night that skips HH:MM this is the end of the gap; on one
 * that has it twice, the first of the two.
 */
import type { UpdateMode } from "../core/update-mode.ts";

export type TimeOfDay = Extract<UpdateMode, { kind: "at" }>;

const MINUTE_MS = 60_000;
const DAY_MINUTES = 24 * 60;
/** Two days are enough for any zone; the third covers a date that a zone has left out. */
const DAYS_AHEAD = 3;

/** The moment of `time` on the local day that is `days` after the one of `fromMs`. */
function momentOfDay(fromMs: number, days: number, time: TimeOfDay): number {
  const day = new Date(fromMs);
  // Of a time that comes twice, ECMAScript takes the first (ECMA-262, 21.4.1.26).
  const moment = new Date(
    day.getFullYear(),
    day.getMonth(),
    day.getDate() + days,
    time.hour,
    time.minute,
  );
  let ms = moment.getTime();
  if (moment.getHours() === time.hour && moment.getMinutes() === time.minute) return ms;
  // A time that does not come is moved on by the length of the gap; go back to where the gap ends.
  const offset = moment.getTimezoneOffset();
  for (let back = 0; back < DAY_MINUTES; back++) {
    if (new Date(ms - MINUTE_MS).getTimezoneOffset() !== offset) break;
    ms -= MINUTE_MS;
  }
  return ms;
}

/** The first moment of `time` that is after `afterMs`. Unix milliseconds. */
export function nextRunMs(afterMs: number, time: TimeOfDay): number {
  for (let days = 0; days < DAYS_AHEAD; days++) {
    const moment = momentOfDay(afterMs, days, time);
    if (moment > afterMs) return moment;
  }
  // Not reached: of three days in a row one is always ahead. A day later is a safe answer.
  return afterMs + DAY_MINUTES * MINUTE_MS;
}

/** Longest wait between two looks at the wall clock: it may be set, and the host may sleep. */
const LOOK_MAX_MS = 15_000;

/**
 * Watches the wall clock for the moment. A run is due when a moment lies between the last look and this
 * one, so a host that slept through it runs once on waking up, and a change of zone is seen.
 */
export class DailyMoment {
  readonly #time: TimeOfDay;
  #lookedMs: number;

  constructor(time: TimeOfDay, nowMs: number) {
    this.#time = time;
    this.#lookedMs = nowMs;
  }

  isDue(nowMs: number): boolean {
    const isDue = nextRunMs(this.#lookedMs, this.#time) <= nowMs;
    this.#lookedMs = nowMs;
    return isDue;
  }

  /** How long to wait before the next look. */
  waitMs(nowMs: number): number {
    return Math.max(1, Math.min(LOOK_MAX_MS, nextRunMs(nowMs, this.#time) - nowMs));
  }
}
