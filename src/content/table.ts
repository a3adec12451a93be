import type { ContentRoot } from "../core/brand.ts";
import { equal } from "../core/bytes.ts";
import { BLOCK_BYTES } from "../core/limits.ts";
import type { ByteSource } from "../core/source.ts";
import { ContentError } from "./error.ts";
import { blockCount, HASH_BYTES, leafHash, rootOf } from "./tree.ts";

export interface BlockRange {
  readonly offset: number;
  readonly sizeBytes: number;
}

/**
 * The hashes of all blocks of one canonical stream, which lead to its root. There is no way to have one
 * whose hashes were not checked: it is computed from a stream or compared with a root.
 */
export class BlockTable {
  readonly lengthBytes: number;
  readonly count: number;
  /** count × 32 bytes. Shared; not to be changed. */
  readonly hashes: Uint8Array;
  readonly root: ContentRoot;

  private constructor(hashes: Uint8Array, lengthBytes: number, root: ContentRoot) {
    this.hashes = hashes;
    this.lengthBytes = lengthBytes;
    this.count = blockCount(lengthBytes);
    this.root = root;
  }

  /**
   * Reads the stream once, a block at a time.
   * @throws {ContentError} TABLE_SIZE when it is empty or too long.
   */
  static ofStream(source: ByteSource): BlockTable {
    const count = blockCount(source.sizeBytes);
    const hashes = new Uint8Array(count * HASH_BYTES);
    for (let index = 0; index < count; index++) {
      const offset = index * BLOCK_BYTES;
      const sizeBytes = Math.min(BLOCK_BYTES, source.sizeBytes - offset);
      hashes.set(leafHash(source.read(offset, sizeBytes)), index * HASH_BYTES);
    }
    return new BlockTable(hashes, source.sizeBytes, rootOf(hashes, source.sizeBytes));
  }

  /**
   * Step 3 (plan): a table as a peer sent it, under the length and root of a signed record. Keeps
   * `hashes`; the caller must not change them afterwards.
   * @throws {ContentError} TABLE_SIZE, ROOT_MISMATCH
   */
  static verified(hashes: Uint8Array, lengthBytes: number, root: ContentRoot): BlockTable {
    const actual = rootOf(hashes, lengthBytes);
    if (!equal(actual, root)) {
      throw new ContentError("ROOT_MISMATCH", "the block table does not lead to the signed root", {
        blame: "peer",
        expected: root,
        actual,
      });
    }
    return new BlockTable(hashes, lengthBytes, root);
  }

  /** Shares memory with the table. @throws {RangeError} when there is no such block. */
  hashOf(index: number): Uint8Array {
    this.#check(index);
    return this.hashes.subarray(index * HASH_BYTES, (index + 1) * HASH_BYTES);
  }

  /** Where the block lies in the stream. @throws {RangeError} when there is no such block. */
  blockRange(index: number): BlockRange {
    this.#check(index);
    const offset = index * BLOCK_BYTES;
    return { offset, sizeBytes: Math.min(BLOCK_BYTES, this.lengthBytes - offset) };
  }

  /** Step 4 (fetch): are these the bytes of that block? */
  isBlock(index: number, bytes: Uint8Array): boolean {
    return (
      bytes.length === this.blockRange(index).sizeBytes &&
      equal(leafHash(bytes), this.hashOf(index))
    );
  }

  #check(index: number): void {
    if (!Number.isInteger(index) || index < 0 || index >= this.count) {
      throw new RangeError(`block ${index} of ${this.count}`);
    }
  }
}
