import { describe, expect, test } from "bun:test";
import { zstdCompressSync } from "node:zlib";
import * as fc from "fast-check";
import {
  CODED_PIECE_MAX_BYTES,
  decodePiece,
  decodePieceElsewhere,
  encodePiece,
  padPiece,
} from "../../src/content/piece.ts";
import { encodeAgainstSketch, sketchOf } from "../../src/content/sketch.ts";
import { decompress, decompressElsewhere } from "../../src/content/zstd.ts";
import { concat, equal } from "../../src/core/bytes.ts";
import { memorySource } from "../../src/core/source.ts";
import { noise } from "../helpers/release.ts";
import { edited, prose, type Edit } from "./streams.ts";

describe("a piece on the wire", () => {
  const [text, random] = [prose(65_536, 1), noise(65_536, 1)];

  test("takes the shortest form, never more than a byte above what it is", () => {
    expect(encodePiece(text)[0]).toBe(1);
    expect(encodePiece(random)[0]).toBe(0);
    expect(encodePiece(random).length).toBe(65_537);
    expect(encodePiece(text, new Uint8Array(10))[0]).toBe(2);
    expect(encodePiece(text, random)[0]).toBe(1);
    for (const piece of [text, random]) {
      expect(decodePiece(encodePiece(piece), piece.length, undefined)).toEqual(piece);
    }
  });

  test("is asked for in smaller ones when it does not fit, and only then", () => {
    const large = noise(200_000, 1);
    expect(encodePiece(large)).toEqual(Uint8Array.of(3));
    expect(encodePiece(large, large)).toEqual(Uint8Array.of(3));
    expect(encodePiece(large, new Uint8Array(60_000))[0]).toBe(2);
    expect(decodePiece(Uint8Array.of(3), 200_000, undefined)).toBeUndefined();
    for (const [coded, size] of [
      [Uint8Array.of(3), 65_536],
      [Uint8Array.of(3, 0), 200_000],
      [Uint8Array.of(4), 1],
      [new Uint8Array(0), 1],
      [Uint8Array.of(0, 1), 2],
      // Differences to nothing.
      [Uint8Array.of(2, 0, 0, 0, 0, 0, 0), 0],
    ] as const) {
      expect(() => decodePiece(coded, size, undefined)).toThrow("cannot be read");
    }
  });
});

describe("a padded piece", () => {
  test("makes a message as long as a multiple of 8 and is the same piece, also in the tenth hands", () => {
    for (const sizeBytes of [120_000, 120_001, 150_000, 170_003]) {
      const piece = prose(sizeBytes, sizeBytes);
      let coded = encodePiece(piece);
      expect(coded.length).toBeGreaterThan(32 * 1024);
      const plainBytes = coded.length;
      for (let headBytes = 6; headBytes < 16; headBytes++) {
        const padded = concat(...padPiece(coded, headBytes));
        expect((padded.length + headBytes) % 8).toBe(0);
        expect(padded.length - coded.length).toBeLessThanOrEqual(21);
        expect(equal(decodePiece(padded, sizeBytes, undefined) ?? new Uint8Array(0), piece)).toBe(
          true,
        );
        coded = padded;
      }
      // Who passes it on behind a head of the same length adds nothing.
      const parts = padPiece(coded, 15);
      expect(parts.length).toBe(1);
      expect(parts[0]).toBe(coded);
      expect(coded.length - plainBytes).toBeLessThanOrEqual(10 * 21);
    }
  });

  test("stays as it is when it is small, not compressed, or would be too long for an answer", () => {
    for (const coded of [encodePiece(prose(20_000, 1)), encodePiece(noise(60_000, 1))]) {
      for (let headBytes = 6; headBytes < 14; headBytes++) {
        const parts = padPiece(coded, headBytes);
        expect(parts.length).toBe(1);
        expect(parts[0]).toBe(coded);
      }
    }
    const full = concat(encodePiece(prose(65_536, 1)), new Uint8Array(CODED_PIECE_MAX_BYTES)).slice(
      0,
      CODED_PIECE_MAX_BYTES,
    );
    for (let headBytes = 6; headBytes < 14; headBytes++) {
      expect(padPiece(full, headBytes)).toEqual([full]);
    }
  });
});

describe("a piece inflated elsewhere", () => {
  const piece = prose(200_000, 3);
  const coded = encodePiece(piece);

  test("is what it is here; what is small or is no frame of zstd is left to this thread", async () => {
    expect(equal((await decodePieceElsewhere(coded, piece.length)) ?? coded, piece)).toBe(true);
    const [small, random] = [prose(60_000, 1), noise(65_536, 1)];
    expect(decodePieceElsewhere(encodePiece(small), small.length)).toBeUndefined();
    expect(decodePieceElsewhere(encodePiece(random), random.length)).toBeUndefined();
    expect(decodePieceElsewhere(Uint8Array.of(3), 200_000)).toBeUndefined();
  });

  test("is refused as it is here: cut off, followed by another, of another size, changed", async () => {
    const frame = coded.subarray(1);
    const refused = { code: "DELTA_INVALID", blame: "peer" };
    const outcome = (bytes: Uint8Array, sizeBytes = piece.length): Promise<unknown> =>
      decompressElsewhere(bytes, sizeBytes).catch((error: unknown) => error);
    for (const bytes of [new Uint8Array(0), frame.subarray(0, 8), frame.subarray(0, -1)]) {
      expect(await outcome(bytes)).toMatchObject(refused);
    }
    expect(await outcome(concat(frame, frame))).toMatchObject(refused);
    for (const sizeBytes of [piece.length - 1, piece.length + 1, 0xf000_0000]) {
      expect(await outcome(frame, sizeBytes)).toMatchObject(refused);
    }
    // A block of one byte repeated, twice as often as the header says.
    const bomb = Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0xa0, 0, 0, 1, 0, 3, 0, 0x10, 7);
    expect(await outcome(bomb, 65_536)).toMatchObject(refused);
    const changed = frame.slice();
    changed.fill(0xff, 9, 40);
    expect(await outcome(changed)).toMatchObject(refused);
  });
});

describe("a zstd frame", () => {
  const bytes = prose(5_000, 1);
  const frame = new Uint8Array(zstdCompressSync(bytes));
  const refused = expect.objectContaining({ code: "DELTA_INVALID" });

  test("is decoded when it says its size", () => {
    expect(equal(decompress(frame, bytes.length), bytes)).toBe(true);
  });

  test("is refused when cut off, followed by another one, or of another size", () => {
    for (let size = 0; size < frame.length; size++) {
      expect(() => decompress(frame.subarray(0, size), bytes.length)).toThrow(refused);
    }
    expect(() => decompress(concat(frame, frame), bytes.length)).toThrow(refused);
    const skippable = Uint8Array.of(0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0);
    expect(() => decompress(concat(frame, skippable), bytes.length)).toThrow(refused);
    for (const size of [0, bytes.length - 1, bytes.length + 1]) {
      expect(() => decompress(frame, size)).toThrow(refused);
    }
  });

  test("is not decoded when frames of other sizes follow, as a bomb of thousands would", () => {
    // A block of one byte repeated 131,072 times: 13 bytes that become 128 KiB, 10,000 times in one answer.
    const bomb = Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0xa0, 0, 0, 2, 0, 3, 0, 0x10, 7);
    expect(decompress(bomb, 131_072).every((byte) => byte === 7)).toBe(true);
    const before = process.memoryUsage().rss;
    const many = concat(...Array.from({ length: 10_000 }, () => bomb));
    expect(() => decompress(many, 131_072)).toThrow("something behind it");
    expect(process.memoryUsage().rss - before).toBeLessThan(64 * 1024 * 1024);
  });

  test("is not decompressed when it says another size than was asked for", () => {
    // A block of one byte repeated, as below, and as large as the header of a frame can say.
    const frameOf = (sizeBytes: number): Uint8Array => {
      const out = Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0xa0, 0, 0, 0, 0, 3, 0, 0x10, 7);
      new DataView(out.buffer).setUint32(5, sizeBytes, true);
      return out;
    };
    expect(decompress(frameOf(131_072), 131_072).length).toBe(131_072);
    const bomb = concat(Uint8Array.of(1), frameOf(0xf000_0000));
    // Refused by what it says, not by what has come out.
    expect(() => decodePiece(bomb, 65_536, undefined)).toThrow("would have another length");
  });

  test("is refused when it has a window, a checksum or a dictionary instead", () => {
    // A window descriptor may ask for 128 MiB of memory to decode ten bytes.
    for (const descriptor of [0x00, 0x40, 0x64, 0x61, 0x68]) {
      const other = frame.slice();
      other[4] = descriptor;
      expect(() => decompress(other, bytes.length)).toThrow("of the form that is agreed on");
    }
    const skippable = frame.slice();
    skippable.set([0x50, 0x2a, 0x4d, 0x18]);
    expect(() => decompress(skippable, bytes.length)).toThrow("of the form that is agreed on");
  });
});

describe("a sketch", () => {
  const old = prose(100_000, 1);

  test.each(["fine", "coarse"] as const)(
    "is enough for a provider that never had the old bytes: %s",
    (grain) => {
      const edit: fc.Arbitrary<Edit> = fc.record({
        at: fc.double({ min: 0, max: 1, noNaN: true }),
        removed: fc.nat(3_000),
        inserted: fc.uint8Array({ maxLength: 3_000 }),
      });
      fc.assert(
        fc.property(fc.array(edit, { maxLength: 3 }), (edits) => {
          const next = edited(old, edits).slice(0, 65_536);
          const coded = encodePiece(next, encodeAgainstSketch(next, sketchOf(old, grain)));
          const decoded = decodePiece(coded, next.length, memorySource(old));
          expect(decoded !== undefined && equal(decoded, next)).toBe(true);
        }),
        { numRuns: 25 },
      );
    },
  );

  test("takes 5 bytes for a block, and what is then sent is around the edit alone", () => {
    const change = { at: 0.5, removed: 20, inserted: prose(50, 9) };
    const next = edited(old.subarray(0, 60_000), [change]);
    const [coarse, fine] = [sketchOf(old, "coarse"), sketchOf(old, "fine")];
    expect(coarse.length).toBe(1 + 5 * 195);
    expect(fine.length).toBe(1 + 5 * 781);
    expect(encodeAgainstSketch(next, coarse).length).toBeLessThan(600);
    expect(encodeAgainstSketch(next, fine).length).toBeLessThan(200);
  });

  test("golden bytes stay what they are", () => {
    const bytes = noise(1_100, 3);
    expect(sketchOf(bytes, "coarse").toHex()).toBe("098279b23c0439821bb411");
    expect(sketchOf(bytes.subarray(0, 300), "fine").toHex()).toBe("07f8a62100678837246071");
  });

  test("of a broken length, or of blocks of another size, is refused", () => {
    const sketch = sketchOf(old, "coarse");
    const refuses = (bytes: Uint8Array): void =>
      expect(() => encodeAgainstSketch(new Uint8Array(1_000), bytes)).toThrow("sketch");
    refuses(sketch.subarray(0, -1));
    refuses(new Uint8Array(0));
    for (let log2 = 0; log2 < 256; log2++) {
      if (log2 === 7 || log2 === 9) continue;
      refuses(concat(Uint8Array.of(log2), sketch.subarray(1)));
    }
  });
});
