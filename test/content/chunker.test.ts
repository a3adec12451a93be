import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { chunksOf } from "../../src/content/chunker.ts";
import { concat, equal } from "../../src/core/bytes.ts";
import { CHUNK_MAX_BYTES, CHUNK_MIN_BYTES } from "../../src/core/limits.ts";
import { memorySource, type ByteSource } from "../../src/core/source.ts";
import { noise } from "../helpers/release.ts";
import { prose } from "./streams.ts";

const cut = (bytes: Uint8Array): Uint8Array[] =>
  Array.from(chunksOf(memorySource(bytes)), (chunk) => chunk.bytes.slice());
const sizes = (bytes: Uint8Array): number[] => cut(bytes).map(({ length }) => length);

/** By the definition in the header of chunker.ts: every hash from its 32 bytes, with big integers. */
function slowSizes(bytes: Uint8Array): number[] {
  const low32 = (value: bigint): bigint => BigInt.asUintN(32, value);
  const gears = Array.from({ length: 256 }, (_, byte) => {
    let h = low32(BigInt(byte + 1) * 0x9e37_79b9n);
    h = low32((h ^ (h >> 16n)) * 0x85eb_ca6bn);
    h = low32((h ^ (h >> 13n)) * 0xc2b2_ae35n);
    return h ^ (h >> 16n);
  });
  const out: number[] = [];
  for (let start = 0; start < bytes.length;) {
    let size = Math.min(CHUNK_MIN_BYTES, bytes.length - start);
    const isCut = (): boolean => {
      let h = 0n;
      for (const byte of bytes.subarray(start + size - 32, start + size)) {
        h = low32((h << 1n) + (gears[byte] ?? 0n));
      }
      return h >> (size < 28 * 1024 ? 16n : 19n) === 0n;
    };
    while (start + size < bytes.length && size < CHUNK_MAX_BYTES && !isCut()) size++;
    out.push(size);
    start += size;
  }
  return out;
}

test("golden cuts stay what they are", () => {
  // A change here is a change of what every published record means.
  expect(sizes(noise(200_000, 1))).toEqual([28_698, 46_671, 30_730, 40_894, 29_066, 23_941]);
  expect(sizes(new Uint8Array(200_000))).toEqual([65_536, 65_536, 65_536, 3_392]);
  expect(sizes(new Uint8Array(0))).toEqual([]);
  expect(sizes(Uint8Array.of(1))).toEqual([1]);
});

test("cuts are where the definition says", () => {
  for (const bytes of [noise(200_000, 2), prose(120_000, 3), new Uint8Array(70_000)]) {
    expect(sizes(bytes)).toEqual(slowSizes(bytes));
  }
});

test("chunks cover the stream once, in order, within their limits", () => {
  const bytes = noise(2_500_000, 4);
  const chunks = cut(bytes);
  expect(equal(concat(...chunks), bytes)).toBe(true);
  for (const { length } of chunks.slice(0, -1)) {
    expect(length).toBeGreaterThanOrEqual(CHUNK_MIN_BYTES);
    expect(length).toBeLessThanOrEqual(CHUNK_MAX_BYTES);
  }
  const average = bytes.length / chunks.length;
  expect(average).toBeGreaterThan(28_000);
  expect(average).toBeLessThan(40_000);
});

test("what the source's buffer holds between two chunks makes no difference", () => {
  const bytes = noise(2_500_000, 5);
  const shared = new Uint8Array(1024 * 1024);
  const source: ByteSource = {
    sizeBytes: bytes.length,
    read(offset, sizeBytes) {
      shared.set(bytes.subarray(offset, offset + sizeBytes));
      return shared.subarray(0, sizeBytes);
    },
  };
  const chunks: Uint8Array[] = [];
  for (const { bytes: chunk } of chunksOf(source)) {
    chunks.push(chunk.slice());
    shared.fill(0);
  }
  expect(equal(concat(...chunks), bytes)).toBe(true);
});

test("an edit moves the cuts around it and no others", () => {
  const bytes = noise(2_000_000, 6);
  const before = new Set(cut(bytes).map((chunk) => chunk.toHex()));
  fc.assert(
    fc.property(
      fc.nat({ max: 1_999_999 }),
      fc.nat({ max: 5_000 }),
      fc.uint8Array({ maxLength: 5_000 }),
      (at, removed, inserted) => {
        const other = concat(bytes.subarray(0, at), inserted, bytes.subarray(at + removed));
        const fresh = cut(other).filter((chunk) => !before.has(chunk.toHex()));
        // Of about sixty. Cuts find each other again after some chunks.
        expect(fresh.length).toBeLessThan(16);
      },
    ),
    { numRuns: 25 },
  );
});
