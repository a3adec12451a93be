/**
 * For a provider that does not have what the getter has: the getter describes its old bytes by one short
 * hash for each block, the provider finds those blocks in the new bytes at any offset and sends only what
 * is between them (Tridgell, "Efficient Algorithms for Sorting and Synchronization", 1999). The hash is as
 * short as it can be: a wrong match is found out by the chunk's own hash, and then the bytes come whole.
 *
 *   sketch = log2 of the block size: u8, 7 or 9 ‖ for each whole block: rolling hash i32 LE ‖ first byte of SHA-256
 *
 * Small blocks are for edits all over a file, such as names that a minifier has chosen anew, or the offsets in
 * bytecode; one change in one place is found by large ones as well, and those cost a quarter.
 */
import { sha256 } from "../core/hash.ts";
import { encodeDelta, type Copy } from "./delta.ts";
import { ContentError } from "./error.ts";
import { RollingHash } from "./rolling.ts";

/** Old bytes for one hash. Measured in bench/content: 64 and 192 give more on one case and lose it on another. */
const LOG2 = { fine: 7, coarse: 9 } as const;
export type SketchGrain = keyof typeof LOG2;
/** A rolling hash, and one byte of a real one: with 4 bytes alone 1 piece of 250 had a wrong match. */
const HASH_BYTES = 5;

const HEAD_BYTES = 1;

const ROLLING = new Map(Object.values(LOG2).map((log2) => [log2, new RollingHash(2 ** log2)]));

/** @throws {ContentError} DELTA_INVALID when there is no such block size */
function rollingOf(log2: number | undefined): RollingHash {
  for (const [known, rolling] of ROLLING) if (known === log2) return rolling;
  throw new ContentError("DELTA_INVALID", "a sketch of blocks of no known size", { blame: "peer" });
}

/** 1 byte, and 5 for each whole block of `old`. */
export function sketchOf(old: Uint8Array, grain: SketchGrain): Uint8Array {
  const rolling = rollingOf(LOG2[grain]);
  const { sizeBytes: blockBytes } = rolling;
  const count = Math.floor(old.length / blockBytes);
  const sketch = new DataView(new ArrayBuffer(HEAD_BYTES + count * HASH_BYTES));
  sketch.setUint8(0, LOG2[grain]);
  for (let i = 0; i < count; i++) {
    const at = HEAD_BYTES + i * HASH_BYTES;
    sketch.setInt32(at, rolling.of(old, i * blockBytes), true);
    sketch.setUint8(at + 4, check(old, i * blockBytes, blockBytes));
  }
  return new Uint8Array(sketch.buffer);
}

/** `piece` as a delta against the bytes that were sketched. @throws {ContentError} DELTA_INVALID */
export function encodeAgainstSketch(piece: Uint8Array, sketch: Uint8Array): Uint8Array {
  return encodeDelta(piece, copiesFor(piece, sketch), ({ at, sizeBytes }) =>
    // They are believed to be the same bytes.
    piece.subarray(at, at + sizeBytes),
  );
}

function copiesFor(piece: Uint8Array, sketch: Uint8Array): Copy[] {
  const rolling = rollingOf(sketch[0]);
  const { sizeBytes: blockBytes } = rolling;
  const hashes = sketch.subarray(HEAD_BYTES);
  if (hashes.length % HASH_BYTES !== 0) {
    throw new ContentError("DELTA_INVALID", "a sketch of another length", { blame: "peer" });
  }
  const view = new DataView(hashes.buffer, hashes.byteOffset, hashes.byteLength);
  const blocks = new Map<number, number>();
  for (let i = hashes.length / HASH_BYTES - 1; i >= 0; i--) {
    blocks.set(view.getInt32(i * HASH_BYTES, true), i);
  }
  const copies: Copy[] = [];
  const last = piece.length - blockBytes;
  let at = 0;
  let hash = last >= 0 ? rolling.of(piece, 0) : 0;
  while (at <= last) {
    const block = blocks.get(hash);
    if (
      block === undefined ||
      view.getUint8(block * HASH_BYTES + 4) !== check(piece, at, blockBytes)
    ) {
      hash = rolling.next(hash, piece, at++);
      continue;
    }
    append(copies, { at, from: block * blockBytes, sizeBytes: blockBytes });
    at += blockBytes;
    if (at <= last) hash = rolling.of(piece, at);
  }
  return copies;
}

/** Copies that continue one another are one. */
function append(copies: Copy[], copy: Copy): void {
  const before = copies.at(-1);
  const isNext =
    before !== undefined &&
    before.at + before.sizeBytes === copy.at &&
    before.from + before.sizeBytes === copy.from;
  if (!isNext) copies.push(copy);
  else copies[copies.length - 1] = { ...before, sizeBytes: before.sizeBytes + copy.sizeBytes };
}

function check(bytes: Uint8Array, at: number, sizeBytes: number): number {
  return sha256(bytes.subarray(at, at + sizeBytes))[0] ?? 0;
}
