import { describe, expect, test } from "bun:test";
import { Archive, archiveInSlices } from "../../src/content/archive.ts";
import type { Content } from "../../src/content/content.ts";
import { ChunkTable } from "../../src/content/table.ts";
import { concat, equal, toHex } from "../../src/core/bytes.ts";
import { memorySource, type ByteSource } from "../../src/core/source.ts";
import { noise } from "../helpers/release.ts";
import { edited, prose } from "./streams.ts";

const contentOf = (bytes: Uint8Array): Content => {
  const stream = memorySource(bytes);
  return { table: ChunkTable.ofStream(stream), stream };
};

function archived(old: Content, next: Content, maxBytes = 10_000_000): Uint8Array | undefined {
  const steps = archiveInSlices(old, next, maxBytes);
  let step = steps.next();
  while (step.done !== true) step = steps.next();
  return step.value;
}

/** Five versions, the oldest first: each has an edit more. */
const versions = [0, 1, 2, 3, 4].map((version) =>
  edited(
    prose(2_000_000, 1),
    Array.from({ length: version }, (_, i) => ({
      at: (i + 1) / 7,
      removed: 100 * i,
      inserted: prose(300 + i, 10 + i),
    })),
  ),
);
const contents = versions.map(contentOf);
const newest = contents[4] ?? contentOf(noise(1, 1));

/** The archives of all but the newest, the newest first. */
const file = concat(
  ...[3, 2, 1, 0].map((i) => {
    const [old, next] = [contents[i], contents[i + 1]];
    if (old === undefined || next === undefined) throw new Error("no version");
    return archived(old, next) ?? new Uint8Array(0);
  }),
);

/** The archived streams, the newest first, over the newest version. */
function streams(bytes: Uint8Array, over: Content = newest): ByteSource[] {
  let next = (): Content => over;
  return Archive.list(memorySource(bytes)).map((archive) => {
    const { stream, content } = archive.over(next);
    next = content;
    return stream;
  });
}

const all = (stream: ByteSource): Uint8Array => stream.read(0, stream.sizeBytes).slice();

test("every older version is there, through all that came after it, for some kilobytes", () => {
  expect(file.length).toBeLessThan(12_000);
  const old = streams(file);
  expect(old).toHaveLength(4);
  for (const [i, stream] of old.entries()) {
    const wanted = versions[3 - i] ?? noise(1, 1);
    expect(equal(all(stream), wanted)).toBe(true);
    for (let n = 0; n < 200; n++) {
      const offset = (n * 7_919_317) % wanted.length;
      const size = Math.min(wanted.length - offset, (n * 104_729) % 200_000);
      const bytes = stream.read(offset, size);
      expect(equal(bytes, wanted.subarray(offset, offset + size))).toBe(true);
    }
    expect(() => stream.read(wanted.length, 1)).toThrow(RangeError);
  }
});

test("bytes that have nothing in common are kept as they are, in however many pieces", () => {
  const [old, next] = [contentOf(noise(700_000, 1)), contentOf(noise(500_000, 2))];
  const bytes = archived(old, next);
  if (bytes === undefined) throw new Error("no archive");
  expect(bytes.length).toBeLessThan(705_000);
  const [stream] = streams(bytes, next);
  expect(stream && equal(all(stream), noise(700_000, 1))).toBe(true);
});

test("there is none above the limit", () => {
  const [old, next] = [contentOf(noise(700_000, 1)), contentOf(noise(500_000, 2))];
  expect(archived(old, next, 699_000)).toBeUndefined();
});

test("nothing is read of the version after it before it is needed", () => {
  let asked = 0;
  const [archive] = Archive.list(memorySource(file));
  const lazy = archive?.over(() => {
    asked++;
    return newest;
  });
  expect([asked, lazy?.stream.sizeBytes]).toEqual([0, versions[3]?.length]);
  lazy?.stream.read(0, 1);
  expect(asked).toBe(1);
});

describe("a file that is not what it was", () => {
  test("cut off anywhere, it has the archives that are whole", () => {
    const whole = Archive.list(memorySource(file));
    let end = 0;
    const ends = whole.map(({ sizeBytes }) => (end += sizeBytes));
    expect(end).toBe(file.length);
    for (let size = 0; size < file.length; size += 13) {
      const count = ends.filter((at) => at <= size).length;
      expect(Archive.list(memorySource(file.subarray(0, size)))).toHaveLength(count);
    }
  });

  test("over another version it is refused", () => {
    const [stream] = streams(file, contentOf(noise(900_000, 5)));
    expect(() => stream?.read(0, 1)).toThrow();
  });

  test("with a flipped bit it is refused, or gives bytes that the root refuses", () => {
    const [first] = Archive.list(memorySource(file));
    const size = first?.sizeBytes ?? 0;
    const wanted = toHex(contents[3]?.table.root ?? noise(1, 1));
    for (let bit = 0; bit < size * 8; bit += 101) {
      const bytes = file.slice(0, size);
      bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      const [archive] = Archive.list(memorySource(bytes));
      if (archive === undefined || toHex(archive.root) !== wanted) continue;
      const { stream } = archive.over(() => newest);
      let root = "";
      try {
        root = toHex(ChunkTable.ofStream(stream).root);
      } catch {
        continue;
      }
      const isWhole = stream.sizeBytes === versions[3]?.length && equal(all(stream), versions[3]);
      expect(root === wanted).toBe(isWhole);
    }
  });
});
