import { describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { ContentError } from "../../src/content/error.ts";
import { BlockTable } from "../../src/content/table.ts";
import { leafHash, rootOf } from "../../src/content/tree.ts";
import { concat, toHex, u64le } from "../../src/core/bytes.ts";
import { BLOCK_BYTES, EXECUTABLE_MAX_BYTES } from "../../src/core/limits.ts";
import { memorySource } from "../../src/core/source.ts";

/** Written from the header of tree.ts with another library's hash. */
const h = (...parts: Uint8Array[]): Uint8Array =>
  new Uint8Array(
    createHash("sha256")
      .update(concat(...parts))
      .digest(),
  );
const leaf = (block: Uint8Array): Uint8Array => h(Uint8Array.of(0), block);
const inner = (l: Uint8Array, r: Uint8Array): Uint8Array => h(Uint8Array.of(1), l, r);
const top = (length: number, node: Uint8Array): Uint8Array =>
  h(Uint8Array.of(2), u64le(length), node);

/** Roots of 1, 2, 3, 5 and 8 blocks of stream(), computed with Python's hashlib from the header of tree.ts. */
const GOLDEN = [
  "487745c127596cb18b61946563da648df743dbc1f068537923a8996616492925",
  "161f52533eb506918f5b2a109358b70e44671f7fbf208e9176c5d42e9111a1d6",
  "8aba6cd57ea1e286a68a5edb52323881cdbf668c50051eaaadd992ecd8ed6da9",
  "621b0d51940f29e256f87567aeb878677e3360a112b00e6a6d401cbdf82bdd45",
  "3aa7b587fd499e9f9b83c8d9a871ece3156de62ea2ed0a21b0a5b6f17141a5db",
];

/** `count` blocks, the last of `lastBytes` bytes; byte k of the stream is k × 31 mod 251. */
function stream(count: number, lastBytes: number): Uint8Array {
  const bytes = new Uint8Array((count - 1) * BLOCK_BYTES + lastBytes);
  for (let index = 0; index < bytes.length; index++) bytes[index] = (index * 31) % 251;
  return bytes;
}

function blocks(bytes: Uint8Array): Uint8Array[] {
  const out: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += BLOCK_BYTES)
    out.push(bytes.subarray(at, at + BLOCK_BYTES));
  return out;
}

describe("root", () => {
  test("golden roots stay what they are", () => {
    // A change here is a change of what every published record means.
    const roots = [1, 2, 3, 5, 8].map((count) => {
      const bytes = stream(count, 100);
      return toHex(rootOf(concat(...blocks(bytes).map(leafHash)), bytes.length));
    });
    expect(roots).toEqual(GOLDEN);
  });

  test("one block: no inner node", () => {
    const bytes = stream(1, 100);
    expect(rootOf(leafHash(bytes), 100)).toEqual(top(100, leaf(bytes)) as never);
  });

  test("five blocks: the odd one is promoted through two rows", () => {
    const bytes = stream(5, 1);
    const [a, b, c, d, e] = blocks(bytes).map(leaf) as [
      Uint8Array,
      Uint8Array,
      Uint8Array,
      Uint8Array,
      Uint8Array,
    ];
    const expected = top(bytes.length, inner(inner(inner(a, b), inner(c, d)), e));
    expect(rootOf(concat(a, b, c, d, e), bytes.length)).toEqual(expected as never);
  });

  test("lengths that no stream has are refused before anything is hashed", () => {
    for (const length of [0, -1, Number.NaN, 2 ** 53, EXECUTABLE_MAX_BYTES + 1]) {
      expect(() => rootOf(new Uint8Array(32), length)).toThrow(ContentError);
    }
  });
});

describe("C11", () => {
  const bytes = stream(3, BLOCK_BYTES);
  const [a, b, c] = blocks(bytes).map(leafHash) as [Uint8Array, Uint8Array, Uint8Array];
  const root = rootOf(concat(a, b, c), bytes.length);

  test("C11: an inner node offered as a leaf is refused", () => {
    // The attacker's stream has two "blocks": the preimage of inner(a, b) and the third block. Without
    // the prefixes its first leaf hash would be inner(a, b).
    const forged = inner(a, b);
    expect(() => BlockTable.verified(concat(forged, c), 2 * BLOCK_BYTES, root)).toThrow(
      expect.objectContaining({ code: "ROOT_MISMATCH" }),
    );
    expect(leafHash(concat(a, b))).not.toEqual(forged);
    // Only the prefix differs: the same preimage under the inner prefix is the node.
    expect(h(Uint8Array.of(1), a, b)).toEqual(forged);
  });

  test("C11: an odd node duplicated does not lead to the same root (CVE-2012-2459)", () => {
    const four = rootOf(concat(a, b, c, c), 4 * BLOCK_BYTES);
    expect(four).not.toEqual(root);
    // Not by the length alone: a tree that duplicates would give the top of four blocks here.
    expect(root).toEqual(top(bytes.length, inner(inner(a, b), c)) as never);
    expect(root).not.toEqual(top(bytes.length, inner(inner(a, b), inner(c, c))) as never);
    expect(() => BlockTable.verified(concat(a, b, c, c), bytes.length, root)).toThrow(
      expect.objectContaining({ code: "TABLE_SIZE" }),
    );
  });

  test("C11: the same hashes under another length are another root", () => {
    expect(() => BlockTable.verified(concat(a, b, c), bytes.length - 1, root)).toThrow(
      expect.objectContaining({ code: "ROOT_MISMATCH" }),
    );
    expect(BlockTable.verified(concat(a, b, c), bytes.length, root).count).toBe(3);
  });

  test("C11: a table that is too short, too long or not whole hashes is refused", () => {
    for (const hashes of [
      new Uint8Array(0),
      concat(a, b),
      concat(a, b, c).subarray(0, 95),
      concat(a, b, c, a),
    ]) {
      expect(() => BlockTable.verified(hashes, bytes.length, root)).toThrow(
        expect.objectContaining({ code: "TABLE_SIZE", blame: "peer" }),
      );
    }
  });

  test("C11: every flipped bit of a table is refused", () => {
    const table = BlockTable.ofStream(memorySource(bytes));
    for (let bit = 0; bit < table.hashes.length * 8; bit++) {
      const hashes = Uint8Array.from(table.hashes);
      hashes[bit >> 3] = (hashes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(() => BlockTable.verified(hashes, bytes.length, root)).toThrow("signed root");
    }
  });
});
