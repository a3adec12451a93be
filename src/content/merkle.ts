/**
 * The content tree over the chunks of a canonical stream, three levels:
 *
 *   chunk = SHA-256(00 ‖ bytes)
 *   run   = SHA-256(01 ‖ for each of its chunks: size − 1, u16 LE ‖ chunk)
 *   root  = SHA-256(02 ‖ stream length, u64 LE ‖ runs)
 *
 * Runs are cut by content as chunks are: after a chunk whose hash begins with a small byte. An insertion
 * therefore changes the runs it lies in and no other, and whoever has the rest names it by reference.
 *
 * The prefixes keep a node of one level from passing as one of another (RFC 6962, section 2.1). The length
 * of the stream, and the size of each chunk, are under the root: two different lists have two roots.
 */
import { asContentRoot, type ContentRoot } from "../core/brand.ts";
import { u64le } from "../core/bytes.ts";
import { createHash, sha256 } from "../core/hash.ts";
import { CHUNKS_PER_RUN_MAX } from "../core/limits.ts";

/** Bytes of one hash of the tree. */
export const HASH_BYTES: number = 32;
/** A chunk whose hash begins with less than this ends its run: 12 chunks in a run on average. */
const RUN_END_BELOW = 21;

const CHUNK = Uint8Array.of(0);
const RUN = Uint8Array.of(1);
const ROOT = Uint8Array.of(2);

/** 32 bytes. */
export function chunkHash(bytes: Uint8Array): Uint8Array {
  return sha256(CHUNK, bytes);
}

/** Does a run end behind its chunk number `position`, counted from 0, which has this hash? */
export function isRunEnd(hash: Uint8Array, position: number): boolean {
  return (hash[0] ?? 0) < RUN_END_BELOW || position + 1 === CHUNKS_PER_RUN_MAX;
}

/** One run: chunk hashes, 32 bytes each, and as many sizes of 1 to 65536 bytes. */
export function runHash(hashes: Uint8Array, sizes: ArrayLike<number>): Uint8Array {
  const hasher = createHash("sha256");
  hasher.update(RUN);
  for (let i = 0; i < sizes.length; i++) {
    const size = (sizes[i] ?? 1) - 1;
    hasher.update(Uint8Array.of(size & 0xff, size >>> 8));
    hasher.update(hashes.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES));
  }
  return hasher.digest();
}

/** The root over run hashes, 32 bytes each, in order. */
export function rootOf(lengthBytes: number, runHashes: Uint8Array): ContentRoot {
  return asContentRoot(sha256(ROOT, u64le(lengthBytes), runHashes));
}
