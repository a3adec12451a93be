import type { ContentRoot } from "../core/brand.ts";
import { equal, toHex } from "../core/bytes.ts";
import { CHUNK_MAX_BYTES, CHUNK_MIN_BYTES, EXECUTABLE_MAX_BYTES } from "../core/limits.ts";
import type { ByteSource } from "../core/source.ts";
import { chunksOf } from "./chunker.ts";
import { ContentError } from "./error.ts";
import { chunkHash, HASH_BYTES, isRunEnd, rootOf, runHash } from "./merkle.ts";

export interface ByteRange {
  readonly offset: number;
  readonly sizeBytes: number;
}

/** Work is handed back to the caller after this many bytes: about 5 ms. */
const SLICE_BYTES = 2 * 1024 * 1024;

/**
 * Sizes and hashes of all chunks of one canonical stream, which lead to its root. There is no way to have
 * one that was not checked: it is computed from a stream or compared with a root.
 */
export class ChunkTable {
  readonly lengthBytes: number;
  readonly count: number;
  readonly root: ContentRoot;
  /** 32 bytes for each run. Shared; not to be changed. */
  readonly runHashes: Uint8Array;
  readonly #hashes: Uint8Array;
  /** count + 1: the last one is the length. */
  readonly #offsets: Uint32Array;
  /** Index of the first chunk of each run; one more, which is the count. */
  readonly #runs: Uint32Array;
  #byHash: Map<string, number> | undefined;

  private constructor(draft: TableDraft) {
    this.lengthBytes = draft.lengthBytes;
    this.count = draft.sizes.length;
    this.#hashes = new Uint8Array(this.count * HASH_BYTES);
    this.#offsets = new Uint32Array(this.count + 1);
    const runs = [0];
    const runHashes: Uint8Array[] = [];
    for (const [index, size] of draft.sizes.entries()) {
      const hash = draft.hashes[index] ?? EMPTY;
      this.#hashes.set(hash, index * HASH_BYTES);
      this.#offsets[index + 1] = (this.#offsets[index] ?? 0) + size;
      const first = runs.at(-1) ?? 0;
      if (isRunEnd(hash, index - first) || index + 1 === this.count) {
        const hashes = this.#hashes.subarray(first * HASH_BYTES, (index + 1) * HASH_BYTES);
        runHashes.push(runHash(hashes, draft.sizes.slice(first, index + 1)));
        runs.push(index + 1);
      }
    }
    this.#runs = Uint32Array.from(runs);
    this.runHashes = new Uint8Array(Buffer.concat(runHashes));
    this.root = rootOf(this.lengthBytes, this.runHashes);
  }

  /** Reads the stream once. @throws {ContentError} TABLE_SIZE when it is empty or too long. */
  static ofStream(source: ByteSource): ChunkTable {
    const steps = ChunkTable.inSlices(source);
    for (;;) {
      const step = steps.next();
      if (step.done === true) return step.value;
    }
  }

  /**
   * The same with a pause every few milliseconds, for whoever has other things to do meanwhile.
   * @throws {ContentError} TABLE_SIZE
   */
  static *inSlices(source: ByteSource): Generator<void, ChunkTable> {
    checkLength(source.sizeBytes);
    const hashes: Uint8Array[] = [];
    const sizes: number[] = [];
    let pauseAt = SLICE_BYTES;
    for (const { offset, bytes } of chunksOf(source)) {
      hashes.push(chunkHash(bytes));
      sizes.push(bytes.length);
      if (offset < pauseAt) continue;
      pauseAt += SLICE_BYTES;
      yield;
    }
    return new ChunkTable({ lengthBytes: source.sizeBytes, hashes, sizes });
  }

  /**
   * Step 3 (plan): a table as peers described it, under the length and root of a signed record.
   * @throws {ContentError} TABLE_SIZE, ROOT_MISMATCH
   */
  static verified(draft: TableDraft, root: ContentRoot): ChunkTable {
    const { lengthBytes, hashes, sizes } = draft;
    checkLength(lengthBytes);
    const total = sizes.reduce((sum, size) => sum + size, 0);
    // Only the last chunk may be a short one: no list is longer than the stream allows.
    const isSized = sizes.every(
      (size, i) => size <= CHUNK_MAX_BYTES && (size >= CHUNK_MIN_BYTES || i + 1 === sizes.length),
    );
    if (hashes.length !== sizes.length || total !== lengthBytes || !isSized) {
      throw new ContentError("TABLE_SIZE", "the chunks do not make up the stream", {
        blame: "peer",
        expected: lengthBytes,
        actual: total,
      });
    }
    const table = new ChunkTable(draft);
    if (!equal(table.root, root)) {
      throw new ContentError("ROOT_MISMATCH", "the chunk table does not lead to the signed root", {
        blame: "peer",
        expected: root,
        actual: table.root,
      });
    }
    return table;
  }

  get runCount(): number {
    return this.#runs.length - 1;
  }

  /** Shares memory with the table. @throws {RangeError} when there is no such chunk. */
  hashOf(index: number): Uint8Array {
    check(index, this.count);
    return this.#hashes.subarray(index * HASH_BYTES, (index + 1) * HASH_BYTES);
  }

  /** Where `count` chunks lie in the stream. @throws {RangeError} when there are no such chunks. */
  rangeOf(index: number, count = 1): ByteRange {
    check(index, this.count);
    check(index + count - 1, this.count);
    const offset = this.#offsets[index] ?? 0;
    return { offset, sizeBytes: (this.#offsets[index + count] ?? 0) - offset };
  }

  /** The chunk that the byte at `offset` is in. @throws {RangeError} when there is no such byte. */
  indexAt(offset: number): number {
    check(offset, this.lengthBytes);
    let low = 0;
    let high = this.count - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if ((this.#offsets[middle] ?? 0) <= offset) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** The chunks of a run. @throws {RangeError} when there is no such run. */
  chunksOfRun(run: number): { readonly first: number; readonly count: number } {
    check(run, this.runCount);
    const first = this.#runs[run] ?? 0;
    return { first, count: (this.#runs[run + 1] ?? 0) - first };
  }

  /** Shares memory with the table. @throws {RangeError} when there is no such run. */
  runHashOf(run: number): Uint8Array {
    check(run, this.runCount);
    return this.runHashes.subarray(run * HASH_BYTES, (run + 1) * HASH_BYTES);
  }

  /** The first chunk with this hash. */
  find(hash: Uint8Array): number | undefined {
    if (this.#byHash === undefined) {
      this.#byHash = new Map();
      for (let i = this.count - 1; i >= 0; i--) this.#byHash.set(toHex(this.hashOf(i)), i);
    }
    return this.#byHash.get(toHex(hash));
  }

  /** Step 4 (fetch): are these the bytes of that chunk? */
  isChunk(index: number, bytes: Uint8Array): boolean {
    return (
      bytes.length === this.rangeOf(index).sizeBytes && equal(chunkHash(bytes), this.hashOf(index))
    );
  }

  /** Step 4 (fetch): are these the bytes of those chunks? */
  areChunks(first: number, count: number, bytes: Uint8Array): boolean {
    const { offset: start, sizeBytes } = this.rangeOf(first, count);
    if (bytes.length !== sizeBytes) return false;
    for (let index = first; index < first + count; index++) {
      const range = this.rangeOf(index);
      const at = range.offset - start;
      if (!this.isChunk(index, bytes.subarray(at, at + range.sizeBytes))) return false;
    }
    return true;
  }
}

/** A table of which nothing is checked. */
export interface TableDraft {
  readonly lengthBytes: number;
  /** 32 bytes each. */
  readonly hashes: readonly Uint8Array[];
  readonly sizes: readonly number[];
}

const EMPTY = new Uint8Array(HASH_BYTES);

function check(index: number, count: number): void {
  if (!Number.isInteger(index) || index < 0 || index >= count) {
    throw new RangeError(`${index} of ${count}`);
  }
}

function checkLength(lengthBytes: number): void {
  if (!(lengthBytes >= 1 && lengthBytes <= EXECUTABLE_MAX_BYTES)) {
    throw new ContentError("TABLE_SIZE", `a stream has 1 to ${EXECUTABLE_MAX_BYTES} bytes`, {
      blame: "artifact",
      lengthBytes,
      maxBytes: EXECUTABLE_MAX_BYTES,
    });
  }
}
