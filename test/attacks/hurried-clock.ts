/** A clock whose seconds get longer and shorter while it runs, so that an hour of waiting is a minute of ours. */
import { readFileSync } from "node:fs";
import type { Clock } from "../../src/core/clock.ts";

const LOOK_EVERY_MS = 20;

/** How many seconds pass in one of ours stands in the file. The time of day is the real one. */
export function hurriedClock(speedPath: string): Clock {
  let speed = 1;
  let seenMs = performance.now();
  let passedMs = 0;
  const monotonicMs = (): number => {
    const nowMs = performance.now();
    passedMs += (nowMs - seenMs) * speed;
    seenMs = nowMs;
    return passedMs;
  };
  setInterval(() => {
    monotonicMs();
    speed = Number(readFileSync(speedPath, "utf8")) || speed;
  }, LOOK_EVERY_MS).unref();
  return {
    nowMs: () => Date.now(),
    monotonicMs,
    after(delayMs, callback) {
      const atMs = monotonicMs() + delayMs;
      let timer: ReturnType<typeof setTimeout>;
      const wait = (): void => {
        const leftMs = atMs - monotonicMs();
        if (leftMs <= 0) return callback();
        timer = setTimeout(wait, Math.min(leftMs / speed, LOOK_EVERY_MS));
        timer.unref();
      };
      timer = setTimeout(wait, Math.min(delayMs / speed, LOOK_EVERY_MS));
      timer.unref();
      return () => clearTimeout(timer);
    },
  };
}
