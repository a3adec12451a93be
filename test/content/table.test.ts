import { describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { chunksOf } from "../../src/content/chunker.ts";
import { ContentError } from "../../src/content/error.ts";
import { ChunkTable } from "../../src/content/table.ts";
import { concat, toHex, u16le, u64le } from "../../src/core/bytes.ts";
import { EXECUTABLE_MAX_BYTES } from "../../src/core/limits.ts";
import { memorySource } from "../../src/core/source.ts";
import { noise } from "../helpers/release.ts";

/** Written from the header of merkle.ts with another library's hash. */
const h = (...parts: Uint8Array[]): Uint8Array =>
  new Uint8Array(
    createHash("sha256")
      .update(concat(...parts))
      .digest(),
  );
const chunk = (bytes: Uint8Array): Uint8Array => h(Uint8Array.of(0), bytes);
const rootOf = (length: number, ...runs: Uint8Array[]): Uint8Array =>
  h(Uint8Array.of(2), u64le(length), ...runs);

function runsOf(hashes: readonly Uint8Array[], sizes: readonly number[]): Uint8Array[] {
  const runs: Uint8Array[] = [];
  let parts: Uint8Array[] = [];
  for (const [i, hash] of hashes.entries()) {
    parts.push(u16le((sizes[i] ?? 0) - 1), hash);
    if ((hash[0] ?? 0) >= 21 && parts.length < 128 && i + 1 < hashes.length) continue;
    runs.push(h(Uint8Array.of(1), ...parts));
    parts = [];
  }
  return runs;
}

const tableOf = (bytes: Uint8Array): ChunkTable => ChunkTable.ofStream(memorySource(bytes));
const stream = noise(3_000_000, 1);
const table = tableOf(stream);

interface Draft {
  lengthBytes: number;
  hashes: Uint8Array[];
  sizes: number[];
}
function draft(): Draft {
  const indexes = [...Array(table.count).keys()];
  return {
    lengthBytes: table.lengthBytes,
    hashes: indexes.map((i) => table.hashOf(i)),
    sizes: indexes.map((i) => table.rangeOf(i).sizeBytes),
  };
}
function codeOf(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    return error instanceof ContentError ? error.code : String(error);
  }
  return "accepted";
}

describe("the root", () => {
  test("golden roots stay what they are", () => {
    // A change here is a change of what every published record means.
    const roots = [1, 100_000, 3_000_000].map((size) => toHex(tableOf(noise(size, 1)).root));
    expect(roots).toEqual([
      "dbb26075f4b83584817c5c67e7318770887d2e9401f0a866761b77a2158822f3",
      "45239364092d5c0c45364f2028942d039085497e1d1a8a4b7d12c8ccc45f6bdd",
      "92ed35265ee64b347b30ba1455a6a453b154a7adab13c4a126c73843dbc3df42",
    ]);
  });

  test("is the one of the definition", () => {
    for (const size of [1, 40_000, 3_000_000]) {
      const bytes = noise(size, 2);
      const chunks = Array.from(chunksOf(memorySource(bytes)), (c) => c.bytes.slice());
      const sizes = chunks.map(({ length }) => length);
      const runs = runsOf(chunks.map(chunk), sizes);
      const of = tableOf(bytes);
      expect(toHex(of.root)).toBe(toHex(rootOf(size, ...runs)));
      expect(of.runCount).toBe(runs.length);
    }
  });

  test("is the same with pauses in between", () => {
    const steps = ChunkTable.inSlices(memorySource(noise(9_000_000, 1)));
    let pauses = 0;
    let step = steps.next();
    for (; step.done !== true; step = steps.next()) pauses++;
    expect(toHex(step.value.root)).toBe(toHex(tableOf(noise(9_000_000, 1)).root));
    expect(pauses).toBe(4);
  });

  test("there is none of no stream, and of one that is too long", () => {
    const tooLong = { sizeBytes: EXECUTABLE_MAX_BYTES + 1, read: () => new Uint8Array(0) };
    expect(codeOf(() => ChunkTable.ofStream(tooLong))).toBe("TABLE_SIZE");
    expect(codeOf(() => tableOf(new Uint8Array(0)))).toBe("TABLE_SIZE");
  });
});

test("chunks, ranges and runs say the same", () => {
  let offset = 0;
  for (let index = 0; index < table.count; index++) {
    const range = table.rangeOf(index);
    expect(range.offset).toBe(offset);
    offset += range.sizeBytes;
    expect(table.isChunk(index, stream.subarray(range.offset, offset))).toBe(true);
    expect(table.find(table.hashOf(index))).toBe(index);
  }
  expect(table.rangeOf(0, table.count)).toEqual({ offset: 0, sizeBytes: stream.length });
  expect(table.areChunks(0, table.count, stream)).toBe(true);
  let next = 0;
  for (let run = 0; run < table.runCount; run++) {
    const { first, count } = table.chunksOfRun(run);
    expect(first).toBe(next);
    next += count;
  }
  expect(next).toBe(table.count);
  for (const index of [-1, table.count, 0.5, Number.NaN]) {
    expect(() => table.rangeOf(index)).toThrow(RangeError);
    expect(() => table.hashOf(index)).toThrow(RangeError);
  }
  expect(() => table.rangeOf(1, table.count)).toThrow(RangeError);
});

test("a piece with one changed bit, a byte less or more, or in another order is refused", () => {
  const { offset, sizeBytes } = table.rangeOf(3, 2);
  const good = stream.slice(offset, offset + sizeBytes);
  expect(table.areChunks(3, 2, good)).toBe(true);
  for (let bit = 0; bit < sizeBytes * 8; bit += 4_999) {
    const bad = good.slice();
    bad[bit >> 3] = (bad[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    expect(table.areChunks(3, 2, bad)).toBe(false);
  }
  const size = table.rangeOf(3).sizeBytes;
  const swapped = concat(good.subarray(size), good.subarray(0, size));
  for (const bad of [good.subarray(1), good.subarray(0, -1), concat(good, good), swapped]) {
    expect(table.areChunks(3, 2, bad)).toBe(false);
  }
});

describe("C11: a table as a peer describes it", () => {
  function verdict(change: (from: Draft) => unknown): string {
    const changed = draft();
    change(changed);
    return codeOf(() => ChunkTable.verified(changed, table.root));
  }

  test("is accepted as it is", () => {
    expect(verdict(() => undefined)).toBe("accepted");
  });

  test("with a chunk left out, added or doubled is refused", () => {
    expect(verdict(({ hashes, sizes }) => [hashes.pop(), sizes.pop()])).toBe("TABLE_SIZE");
    expect(verdict(({ hashes }) => hashes.pop())).toBe("TABLE_SIZE");
    expect(verdict(({ hashes, sizes }) => [hashes.push(table.hashOf(0)), sizes.push(20_000)])).toBe(
      "TABLE_SIZE",
    );
    expect(
      verdict((from) => {
        from.hashes.shift();
        from.lengthBytes -= from.sizes.shift() ?? 0;
      }),
    ).toBe("ROOT_MISMATCH");
  });

  test("with one flipped bit in any hash is refused", () => {
    for (let bit = 0; bit < table.count * 256; bit += 37) {
      const flipped = verdict(({ hashes }) => {
        const hash = Uint8Array.from(hashes[bit >> 8] ?? []);
        hash[(bit & 255) >> 3] = (hash[(bit & 255) >> 3] ?? 0) ^ (1 << (bit & 7));
        hashes[bit >> 8] = hash;
      });
      expect(flipped).toBe("ROOT_MISMATCH");
    }
  });

  test("with a byte moved from one chunk to the next, or in another order, is refused", () => {
    const moved = verdict(({ sizes }) => {
      sizes[4] = (sizes[4] ?? 0) - 1;
      sizes[5] = (sizes[5] ?? 0) + 1;
    });
    // The length is the same: without the sizes under the root nothing would tell.
    expect(moved).toBe("ROOT_MISMATCH");
    expect(verdict(({ hashes }) => hashes.reverse())).toBe("ROOT_MISMATCH");
  });

  test("of impossible chunks is refused before anything is hashed", () => {
    for (const sizes of [[stream.length], Array<number>(stream.length / 1_000).fill(1_000)]) {
      const hashes = sizes.map(() => table.hashOf(0));
      const impossible = { lengthBytes: stream.length, hashes, sizes };
      expect(codeOf(() => ChunkTable.verified(impossible, table.root))).toBe("TABLE_SIZE");
    }
  });

  test("a node of one level does not pass as one of another", () => {
    // Without the prefixes the preimage of a run, offered as a chunk, would have the run's hash.
    const bytes = noise(1_000, 3);
    const preimage = concat(u16le(999), chunk(bytes));
    const run = h(Uint8Array.of(1), preimage);
    const { root } = tableOf(bytes);
    expect(toHex(root)).toBe(toHex(rootOf(1_000, run)));
    expect(toHex(chunk(preimage))).not.toBe(toHex(run));
    const forged = { lengthBytes: 34, hashes: [run], sizes: [34] };
    expect(codeOf(() => ChunkTable.verified(forged, root))).toBe("ROOT_MISMATCH");
    // The length alone makes another root as well.
    expect(toHex(rootOf(1_001, run))).not.toBe(toHex(root));
  });
});
