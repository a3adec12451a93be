import { expect, test } from "bun:test";
import { parseUploadRate } from "../../src/core/upload-rate.ts";

test.each([
  ["off", 0],
  ["unlimited", Infinity],
  ["20 KB/s", 20_000],
  ["500KB/s", 500_000],
  ["2 MB/s", 2_000_000],
])("%j is %d bytes per second", (text, bytesPerS) => {
  expect(parseUploadRate(text)).toBe(bytesPerS);
});

test.each(["", "0 KB/s", "19 KB/s", "2", "2 Mbit/s", "2 mb/s", "-1 KB/s", "1e3 KB/s", " 2 MB/s"])(
  "%j is none",
  (text) => {
    expect(() => parseUploadRate(text)).toThrow("is not an upload rate");
  },
);
