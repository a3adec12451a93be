import { describe, expect, test } from "bun:test";
import { zstdCompressSync } from "node:zlib";
import * as fc from "fast-check";
import { DeltaIndex } from "../../src/content/delta-index.ts";
import { applyDelta, encodeDelta } from "../../src/content/delta.ts";
import { concat, equal, toHex } from "../../src/core/bytes.ts";
import { memorySource } from "../../src/core/source.ts";
import { noise } from "../helpers/release.ts";
import { edited, machineCode, prose, type Edit } from "./streams.ts";

function indexOf(old: Uint8Array): DeltaIndex {
  const steps = DeltaIndex.inSlices(memorySource(old));
  let step = steps.next();
  while (step.done !== true) step = steps.next();
  return step.value;
}

const PIECE_BYTES = 128 * 1024;

/** Applies `next` piece by piece, and says what its deltas take. */
function transfer(old: Uint8Array, next: Uint8Array): number {
  const index = indexOf(old);
  let sizeBytes = 0;
  for (let at = 0; at < next.length; at += PIECE_BYTES) {
    const piece = next.subarray(at, at + PIECE_BYTES);
    const delta = index.encode(piece);
    sizeBytes += delta.length;
    expect(equal(applyDelta(delta, memorySource(old), piece.length), piece)).toBe(true);
  }
  return sizeBytes;
}

const refused = expect.objectContaining({
  code: expect.stringMatching(/^(DELTA_INVALID|TRUNCATED|TRAILING_BYTES)$/),
});

describe("a delta", () => {
  test("of arbitrary edits gives the new bytes", () => {
    const old = prose(300_000, 1);
    const edit: fc.Arbitrary<Edit> = fc.record({
      at: fc.double({ min: 0, max: 1, noNaN: true }),
      removed: fc.nat(5_000),
      inserted: fc.uint8Array({ maxLength: 5_000 }),
    });
    fc.assert(
      fc.property(fc.array(edit, { maxLength: 8 }), (edits) => {
        transfer(old, edited(old, edits));
      }),
      { numRuns: 25 },
    );
  });

  test("of unrelated, empty, repeated and moved bytes gives the new bytes", () => {
    const some = noise(200_000, 1);
    for (const [old, next] of [
      [some, noise(200_000, 2)],
      [new Uint8Array(0), some],
      [some, new Uint8Array(0)],
      [new Uint8Array(300_000), new Uint8Array(200_000)],
      [some, concat(some.subarray(100_000), some.subarray(0, 100_000), some)],
      [some, some.subarray(0, 31)],
      [some.subarray(0, 33), some.subarray(1, 34)],
    ] as const) {
      transfer(old, next);
    }
  });

  test("of a small change is small, wherever everything has moved to", () => {
    const old = noise(1_000_000, 3);
    const next = concat(noise(777, 4), old.subarray(500_000), old.subarray(0, 500_000));
    expect(transfer(old, next)).toBeLessThan(777 + 600);
  });

  test("of code whose addresses have changed is less than one byte for each of them", () => {
    // 25,000 addresses, of which two or three bytes have changed.
    expect(transfer(machineCode(1_000_000, 0), machineCode(1_000_000, 0x1230))).toBeLessThan(
      25_000,
    );
  });

  test("golden bytes stay what they are", () => {
    const old = new TextEncoder().encode("The quick brown fox jumps over the lazy dog.");
    const next = new TextEncoder().encode("A quick brown fix jumps over the lazy dogs");
    const delta = encodeDelta(next, [{ at: 1, from: 3, sizeBytes: 40 }], ({ from, sizeBytes }) =>
      old.subarray(from, from + sizeBytes),
    );
    // Sections as they are: size, 0, bytes. 1 copy: 1 new byte before it, 40 bytes, zigzag(3) = 6; then 14
    // equal bytes, 1 changed, 25 equal. The change is i − o. New are "A" and "s".
    expect(toHex(delta)).toBe(["0800", "010128060e011900", "0100", "fa", "0200", "4173"].join(""));
    expect(applyDelta(delta, memorySource(old), next.length)).toEqual(next);
  });
});

describe("a foreign delta", () => {
  const old = prose(100_000, 1);
  const next = edited(old, [{ at: 0.5, removed: 100, inserted: noise(600, 1) }]);
  const delta = indexOf(old).encode(next);
  const apply = (bytes: Uint8Array, sizeBytes = next.length): Uint8Array =>
    applyDelta(bytes, memorySource(old), sizeBytes);

  test("is refused at every truncation, with a byte more, and for another size", () => {
    expect(equal(apply(delta), next)).toBe(true);
    for (let size = 0; size < delta.length; size++) {
      expect(() => apply(delta.subarray(0, size))).toThrow(refused);
    }
    expect(() => apply(concat(delta, Uint8Array.of(0)))).toThrow(refused);
    for (const size of [0, 1, next.length - 1, next.length + 1]) {
      expect(() => apply(delta, size)).toThrow(refused);
    }
  });

  test("with a flipped bit is refused, or gives other bytes of the right length", () => {
    for (let bit = 0; bit < delta.length * 8; bit++) {
      const flipped = delta.slice();
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      try {
        expect(apply(flipped).length).toBe(next.length);
      } catch (error) {
        expect(error).toEqual(refused);
      }
    }
  });

  test("cannot copy from outside of the old stream, nothing, or more than there is room for", () => {
    const section = (...bytes: number[]): number[] => [bytes.length, 0, ...bytes];
    const crafted = (...control: number[]): Uint8Array =>
      Uint8Array.from([...section(...control), ...section(), ...section()]);
    // Control: one copy of 5 bytes from offset 0, 5 of them equal.
    expect(apply(crafted(1, 0, 5, 0, 5, 0), 5)).toEqual(old.slice(0, 5));
    expect(() => apply(crafted(1, 0, 5, 1, 5, 0), 5)).toThrow("not there");
    expect(() => apply(crafted(1, 0, 0, 0, 5, 0), 5)).toThrow("not there");
    expect(() => apply(crafted(1, 0, 5, 0xc0, 0x9a, 0x0c, 5, 0), 5)).toThrow("not there");
    for (const control of [
      [1, 0, 6, 0, 6, 0],
      [1, 0, 5, 0xff, 0xff, 0xff, 0xff, 0x0f, 5, 0],
      [6],
      [1, 0, 5, 0, 4, 2],
      [1, 0, 5, 0, 3, 2],
      [1, 0, 5, 0, 5, 0, 0],
    ]) {
      expect(() => apply(crafted(...control), 5)).toThrow(refused);
    }
  });

  test("is not decompressed when a part claims more than fits, or other than it has", () => {
    const bomb = zstdCompressSync(new Uint8Array(1 << 26));
    const varint = (value: number): number[] =>
      value < 128 ? [value] : [(value % 128) | 128, ...varint(Math.floor(value / 128))];
    const crafted = (sizeBytes: number): Uint8Array =>
      Uint8Array.from([...varint(sizeBytes), ...varint(bomb.length), ...bomb]);
    const before = process.memoryUsage.rss();
    expect(() => apply(crafted(1 << 26))).toThrow("larger than it can be");
    expect(() => apply(crafted(100_000))).toThrow(refused);
    expect(process.memoryUsage.rss() - before).toBeLessThan(32 * 1024 * 1024);
  });
});
