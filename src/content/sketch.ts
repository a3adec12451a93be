/**
 * For a provider that does not have what the getter has: the getter describes its old bytes by one short
 * hash for each block, the provider finds those blocks in the new bytes at any offset and sends only what
 * is between them (Tridgell, "Efficient Algorithms for Sorting and Synchronization", 1999). The hash is as
 * short as it can be: a wrong match is found out by the chunk's own hash, and then the bytes come whole.
 */
import { ContentError } from "./error.ts";
import { encodeDelta, type Copy } from "./delta.ts";
import { RollingHash } from "./rolling.ts";

/** Old bytes for one hash. */
export const SKETCH_BLOCK_BYTES: number = 512;
const HASH_BYTES = 4;

const rolling = new RollingHash(SKETCH_BLOCK_BYTES);

/** 4 bytes for each whole block of `old`. */
export function sketchOf(old: Uint8Array): Uint8Array {
  const count = Math.floor(old.length / SKETCH_BLOCK_BYTES);
  const sketch = new DataView(new ArrayBuffer(count * HASH_BYTES));
  for (let i = 0; i < count; i++) {
    sketch.setInt32(i * HASH_BYTES, rolling.of(old, i * SKETCH_BLOCK_BYTES), true);
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
    blocks.set(view.getInt32(i * HASH_BYTES, true), i * SKETCH_BLOCK_BYTES);
  }
  const copies: Copy[] = [];
  const last = piece.length - SKETCH_BLOCK_BYTES;
  let at = 0;
  let hash = last >= 0 ? rolling.of(piece, 0) : 0;
  while (at <= last) {
    const from = blocks.get(hash);
    if (from === undefined) {
      hash = rolling.next(hash, piece, at++);
      continue;
    }
    copies.push({ at, from, sizeBytes: SKETCH_BLOCK_BYTES });
    at += SKETCH_BLOCK_BYTES;
    if (at <= last) hash = rolling.of(piece, at);
  }
  return joined(copies);
}

/** Copies that continue one another as one. */
function joined(copies: readonly Copy[]): Copy[] {
  const out: Copy[] = [];
  for (const copy of copies) {
    const before = out.at(-1);
    if (
      before !== undefined &&
      before.at + before.sizeBytes === copy.at &&
      before.from + before.sizeBytes === copy.from
    ) {
      out[out.length - 1] = { ...before, sizeBytes: before.sizeBytes + copy.sizeBytes };
    } else out.push(copy);
  }
  return out;
}
