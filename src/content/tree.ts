/**
 * The content tree: SHA-256 over blocks of the canonical stream.
 *
 *   leaf  = SHA-256(00 ‖ block)
 *   inner = SHA-256(01 ‖ left ‖ right); a node without a sibling is promoted as it is
 *   root  = SHA-256(02 ‖ stream length, u64 LE ‖ top)
 *
 * The prefixes keep an inner node from passing as a leaf (RFC 6962, section 2.1). Promotion instead of
 * duplication, and the length in the root, keep two different lists of blocks from having one root
 * (CVE-2012-2459).
 */
import { asContentRoot, type ContentRoot } from "../core/brand.ts";
import { u64le } from "../core/bytes.ts";
import { sha256 } from "../core/hash.ts";
import { BLOCK_BYTES, EXECUTABLE_MAX_BYTES } from "../core/limits.ts";
import { ContentError } from "./error.ts";

/** Bytes of one hash of the tree. */
export const HASH_BYTES: number = 32;

const LEAF = Uint8Array.of(0);
const INNER = Uint8Array.of(1);
const ROOT = Uint8Array.of(2);

/** 32 bytes. */
export function leafHash(block: Uint8Array): Uint8Array {
  return sha256(LEAF, block);
}

/**
 * How many blocks a stream has.
 * @throws {ContentError} TABLE_SIZE when no stream has this length (empty, or above the cap).
 */
export function blockCount(lengthBytes: number): number {
  if (!(lengthBytes >= 1 && lengthBytes <= EXECUTABLE_MAX_BYTES)) {
    throw new ContentError("TABLE_SIZE", `a stream has 1 to ${EXECUTABLE_MAX_BYTES} bytes`, {
      blame: "artifact",
      lengthBytes,
      maxBytes: EXECUTABLE_MAX_BYTES,
    });
  }
  return Math.ceil(lengthBytes / BLOCK_BYTES);
}

/**
 * The root over leaf hashes, 32 bytes each, in order.
 * @throws {ContentError} TABLE_SIZE when there is not exactly one hash for each block of the length.
 */
export function rootOf(hashes: Uint8Array, lengthBytes: number): ContentRoot {
  const count = blockCount(lengthBytes);
  if (hashes.length !== count * HASH_BYTES) {
    throw new ContentError("TABLE_SIZE", "the table must have one hash for each block", {
      blame: "peer",
      expected: count * HASH_BYTES,
      actual: hashes.length,
    });
  }
  let row: Uint8Array[] = [];
  for (let index = 0; index < count; index++) {
    row.push(hashes.subarray(index * HASH_BYTES, (index + 1) * HASH_BYTES));
  }
  while (row.length > 1) row = parents(row);
  return asContentRoot(sha256(ROOT, u64le(lengthBytes), ...row));
}

function parents(row: readonly Uint8Array[]): Uint8Array[] {
  const above: Uint8Array[] = [];
  let left: Uint8Array | undefined;
  for (const node of row) {
    if (left === undefined) left = node;
    else {
      above.push(sha256(INNER, left, node));
      left = undefined;
    }
  }
  return left === undefined ? above : [...above, left];
}
