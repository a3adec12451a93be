import { afterEach, describe, expect, test } from "bun:test";
import { DailyMoment, nextRunMs, type TimeOfDay } from "../../src/update/schedule.ts";

const HOUR_MS = 3_600_000;
const zoneBefore = process.env["TZ"];

afterEach(() => {
  process.env["TZ"] = zoneBefore ?? "UTC";
});

const at = (hour: number, minute: number): TimeOfDay => ({ kind: "at", hour, minute });
const iso = (ms: number): string => new Date(ms).toISOString();

/** Runs a day's clock in steps and returns when it was due. */
function runsOf(time: TimeOfDay, fromMs: number, hours: number, stepMs: number): string[] {
  const moment = new DailyMoment(time, fromMs);
  const runs: string[] = [];
  for (let ms = fromMs; ms <= fromMs + hours * HOUR_MS; ms += stepMs) {
    if (moment.isDue(ms)) runs.push(iso(ms));
  }
  return runs;
}

describe("in one zone", () => {
  test("is today when the time is still to come, else tomorrow", () => {
    process.env["TZ"] = "UTC";
    const noon = Date.UTC(2026, 4, 1, 12);
    expect(iso(nextRunMs(noon, at(12, 1)))).toBe("2026-05-01T12:01:00.000Z");
    expect(iso(nextRunMs(noon, at(12, 0)))).toBe("2026-05-02T12:00:00.000Z");
    expect(iso(nextRunMs(noon - 1, at(12, 0)))).toBe("2026-05-01T12:00:00.000Z");
  });

  test.each([
    [0, 0, "2027-01-01T00:00:00.000Z"],
    [23, 59, "2026-12-31T23:59:00.000Z"],
  ])("crosses midnight and the year for %i:%i (G4)", (hour, minute, expected) => {
    process.env["TZ"] = "UTC";
    expect(iso(nextRunMs(Date.UTC(2026, 11, 31, 12), at(hour, minute)))).toBe(expected);
  });

  test.each([
    [0, 0],
    [23, 59],
  ])("runs once a day at %i:%i (G4)", (hour, minute) => {
    process.env["TZ"] = "UTC";
    expect(runsOf(at(hour, minute), Date.UTC(2026, 4, 1, 12), 72, 15_000)).toHaveLength(3);
  });
});

describe("when clocks change (G3)", () => {
  test("a time that is skipped is due when the gap ends", () => {
    process.env["TZ"] = "America/New_York";
    // 2026-03-08: 02:00 EST is 03:00 EDT, 07:00 UTC.
    expect(iso(nextRunMs(Date.UTC(2026, 2, 8, 5), at(2, 30)))).toBe("2026-03-08T07:00:00.000Z");
    expect(runsOf(at(2, 30), Date.UTC(2026, 2, 8, 5), 24, 15_000)).toEqual([
      "2026-03-08T07:00:00.000Z",
    ]);
  });

  test("a midnight that is skipped is due when the gap ends", () => {
    process.env["TZ"] = "America/Santiago";
    // 2026-09-06: 00:00 -04 is 01:00 -03, 04:00 UTC.
    expect(iso(nextRunMs(Date.UTC(2026, 8, 6, 0), at(0, 0)))).toBe("2026-09-06T04:00:00.000Z");
  });

  test("a time that comes twice is due the first time only", () => {
    process.env["TZ"] = "America/New_York";
    // 2026-11-01: 01:30 EDT is 05:30 UTC, 01:30 EST is 06:30 UTC.
    expect(iso(nextRunMs(Date.UTC(2026, 10, 1, 4), at(1, 30)))).toBe("2026-11-01T05:30:00.000Z");
    expect(runsOf(at(1, 30), Date.UTC(2026, 10, 1, 4), 24, 15_000)).toEqual([
      "2026-11-01T05:30:00.000Z",
    ]);
  });

  test("half an hour is a change as well", () => {
    process.env["TZ"] = "Australia/Lord_Howe";
    // 2026-10-04: 02:00 +10:30 is 02:30 +11, 15:30 UTC of the day before.
    expect(iso(nextRunMs(Date.UTC(2026, 9, 3, 12), at(2, 15)))).toBe("2026-10-03T15:30:00.000Z");
  });

  test("a day that a zone left out is not waited for", () => {
    process.env["TZ"] = "Pacific/Apia";
    // There was no 2011-12-30 in Samoa.
    expect(iso(nextRunMs(Date.UTC(2011, 11, 30, 9, 59), at(12, 0)))).toBe(
      "2011-12-30T22:00:00.000Z",
    );
  });

  test("a change of zone while waiting counts from then on", () => {
    process.env["TZ"] = "UTC";
    const start = Date.UTC(2026, 4, 1, 10);
    const moment = new DailyMoment(at(12, 0), start);
    process.env["TZ"] = "Asia/Tokyo"; // 19:00 there
    expect(moment.isDue(start + 2 * HOUR_MS)).toBe(false);
    // 12:00 in Tokyo is 03:00 UTC.
    expect(moment.isDue(Date.UTC(2026, 4, 2, 3))).toBe(true);
  });
});

describe("when the wall clock is not looked at all the time", () => {
  test("a host that slept through it runs once on waking up", () => {
    process.env["TZ"] = "UTC";
    const moment = new DailyMoment(at(3, 0), Date.UTC(2026, 4, 1, 22));
    const wakeMs = Date.UTC(2026, 4, 4, 9);
    expect(moment.isDue(wakeMs)).toBe(true);
    expect(moment.isDue(wakeMs + 15_000)).toBe(false);
  });

  test("a clock that is set back past it does not run it twice", () => {
    process.env["TZ"] = "UTC";
    const dueMs = Date.UTC(2026, 4, 1, 3);
    const moment = new DailyMoment(at(3, 0), dueMs - 1_000);
    expect(moment.isDue(dueMs)).toBe(true);
    expect(moment.isDue(dueMs - 5_000)).toBe(false);
    expect(moment.isDue(dueMs - 1)).toBe(false);
  });

  test("never waits long without a look, and wakes up in time for it", () => {
    process.env["TZ"] = "UTC";
    const moment = new DailyMoment(at(3, 0), 0);
    expect(moment.waitMs(Date.UTC(2026, 4, 1, 22))).toBe(15_000);
    expect(moment.waitMs(Date.UTC(2026, 4, 1, 2, 59, 58))).toBe(2_000);
  });
});

test("agrees with a search of every minute, in zones of every kind", () => {
  const zones = ["UTC", "America/New_York", "Europe/Berlin", "Asia/Kathmandu", "America/Santiago"];
  const starts = [Date.UTC(2026, 2, 7, 20), Date.UTC(2026, 2, 28, 20), Date.UTC(2026, 9, 24, 20)];
  for (const zone of zones) {
    process.env["TZ"] = zone;
    for (const start of starts) {
      for (const [hour, minute] of [
        [0, 0],
        [1, 30],
        [2, 30],
        [12, 0],
        [23, 59],
      ] as const) {
        const found = nextRunMs(start, at(hour, minute));
        expect([zone, iso(start), hour, minute, iso(found)]).toEqual([
          zone,
          iso(start),
          hour,
          minute,
          iso(searched(start, hour, minute)),
        ]);
      }
    }
  }
});

/** The first minute after `start` at which a day's clock has reached the time for the first time. */
function searched(start: number, hour: number, minute: number): number {
  const reached = (ms: number): boolean => {
    const date = new Date(ms);
    return date.getHours() * 60 + date.getMinutes() >= hour * 60 + minute;
  };
  const dayOf = (ms: number): string => new Date(ms).toDateString();
  const done = new Set<string>();
  // From the midnight before, so that a day whose moment is past counts as done.
  const first = start - 30 * HOUR_MS;
  for (let ms = first; ms < start + 60 * HOUR_MS; ms += 60_000) {
    if (!reached(ms) || done.has(dayOf(ms))) continue;
    done.add(dayOf(ms));
    if (ms > start && dayOf(ms) !== dayOf(first)) return ms;
  }
  throw new Error("no such minute");
}
