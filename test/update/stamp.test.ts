import { expect, test } from "bun:test";
import { isDue } from "../../src/update/stamp.ts";

const NOW_MS = Date.UTC(2026, 5, 1);
const DAY_MS = 86_400_000;

test.each([
  ["a moment ago", NOW_MS - 1, true],
  ["now", NOW_MS, true],
  ["in a moment", NOW_MS + 1, false],
  ["in a day and a half, as far as any look is planned", NOW_MS + 1.5 * DAY_MS, false],
  ["in a year, since the clock was set back", NOW_MS + 365 * DAY_MS, true],
  ["never, since there is no file", Bun.file("/there/is/none").lastModified, true],
])("a look planned for %s", (_when, stampMs, due) => {
  expect(isDue(stampMs, NOW_MS)).toBe(due);
});
