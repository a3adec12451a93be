/**
 * For a provider that does not have what the getter has: the getter describes its old bytes by one short
 * hash for each block, the provider finds those blocks in the new bytes at any offset and sends only what
 * is between them (Tridgell, "Efficient Algorithms for Sorting and Synchronization", 1999). The hash is as
 * short as it can be: a wrong match is found out by the chunk's own hash, and then the bytes come whole.
 */
import { sha256 } from "../core/hash.ts";
import { encodeDelta, type Copy } from "./delta.ts";
import { ContentError } from "./error.ts";
import { RollingHash } from "./rolling.ts";

/** Old bytes for one hash. */
const BLOCK_BYTES = 512;
/** A rolling hash, and one byte of a real one: with 4 bytes alone 1 piece of 250 had a wrong match. */
const HASH_BYTES = 5;

const rolling = new RollingHash(BLOCK_BYTES);

/** 5 bytes for each whole block of `old`. */
export function sketchOf(old: Uint8Array): Uint8Array {
  const count = Math.floor(old.length / BLOCK_BYTES);
  const sketch = new DataView(new ArrayBuffer(count * HASH_BYTES));
  for (let i = 0; i < count; i++) {
    sketch.setInt32(i * HASH_BYTES, rolling.of(old, i * BLOCK_BYTES), true);
    sketch.setUint8(i * HASH_BYTES + 4, check(old, i * BLOCK_BYTES));
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
  if (sketch.length % HASH_BYTES !== 0) {
    throw new ContentError("DELTA_INVALID", "a sketch of another length", { blame: "peer" });
  }
  const view = new DataView(sketch.buffer, sketch.byteOffset, sketch.byteLength);
  const blocks = new Map<number, number>();
  for (let i = sketch.length / HASH_BYTES - 1; i >= 0; i--) {
    blocks.set(view.getInt32(i * HASH_BYTES, true), i);
  }
  const copies: Copy[] = [];
  const last = piece.length - BLOCK_BYTES;
  let at = 0;
  let hash = last >= 0 ? rolling.of(piece, 0) : 0;
  while (at <= last) {
    const block = blocks.get(hash);
    if (block === undefined || view.getUint8(block * HASH_BYTES + 4) !== check(piece, at)) {
      hash = rolling.next(hash, piece, at++);
      continue;
    }
    append(copies, { at, from: block * BLOCK_BYTES, sizeBytes: BLOCK_BYTES });
    at += BLOCK_BYTES;
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

function check(bytes: Uint8Array, at: number): number {
  return sha256(bytes.subarray(at, at + BLOCK_BYTES))[0] ?? 0;
}
