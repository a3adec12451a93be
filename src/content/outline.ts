/**
 * The chunk table on the wire, as runs: those that the getter has already are named, the others spelled
 * out. What the getter has is told by 4 bytes for each of its runs; a wrong match is found out by the root,
 * and then everything is spelled out.
 *
 *   page  = entry …
 *   entry = 00 ‖ first: varint ‖ count: varint                    runs of the getter's list, in a row
 *         | chunks: u8 1…64 ‖ for each: size − 1, u16 LE ‖ hash    a run
 */
import { CHUNK_MIN_BYTES, CHUNKS_PER_RUN_MAX, EXECUTABLE_MAX_BYTES } from "../core/limits.ts";
import { concat, u16le } from "../core/bytes.ts";
import type { ContentRoot } from "../core/brand.ts";
import { Reader } from "../core/reader.ts";
import { ChunkTable } from "./table.ts";
import { ContentError } from "./error.ts";
import { HASH_BYTES } from "./merkle.ts";
import { readVarint, VarintWriter } from "./varint.ts";

/** Bytes that stand for one run in the getter's list. */
export const SHORT_ID_BYTES: number = 4;

const CHUNK_ENTRY_BYTES = 2 + HASH_BYTES;

/** The getter's list: 4 bytes for each run. */
export function shortIdsOf(table: ChunkTable): Uint8Array {
  const ids = new Uint8Array(table.runCount * SHORT_ID_BYTES);
  for (let run = 0; run < table.runCount; run++) {
    ids.set(table.runHashOf(run).subarray(0, SHORT_ID_BYTES), run * SHORT_ID_BYTES);
  }
  return ids;
}

/**
 * The provider's part: runs from `firstRun` on, as many as go into `maxBytes`, and at least one.
 * @throws {RangeError} when there is no such run.
 */
export function encodePage(
  table: ChunkTable,
  firstRun: number,
  shortIds: Uint8Array,
  maxBytes: number,
): Uint8Array {
  const listed = new Map<number, number>();
  const idAt = (index: number): number => idOf(shortIds, index);
  for (let i = shortIds.length / SHORT_ID_BYTES - 1; i >= 0; i--) listed.set(idAt(i), i);
  const parts: Uint8Array[] = [];
  let sizeBytes = 0;
  for (let run = firstRun; run < table.runCount && sizeBytes < maxBytes;) {
    const first = listed.get(idOf(table.runHashOf(run), 0));
    let part: Uint8Array;
    let count = 1;
    if (first === undefined) part = spelledOut(table, run);
    else {
      while (
        run + count < table.runCount &&
        (first + count) * SHORT_ID_BYTES < shortIds.length &&
        idOf(table.runHashOf(run + count), 0) === idAt(first + count)
      ) {
        count++;
      }
      part = reference(first, count);
    }
    sizeBytes += part.length;
    if (sizeBytes > maxBytes && parts.length > 0) break;
    parts.push(part);
    run += count;
  }
  if (parts.length === 0) throw new RangeError(`run ${firstRun} of ${table.runCount}`);
  return concat(...parts);
}

/** The getter's part: pages become a table. */
export class OutlineReader {
  readonly #lengthBytes: number;
  readonly #local: ChunkTable | undefined;
  readonly #hashes: Uint8Array[] = [];
  readonly #sizes: number[] = [];
  #runs = 0;
  #sizeBytes = 0;

  /** `local` is the table whose runs were listed to the provider. */
  constructor(lengthBytes: number, local: ChunkTable | undefined) {
    this.#lengthBytes = Math.min(lengthBytes, EXECUTABLE_MAX_BYTES);
    this.#local = local;
  }

  /** The run that the next page begins with. */
  get nextRun(): number {
    return this.#runs;
  }

  get isComplete(): boolean {
    return this.#sizeBytes >= this.#lengthBytes;
  }

  /**
   * Keeps nothing of `page`.
   * @throws {ContentError} DELTA_INVALID, TABLE_SIZE @throws {CoreError} TRUNCATED
   */
  add(page: Uint8Array): void {
    const reader = new Reader(page);
    if (page.length === 0) throw invalid("an empty page of the chunk table");
    while (reader.remaining > 0) {
      const count = reader.u8();
      if (count > CHUNKS_PER_RUN_MAX) throw invalid("a run of too many chunks");
      if (count === 0) this.#addReference(reader);
      else {
        this.#runs++;
        for (let i = 0; i < count; i++) {
          const size = reader.u16le() + 1;
          this.#addChunk(reader.bytes(HASH_BYTES).slice(), size);
        }
      }
    }
  }

  /** @throws {ContentError} TABLE_SIZE, ROOT_MISMATCH */
  finish(root: ContentRoot): ChunkTable {
    const draft = { lengthBytes: this.#lengthBytes, hashes: this.#hashes, sizes: this.#sizes };
    return ChunkTable.verified(draft, root);
  }

  #addReference(reader: Reader): void {
    const local = this.#local;
    const first = readVarint(reader, Math.max(0, (local?.runCount ?? 0) - 1));
    const count = readVarint(reader, (local?.runCount ?? 0) - first);
    if (local === undefined || count === 0) throw invalid("a reference to no run");
    for (let run = first; run < first + count; run++) {
      this.#runs++;
      const chunks = local.chunksOfRun(run);
      for (let index = chunks.first; index < chunks.first + chunks.count; index++) {
        this.#addChunk(local.hashOf(index), local.rangeOf(index).sizeBytes);
      }
    }
  }

  /** Only the last chunk may be short: without that, one page could hold any number of runs to come. */
  #addChunk(hash: Uint8Array, sizeBytes: number): void {
    const isAfterLast = (this.#sizes.at(-1) ?? CHUNK_MIN_BYTES) < CHUNK_MIN_BYTES;
    this.#sizeBytes += sizeBytes;
    if (isAfterLast || this.#sizeBytes > this.#lengthBytes) {
      throw new ContentError("TABLE_SIZE", "the chunks do not make up the stream", {
        blame: "peer",
        expected: this.#lengthBytes,
      });
    }
    this.#hashes.push(hash);
    this.#sizes.push(sizeBytes);
  }
}

function spelledOut(table: ChunkTable, run: number): Uint8Array {
  const { first, count } = table.chunksOfRun(run);
  const out = new Uint8Array(1 + count * CHUNK_ENTRY_BYTES);
  out[0] = count;
  for (let i = 0; i < count; i++) {
    const at = 1 + i * CHUNK_ENTRY_BYTES;
    out.set(u16le(table.rangeOf(first + i).sizeBytes - 1), at);
    out.set(table.hashOf(first + i), at + 2);
  }
  return out;
}

function reference(first: number, count: number): Uint8Array {
  const out = new VarintWriter();
  out.push(0);
  out.push(first);
  out.push(count);
  return out.bytes;
}

function idOf(ids: Uint8Array, index: number): number {
  const at = index * SHORT_ID_BYTES;
  return new DataView(ids.buffer, ids.byteOffset, ids.byteLength).getUint32(at, true);
}

function invalid(message: string): ContentError {
  return new ContentError("DELTA_INVALID", message, { blame: "peer" });
}
