/**
 * The chunk table on the wire, as runs: those that the getter has already are named, the others spelled
 * out. What the getter has is told by 4 bytes for each of its runs; a wrong match is found out by the root,
 * and then everything is spelled out.
 *
 *   page  = entry …
 *   entry = 00 ‖ first: varint ‖ count: varint                    runs of the getter's list, in a row
 *         | chunks: u8 1…64 ‖ for each: size − 1, u16 LE ‖ hash    a run
 *         | 64 + chunks: u8 ‖ for each: 00 ‖ size − 1, u16 LE ‖ hash, or
 *                                       1 + zigzag(chunk − the chunk named before − 1): varint
 *
 * The last form is for a provider that knows the getter's whole table: it names single chunks of it too.
 */
import {
  CHUNK_MIN_BYTES,
  CHUNKS_PER_RUN_MAX,
  EXECUTABLE_MAX_BYTES,
  UINT_MAX,
} from "../core/limits.ts";
import { concat, u16le } from "../core/bytes.ts";
import type { ContentRoot } from "../core/brand.ts";
import { Reader } from "../core/reader.ts";
import { ChunkTable } from "./table.ts";
import { ContentError } from "./error.ts";
import { HASH_BYTES } from "./merkle.ts";
import { readVarint, unzigzag, VarintWriter, zigzag } from "./varint.ts";

/** Bytes that stand for one run in the getter's list. */
export const SHORT_ID_BYTES: number = 4;

/** Before any chunk was named. */
const NONE = -1;

/** The getter's list: 4 bytes for each run. */
export function shortIdsOf(table: ChunkTable): Uint8Array {
  const ids = new Uint8Array(table.runCount * SHORT_ID_BYTES);
  for (let run = 0; run < table.runCount; run++) {
    ids.set(table.runHashOf(run).subarray(0, SHORT_ID_BYTES), run * SHORT_ID_BYTES);
  }
  return ids;
}

/** What the provider knows of the getter: the list it was sent, or all. */
export type Known = Uint8Array | ChunkTable;

/**
 * The provider's part: runs from `firstRun` on, as many as go into `maxBytes`, and at least one.
 * @throws {RangeError} when there is no such run.
 */
export function encodePage(
  table: ChunkTable,
  firstRun: number,
  known: Known,
  maxBytes: number,
): Uint8Array {
  const shortIds = known instanceof ChunkTable ? shortIdsOf(known) : known;
  const spell = known instanceof ChunkTable ? new Naming(table, known) : new Spelling(table);
  const listed = new Map<number, number>();
  const idAt = (index: number): number => idOf(shortIds, index);
  for (let i = shortIds.length / SHORT_ID_BYTES - 1; i >= 0; i--) listed.set(idAt(i), i);
  const parts: Uint8Array[] = [];
  let sizeBytes = 0;
  for (let run = firstRun; run < table.runCount && sizeBytes < maxBytes;) {
    const first = listed.get(idOf(table.runHashOf(run), 0));
    let part: Uint8Array;
    let count = 1;
    if (first === undefined) part = spell.run(run);
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
  /** The local chunk that was named last on this page. */
  #named = NONE;

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
    this.#named = NONE;
    while (reader.remaining > 0) {
      const kind = reader.u8();
      if (kind > 2 * CHUNKS_PER_RUN_MAX) throw invalid("a run of too many chunks");
      if (kind === 0) this.#addReference(reader);
      else {
        this.#runs++;
        const isNaming = kind > CHUNKS_PER_RUN_MAX;
        const count = isNaming ? kind - CHUNKS_PER_RUN_MAX : kind;
        for (let i = 0; i < count; i++) {
          if (!isNaming || !this.#addNamed(reader)) this.#addSpelled(reader);
        }
      }
    }
  }

  /** @throws {ContentError} TABLE_SIZE, ROOT_MISMATCH */
  finish(root: ContentRoot): ChunkTable {
    const draft = { lengthBytes: this.#lengthBytes, hashes: this.#hashes, sizes: this.#sizes };
    return ChunkTable.verified(draft, root);
  }

  #addSpelled(reader: Reader): void {
    const size = reader.u16le() + 1;
    this.#addChunk(reader.bytes(HASH_BYTES).slice(), size);
  }

  /** False when the chunk follows, spelled out. */
  #addNamed(reader: Reader): boolean {
    const local = this.#local;
    const name = readVarint(reader, UINT_MAX);
    if (name === 0) return false;
    const index = this.#named + 1 + unzigzag(name - 1);
    if (local === undefined || index < 0 || index >= local.count) {
      throw invalid("a reference to no chunk");
    }
    this.#named = index;
    this.#addChunk(local.hashOf(index), local.rangeOf(index).sizeBytes);
    return true;
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

function spelled(table: ChunkTable, index: number): Uint8Array {
  return concat(u16le(table.rangeOf(index).sizeBytes - 1), table.hashOf(index));
}

/** Runs for a getter of whose chunks nothing is known. */
class Spelling {
  readonly #table: ChunkTable;

  constructor(table: ChunkTable) {
    this.#table = table;
  }

  run(run: number): Uint8Array {
    const { first, count } = this.#table.chunksOfRun(run);
    const chunks = Array.from({ length: count }, (_, i) => spelled(this.#table, first + i));
    return concat(Uint8Array.of(count), ...chunks);
  }
}

/** Runs for a getter whose chunks are all known. */
class Naming {
  readonly #table: ChunkTable;
  readonly #known: ChunkTable;
  #named = NONE;

  constructor(table: ChunkTable, known: ChunkTable) {
    this.#table = table;
    this.#known = known;
  }

  run(run: number): Uint8Array {
    const { first, count } = this.#table.chunksOfRun(run);
    const parts: Uint8Array[] = [Uint8Array.of(CHUNKS_PER_RUN_MAX + count)];
    for (let index = first; index < first + count; index++) {
      const known = this.#known.find(this.#table.hashOf(index));
      const name = new VarintWriter();
      if (known === undefined) {
        name.push(0);
        parts.push(name.bytes, spelled(this.#table, index));
        continue;
      }
      name.push(1 + zigzag(known - this.#named - 1));
      parts.push(name.bytes);
      this.#named = known;
    }
    return concat(...parts);
  }
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
