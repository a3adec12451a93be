import { expect, test } from "bun:test";
import { parseUpdateMode, updateModeText } from "../../src/core/update-mode.ts";

test.each(["now", "on-restart", "manual", "background", "at 00:00", "at 03:30", "at 23:59"])(
  "reads and writes %s",
  (text) => {
    expect(updateModeText(parseUpdateMode(text))).toBe(text);
  },
);

test("reads the time", () => {
  expect(parseUpdateMode("at 03:30")).toEqual({ kind: "at", hour: 3, minute: 30 });
});

test.each([
  "",
  "Now",
  "now ",
  "at",
  "at 24:00",
  "at 3:30",
  "at 03:60",
  "at 03:30:00",
  "at  03:30",
  "never",
])("refuses %j", (text) => {
  expect(() => parseUpdateMode(text)).toThrow("update mode");
});
