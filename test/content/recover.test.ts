/** What is found again of a file that was begun for another release. */
import { expect, test } from "bun:test";
import { concat } from "../../src/core/bytes.ts";
import { PIECE_MAX_BYTES } from "../../src/core/limits.ts";
import { memorySource } from "../../src/core/source.ts";
import { dataBetweenHoles } from "../../src/content/holes.ts";
import { piecesOf } from "../../src/content/plan.ts";
import { chunksElsewhere } from "../../src/content/recover.ts";
import { ChunkTable } from "../../src/content/table.ts";
import { noise } from "../helpers/release.ts";

const MB = 1_000_000;

function run<T>(steps: Generator<unknown, T>): T {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

/** A file in which every third piece of the stream is there. */
function begun(stream: Uint8Array, table: ChunkTable): { file: Uint8Array; chunks: number[] } {
  const file = new Uint8Array(stream.length);
  const chunks: number[] = [];
  const all = Array.from({ length: table.count }, (_, index) => index);
  for (const [nth, { first, count }] of piecesOf(table, all, PIECE_MAX_BYTES).entries()) {
    if (nth % 3 !== 1) continue;
    const { offset, sizeBytes } = table.rangeOf(first, count);
    file.set(stream.subarray(offset, offset + sizeBytes), offset);
    for (let chunk = first; chunk < first + count; chunk++) chunks.push(chunk);
  }
  return { file, chunks };
}

test.each([1, 2, 3, 4])(
  "all but the chunks that begin with zeros, though nobody knows what it was begun for (%p)",
  (salt) => {
    const old = noise(8 * MB, salt);
    const oldTable = ChunkTable.ofStream(memorySource(old));
    const { file, chunks } = begun(old, oldTable);
    expect(chunks.length).toBeGreaterThan(50);
    const next = concat(noise(777, 9), old);
    const table = ChunkTable.ofStream(memorySource(next));
    const wanted = Array.from({ length: table.count }, (_, index) => index);
    const found = run(chunksElsewhere(table, wanted, memorySource(file)));
    const lost = chunks.filter((chunk) => {
      const at = table.find(oldTable.hashOf(chunk));
      return at !== undefined && !found.has(at);
    });
    for (const chunk of lost) expect(old[oldTable.rangeOf(chunk).offset]).toBe(0);
    expect(lost.length).toBeLessThan(5);
    for (const [chunk, { offset, sizeBytes }] of found) {
      expect(table.isChunk(chunk, file.subarray(offset, offset + sizeBytes))).toBe(true);
    }
  },
);

test("stretches between holes of a chunk and more, wherever they lie", () => {
  const file = new Uint8Array(3 * MB);
  const data = [
    { offset: 0, sizeBytes: 5_000 },
    { offset: 5_000 + 16_384, sizeBytes: 1_500_000 },
    { offset: 2_900_001, sizeBytes: 99_999 },
  ];
  for (const { offset, sizeBytes } of data) file.fill(1, offset, offset + sizeBytes);
  // Zeros that are no hole.
  file.fill(0, 1_000_000, 1_010_000);
  const found = [...dataBetweenHoles(memorySource(file))].filter((range) => range !== undefined);
  expect(found.map(({ offset }) => offset)).toEqual(data.map(({ offset }) => offset));
  for (const [nth, { offset, sizeBytes }] of found.entries()) {
    const end = (data[nth]?.offset ?? 0) + (data[nth]?.sizeBytes ?? 0);
    expect(offset + sizeBytes - end).toBeWithin(0, 4_096);
  }
  expect([...dataBetweenHoles(memorySource(new Uint8Array(2 * MB)))]).toEqual([
    undefined,
    undefined,
  ]);
});
