import { describe, expect, test } from "bun:test";
import { concat } from "../../src/core/bytes.ts";
import { memorySource, type ByteSource } from "../../src/core/source.ts";
import { EXECUTABLE_MAX_BYTES } from "../../src/core/limits.ts";
import { findMarkers, findRegion } from "../../src/exe/find-region.ts";
import { blankRegion } from "../../src/exe/full-region.ts";
import {
  CORE_BYTES,
  encodeCore,
  MARKER,
  REGION_BYTES,
  unsignedCore,
} from "../../src/exe/region.ts";

const region = blankRegion();
const core = encodeCore(unsignedCore(undefined));
const padding = (sizeBytes: number): Uint8Array => new Uint8Array(sizeBytes).fill(0x17);
const find = (...parts: Uint8Array[]): ReturnType<typeof findRegion> =>
  findRegion(memorySource(concat(...parts)));

describe("finds the one region", () => {
  test.each([0, 1, 27, 28, 1024 * 1024 - 14, 1024 * 1024 - 148, 1024 * 1024, 3_000_000])(
    "at offset %d, also across the pieces it reads",
    (offset) => {
      expect(find(padding(offset), region, padding(50))).toEqual({
        offset,
        kind: "full",
        sizeBytes: REGION_BYTES,
      });
      expect(find(padding(offset), core, padding(50))).toEqual({
        offset,
        kind: "core",
        sizeBytes: CORE_BYTES,
      });
    },
  );

  test("as the last bytes of the file", () => {
    expect(find(padding(9), region).offset).toBe(9);
    expect(find(padding(9), core).kind).toBe("core");
  });
});

describe("refuses", () => {
  test.each([0, 1, 27, 175, 5000])("%d bytes without a region (A1, A11)", (sizeBytes) => {
    expect(() => find(padding(sizeBytes))).toThrow("no signature region");
  });

  test("two regions, and names their offsets (A2)", () => {
    expect(() => find(padding(10), region, padding(10), region)).toThrow("10, 158, 4116, 4264");
    expect(() => find(core, core)).toThrow("exactly one");
    expect(() => find(region, core)).toThrow("exactly one");
  });

  test("a marker in the app's own data, before or behind the region (A4)", () => {
    expect(() => find(MARKER, padding(10), region)).toThrow("exactly one");
    expect(() => find(region, padding(10), MARKER)).toThrow("0, 148, 4106");
    expect(() => find(padding(10), region)).not.toThrow();
  });

  test("markers at another distance", () => {
    expect(() => find(MARKER, padding(119), MARKER, padding(5000))).toThrow("exactly one");
    expect(() => find(MARKER, padding(120), MARKER, padding(5000))).not.toThrow();
    expect(() => find(MARKER, padding(121), MARKER, padding(5000))).toThrow("exactly one");
  });

  test("overlapping markers: one that shares its first byte with the end of another (A6)", () => {
    const overlapping = concat(MARKER, MARKER.subarray(1));
    expect(findMarkers(memorySource(overlapping))).toEqual([0, 27]);
    expect(() => find(overlapping, padding(5000))).toThrow("exactly one");
    // Hidden behind a region's own end marker.
    const whole = concat(region.subarray(0, CORE_BYTES), MARKER.subarray(1), region.subarray(203));
    expect(() => find(whole)).toThrow("0, 148, 175");
  });

  test("a file that was cut at any byte of the core (A3)", () => {
    for (let length = 28; length < CORE_BYTES; length++) {
      expect(() => find(padding(3), region.subarray(0, length))).toThrow("cut off");
    }
  });

  test("a file that was cut at any byte of the extension (A3)", () => {
    for (let length = CORE_BYTES + 1; length < REGION_BYTES; length++) {
      expect(() => find(padding(3), region.subarray(0, length))).toThrow("ends inside");
    }
    expect(() => find(padding(3), region)).not.toThrow();
  });

  test("a file above the limit before it reads a byte", () => {
    const huge: ByteSource = {
      sizeBytes: EXECUTABLE_MAX_BYTES + 1,
      read: () => {
        throw new Error("read");
      },
    };
    expect(() => findRegion(huge)).toThrow("larger than any executable");
  });
});

test("a file full of markers costs no memory for each", () => {
  const many = concat(...Array.from({ length: 5_000 }, () => MARKER));
  expect(findMarkers(memorySource(many)).length).toBeLessThanOrEqual(16);
});
