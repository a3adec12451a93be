import { describe, expect, test } from "bun:test";
import { concat, u16le } from "../../src/core/bytes.ts";
import { generateSeed } from "../../src/core/keys.ts";
import { NOTES_MAX_BYTES } from "../../src/core/limits.ts";
import type { ReleaseRecord } from "../../src/core/release-record.ts";
import { compress } from "../../src/content/zstd.ts";
import { encodeExtension, type Extension } from "../../src/exe/extension.ts";
import { decodeRegion } from "../../src/exe/full-region.ts";
import { encodeNotes, notesIn } from "../../src/exe/notes.ts";
import { makeRelease, noise } from "../helpers/release.ts";

const seed = generateSeed();

function signed(notes: string): { extension: Extension; record: ReleaseRecord } {
  const release = makeRelease(seed, { version: "1.0.0", blocks: 1, notes });
  const { extension } = decodeRegion(release.region);
  if (extension === undefined) throw new Error("no extension");
  return { extension, record: release.record.record };
}

const TEXT = "Grüße!\n\t- quicker\n- \u{1f680}";
const refused = (text: string) => () => encodeNotes(text);

test("come back as they were written, from the region and under the record's digest", () => {
  const { extension, record } = signed(TEXT);
  expect(notesIn(extension, record)).toBe(TEXT);
  expect(notesIn(signed("a\r\nb\n").extension, signed("a\nb").record)).toBe("a\nb");
});

test("are nothing when the record names others or none, or the region has none", () => {
  const { extension, record } = signed(TEXT);
  expect(notesIn(extension, signed("others").record)).toBeUndefined();
  expect(notesIn(extension, { ...record, x: {} })).toBeUndefined();
  expect(notesIn({ ...extension, notes: undefined }, record)).toBeUndefined();
});

test("are refused when a terminal or a browser would act on them", () => {
  for (const character of [
    "\u001b",
    "\u0007",
    "\u0000",
    "\r",
    "\u009b",
    "\u007f",
    "\u202e",
    "\u2066",
    "\u2028",
    "\ud800",
  ]) {
    expect(refused(`a${character}b`)).toThrow("control characters");
  }
  expect(refused("a\tb\nc")).not.toThrow();
});

test("have a limit as text, and another one as what the region holds", () => {
  const words = "many words that are easily compressed ".repeat(200).slice(0, NOTES_MAX_BYTES - 1);
  expect(notesIn(signed(words).extension, signed(words).record)).toBe(words.trim());
  expect(refused("x".repeat(NOTES_MAX_BYTES + 1))).toThrow("they have 4097 bytes");
  expect(refused(" \n")).toThrow("empty");
  // Letters without any order, which do not compress.
  const dense = Array.from(noise(NOTES_MAX_BYTES, 5), (byte) => 33 + (byte % 94));
  const { coded: notes } = encodeNotes(String.fromCharCode(...dense));
  const { extension } = signed("short");
  const bootstrap = Array.from({ length: 16 }, () => `${"h".repeat(74)}:49737`);
  expect(() => encodeExtension({ ...extension, notes })).not.toThrow();
  expect(() => encodeExtension({ ...extension, bootstrap, notes })).toThrow(
    /the release notes do not fit into the region, by \d+ bytes/,
  );
  expect(() => encodeExtension({ ...extension, bootstrap })).not.toThrow();
});

describe("coded by somebody else", () => {
  const { extension, record } = signed(TEXT);
  const bytes = new TextEncoder().encode(TEXT);
  const coded = (sizeBytes: number, frame: Uint8Array): Extension => ({
    ...extension,
    notes: concat(u16le(sizeBytes), frame),
  });

  test("are not decoded beyond what they say, or beyond the limit", () => {
    expect(notesIn(coded(bytes.length, compress(bytes)), record)).toBe(TEXT);
    const bomb = new Uint8Array(100_000_000);
    expect(notesIn(coded(bytes.length, compress(bomb)), record)).toBeUndefined();
    expect(notesIn(coded(0xffff, compress(bomb.subarray(0, 0xffff))), record)).toBeUndefined();
    expect(notesIn(coded(bytes.length, bytes), record)).toBeUndefined();
    expect(notesIn({ ...extension, notes: new Uint8Array(1) }, record)).toBeUndefined();
  });

  test("and signed with characters that act are not shown", () => {
    const evil = new TextEncoder().encode("a\u001b[2Jb");
    const digest = new Bun.CryptoHasher("sha256").update(evil).digest().subarray(0, 16);
    const own = { ...record, x: { notes: new Uint8Array(digest) } };
    expect(notesIn(coded(evil.length, compress(evil)), own)).toBeUndefined();
    const text = new TextEncoder().encode("a[2Jb");
    const harmless = new Bun.CryptoHasher("sha256").update(text).digest().subarray(0, 16);
    const honest = { ...record, x: { notes: new Uint8Array(harmless) } };
    expect(notesIn(coded(text.length, compress(text)), honest)).toBe("a[2Jb");
  });
});
