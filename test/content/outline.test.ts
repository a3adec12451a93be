import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { encodePage, OutlineReader, shortIdsOf, type Known } from "../../src/content/outline.ts";
import { ChunkTable } from "../../src/content/table.ts";
import { concat, toHex, u16le } from "../../src/core/bytes.ts";
import { memorySource } from "../../src/core/source.ts";
import { noise } from "../helpers/release.ts";
import { edited, type Edit } from "./streams.ts";

const PAGE_BYTES = 60 * 1024;
const NOTHING = new Uint8Array(0);
const tableOf = (bytes: Uint8Array): ChunkTable => ChunkTable.ofStream(memorySource(bytes));
const old = noise(6_000_000, 1);
const oldTable = tableOf(old);
const nextTable = tableOf(edited(old, [{ at: 0.4, removed: 10, inserted: noise(300, 2) }]));

interface Transfer {
  readonly table: ChunkTable;
  readonly sizeBytes: number;
  readonly pages: number;
}

/** All pages of `wanted`, read as a getter does that has `local` and has listed `listed`. */
function transfer(
  wanted: ChunkTable,
  local: ChunkTable | undefined,
  listed: Known = local === undefined ? NOTHING : shortIdsOf(local),
  maxBytes = PAGE_BYTES,
): Transfer {
  const reader = new OutlineReader(wanted.lengthBytes, local);
  let sizeBytes = 0;
  let pages = 0;
  while (!reader.isComplete) {
    const page = encodePage(wanted, reader.nextRun, listed, maxBytes);
    sizeBytes += page.length;
    pages++;
    reader.add(page);
  }
  return { table: reader.finish(wanted.root), sizeBytes, pages };
}

test("a table arrives whole, in however many pages", () => {
  for (const maxBytes of [1, 500, 3_000, PAGE_BYTES]) {
    const { table, pages } = transfer(nextTable, undefined, NOTHING, maxBytes);
    expect(toHex(table.root)).toBe(toHex(nextTable.root));
    expect(pages > 1).toBe(maxBytes < PAGE_BYTES);
  }
});

test("what the getter has is named: the rest is a few hundred bytes for each change", () => {
  const { table, sizeBytes } = transfer(nextTable, oldTable);
  expect(toHex(table.root)).toBe(toHex(nextTable.root));
  expect(sizeBytes).toBeLessThan(2_000);
  expect(transfer(oldTable, oldTable).sizeBytes).toBeLessThan(8);
});

test("to a provider that knows all of it, single chunks have names as well", () => {
  for (const maxBytes of [1, 100, PAGE_BYTES]) {
    const { table, sizeBytes } = transfer(nextTable, oldTable, oldTable, maxBytes);
    expect(toHex(table.root)).toBe(toHex(nextTable.root));
    // The one or two changed chunks, and a byte or two for each other chunk of their run.
    expect(sizeBytes).toBeLessThan(200);
  }
});

test("from any old version, for arbitrary edits", () => {
  const edit: fc.Arbitrary<Edit> = fc.record({
    at: fc.double({ min: 0, max: 1, noNaN: true }),
    removed: fc.nat(200_000),
    inserted: fc.uint8Array({ maxLength: 1_000 }),
  });
  fc.assert(
    fc.property(fc.array(edit, { maxLength: 4 }), (edits) => {
      const wanted = tableOf(concat(edited(old.subarray(0, 1_500_000), edits), Uint8Array.of(1)));
      expect(toHex(transfer(wanted, oldTable).table.root)).toBe(toHex(wanted.root));
      expect(toHex(transfer(wanted, oldTable, oldTable).table.root)).toBe(toHex(wanted.root));
    }),
    { numRuns: 20 },
  );
});

test("two runs that begin alike lead to a refusal, not to a wrong table", () => {
  // Our first run stands under the short name of their second one.
  const listed = shortIdsOf(oldTable);
  listed.set(nextTable.runHashOf(1).subarray(0, 4), 0);
  expect(() => transfer(nextTable, oldTable, listed)).toThrow();
  expect(transfer(nextTable, undefined).table.count).toBe(nextTable.count);
});

describe("a page is refused", () => {
  const refused = expect.objectContaining({
    code: expect.stringMatching(/^(DELTA_INVALID|TRUNCATED|TABLE_SIZE)$/),
  });
  const refuses = (page: Uint8Array, local: ChunkTable | undefined = oldTable): void =>
    expect(() => new OutlineReader(nextTable.lengthBytes, local).add(page)).toThrow(refused);
  const run = (...sizes: number[]): Uint8Array =>
    concat(
      Uint8Array.of(sizes.length),
      ...sizes.flatMap((size) => [u16le(size - 1), noise(32, size)]),
    );

  test("that is empty, cut off, or names what is not there", () => {
    refuses(NOTHING);
    const good = encodePage(nextTable, 0, NOTHING, 3_000);
    for (let size = 1; size < good.length; size++) {
      const reader = new OutlineReader(nextTable.lengthBytes, undefined);
      try {
        reader.add(good.subarray(0, size));
        // It ended with a whole run: fewer runs, and nothing else.
        expect(reader.isComplete).toBe(false);
      } catch (error) {
        expect(error).toEqual(refused);
      }
    }
    refuses(Uint8Array.of(0, 0, 0));
    refuses(Uint8Array.of(0, oldTable.runCount, 1));
    refuses(Uint8Array.of(0, oldTable.runCount - 1, 2));
    refuses(Uint8Array.of(0, 0xff, 0xff, 0xff, 0xff, 0x7f, 1));
    expect(() => new OutlineReader(1_000, undefined).add(Uint8Array.of(0, 0, 1))).toThrow(refused);
    // Names of chunks: 1 + zigzag(chunk − the one before − 1); 66 is a run of two.
    refuses(Uint8Array.of(66, 1));
    refuses(Uint8Array.of(66, 2, 1));
    refuses(Uint8Array.of(66, 1, 2, 1));
    refuses(Uint8Array.of(65, 0xff, 0xff, 0xff, 0xff, 0x0f));
    expect(() => new OutlineReader(1e6, undefined).add(Uint8Array.of(65, 1))).toThrow(refused);
    new OutlineReader(oldTable.lengthBytes, oldTable).add(Uint8Array.of(66, 1, 1));
    // Control: the last of our runs, which is there.
    new OutlineReader(oldTable.lengthBytes, oldTable).add(
      Uint8Array.of(0, oldTable.runCount - 1, 1),
    );
  });

  test("that goes beyond the stream", () => {
    refuses(Uint8Array.of(0, 0, oldTable.runCount, 0, 0, 1));
    const reader = new OutlineReader(60_000, undefined);
    reader.add(run(30_000, 30_000));
    expect(reader.isComplete).toBe(true);
    expect(() => reader.add(run(20_000))).toThrow(refused);
  });

  test("that has a short chunk before the last one: tables must not grow without end", () => {
    refuses(run(1, 1));
    refuses(run(20_000, 16_383, 20_000));
    new OutlineReader(56_384, undefined).add(run(20_000, 16_384, 20_000));
    new OutlineReader(36_383, undefined).add(run(20_000, 16_383));
  });

  test("that has a run of more chunks than there can be", () => {
    const chunks = run(...Array<number>(64).fill(20_000)).subarray(1);
    refuses(concat(Uint8Array.of(129), chunks, chunks));
    refuses(Uint8Array.of(255));
    new OutlineReader(64 * 20_000, undefined).add(run(...Array<number>(64).fill(20_000)));
  });
});
