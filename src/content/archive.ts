/**
 * Older versions, each as the differences to the one after it: some kilobytes keep a version of a hundred
 * megabytes readable, so that whoever is several versions behind needs only what is different, too.
 *
 *   archive = magic 8 bytes ‖ size of the rest: u32 LE ‖ root 32 ‖ root of the version after it 32 ‖
 *             stream length: u32 LE ‖ page size: u32 LE ‖ page (outline.ts, naming chunks of the version after)
 *             then for each piece: first: u32 LE ‖ count: u32 LE ‖ coded size: u32 LE ‖ coded (piece.ts)
 *
 * Archives stand in a row in one file, the newest first. What is read from one is as good as the disk: whoever
 * uses it compares the root first.
 */
import { asContentRoot, type ContentRoot } from "../core/brand.ts";
import { concat, equal, u32le } from "../core/bytes.ts";
import { EXECUTABLE_MAX_BYTES, PIECE_MAX_BYTES } from "../core/limits.ts";
import { Reader } from "../core/reader.ts";
import { checkRange, part, type ByteSource } from "../core/source.ts";
import { DeltaIndex } from "./delta-index.ts";
import { ContentError } from "./error.ts";
import { HASH_BYTES } from "./merkle.ts";
import { encodePage, OutlineReader } from "./outline.ts";
import type { Content } from "./content.ts";
import { decodePiece, encodePiece, isTooLarge } from "./piece.ts";
import { ChunkPlan, piecesOf, type Piece } from "./plan.ts";
import type { ChunkTable } from "./table.ts";

const MAGIC = Uint8Array.of(0x72, 0x70, 0x61, 0x72, 0x63, 0x0d, 0x0a, 0x01);
const FRAME_BYTES = MAGIC.length + 4;
const HEAD_BYTES = 2 * HASH_BYTES + 4 + 4;
const PIECE_HEAD_BYTES = 12;
/** Decoded pieces that are kept: reads come close together. */
const DECODED_MAX = 4;

/**
 * `old` as differences to `next`, with a pause every few milliseconds. Undefined when it would be larger
 * than `maxBytes`.
 */
export function* archiveInSlices(
  old: Content,
  next: Content,
  maxBytes: number,
): Generator<void, Uint8Array | undefined> {
  const page = encodePage(old.table, 0, next.table, EXECUTABLE_MAX_BYTES);
  const sizes = concat(u32le(old.table.lengthBytes), u32le(page.length));
  const parts = [concat(old.table.root, next.table.root, sizes, page)];
  let sizeBytes = HEAD_BYTES + page.length;
  const { missing } = new ChunkPlan(old.table, next.table);
  const index = yield* DeltaIndex.inSlices(next.stream);
  const pending = piecesOf(old.table, missing, PIECE_MAX_BYTES).toReversed();
  for (let piece = pending.pop(); piece !== undefined; piece = pending.pop()) {
    const { first, count } = piece;
    const range = old.table.rangeOf(first, count);
    const bytes = old.stream.read(range.offset, range.sizeBytes).slice();
    const coded = encodePiece(bytes, index.encode(bytes));
    if (isTooLarge(coded)) {
      const half = Math.ceil(count / 2);
      pending.push({ first: first + half, count: count - half }, { first, count: half });
      continue;
    }
    parts.push(concat(u32le(first), u32le(count), u32le(coded.length), coded));
    sizeBytes += PIECE_HEAD_BYTES + coded.length;
    if (FRAME_BYTES + sizeBytes > maxBytes) return undefined;
    yield;
  }
  return concat(MAGIC, u32le(sizeBytes), ...parts);
}

/** One archive in a file of them. */
export class Archive {
  readonly root: ContentRoot;
  /** Of the version after it. */
  readonly nextRoot: ContentRoot;
  /** Of the archive. */
  readonly sizeBytes: number;
  readonly #lengthBytes: number;
  /** Without the head. */
  readonly #body: ByteSource;

  private constructor(head: Reader, sizeBytes: number, body: (headBytes: number) => ByteSource) {
    this.root = asContentRoot(head.bytes(HASH_BYTES).slice());
    this.nextRoot = asContentRoot(head.bytes(HASH_BYTES).slice());
    this.#lengthBytes = head.u32le();
    this.sizeBytes = sizeBytes;
    this.#body = body(FRAME_BYTES + 2 * HASH_BYTES + 4);
  }

  /** Those that stand whole at the start of the file, in order. Reads their heads alone. */
  static list(file: ByteSource): Archive[] {
    const archives: Archive[] = [];
    for (let offset = 0; offset + FRAME_BYTES + HEAD_BYTES <= file.sizeBytes;) {
      const head = new Reader(file.read(offset, FRAME_BYTES + HEAD_BYTES).slice());
      if (!equal(head.bytes(MAGIC.length), MAGIC)) break;
      const sizeBytes = FRAME_BYTES + head.u32le();
      if (offset + sizeBytes > file.sizeBytes || sizeBytes < FRAME_BYTES + HEAD_BYTES) break;
      const start = offset;
      const bodyOf = (headBytes: number): ByteSource =>
        part(file, start + headBytes, sizeBytes - headBytes);
      archives.push(new Archive(head, sizeBytes, bodyOf));
      offset += sizeBytes;
    }
    return archives;
  }

  /** The old version over the one after it, which is not asked for before something is read. */
  over(next: () => Content): LazyContent {
    let opened: Content | undefined;
    const open = (): Content => (opened ??= this.#open(next()));
    return {
      content: open,
      stream: {
        sizeBytes: this.#lengthBytes,
        read: (offset, sizeBytes) => open().stream.read(offset, sizeBytes),
      },
    };
  }

  /** @throws {ContentError} @throws {CoreError} when it is not an archive over `next` */
  #open(next: Content): Content {
    const pageBytes = new Reader(this.#body.read(0, 4)).u32le();
    const outline = new OutlineReader(this.#lengthBytes, next.table);
    outline.add(this.#body.read(4, pageBytes));
    const table = outline.finish(this.root);
    const pieces = this.#pieces(4 + pageBytes);
    return { table, stream: new ArchivedStream(table, pieces, this.#body, next) };
  }

  #pieces(start: number): StoredPiece[] {
    const pieces: StoredPiece[] = [];
    for (let offset = start; offset < this.#body.sizeBytes;) {
      const head = new Reader(this.#body.read(offset, PIECE_HEAD_BYTES));
      const [first, count, sizeBytes] = [head.u32le(), head.u32le(), head.u32le()];
      offset += PIECE_HEAD_BYTES;
      pieces.push({ first, count, offset, sizeBytes });
      offset += sizeBytes;
    }
    return pieces;
  }
}

export interface LazyContent {
  readonly stream: ByteSource;
  readonly content: () => Content;
}

interface StoredPiece extends Piece {
  /** Of what is coded, in the body. */
  readonly offset: number;
  readonly sizeBytes: number;
}

/** Chunks from the version after, or from the stored pieces. */
class ArchivedStream implements ByteSource {
  readonly sizeBytes: number;
  readonly #table: ChunkTable;
  readonly #plan: ChunkPlan;
  readonly #next: ByteSource;
  readonly #body: ByteSource;
  /** By each of its chunks. */
  readonly #stored = new Map<number, StoredPiece>();
  readonly #decoded = new Map<StoredPiece, Uint8Array>();

  constructor(table: ChunkTable, pieces: readonly StoredPiece[], body: ByteSource, next: Content) {
    this.sizeBytes = table.lengthBytes;
    this.#table = table;
    this.#plan = new ChunkPlan(table, next.table);
    this.#next = next.stream;
    this.#body = body;
    for (const piece of pieces) {
      table.rangeOf(piece.first, piece.count);
      for (let i = 0; i < piece.count; i++) this.#stored.set(piece.first + i, piece);
    }
  }

  read(offset: number, sizeBytes: number): Uint8Array {
    checkRange(this, offset, sizeBytes);
    const whole = sizeBytes === 0 ? new Uint8Array(0) : this.#from(offset, sizeBytes);
    // Mostly it comes from one place: no copy of its own at each version in between.
    if (whole.length === sizeBytes) return whole;
    const out = new Uint8Array(sizeBytes);
    out.set(whole);
    for (let done = whole.length; done < sizeBytes;) {
      const bytes = this.#from(offset + done, sizeBytes - done);
      out.set(bytes, done);
      done += bytes.length;
    }
    return out;
  }

  /** What comes from one place: at least a byte, at most `maxBytes`. Valid until the next call. */
  #from(offset: number, maxBytes: number): Uint8Array {
    let index = this.#table.indexAt(offset);
    const { offset: start, sizeBytes } = this.#table.rangeOf(index);
    const here = this.#plan.localRangeOf(index);
    if (here === undefined) {
      const { bytes, startBytes } = this.#piece(index);
      return bytes.subarray(offset - startBytes).subarray(0, maxBytes);
    }
    // Neighbours that are neighbours there as well are read at once.
    let end = start + sizeBytes;
    const shift = here.offset - start;
    while (end < offset + maxBytes && this.#plan.localRangeOf(++index)?.offset === end + shift) {
      end += this.#table.rangeOf(index).sizeBytes;
    }
    return this.#next.read(offset + shift, Math.min(maxBytes, end - offset));
  }

  #piece(index: number): { readonly bytes: Uint8Array; readonly startBytes: number } {
    const stored = this.#stored.get(index);
    if (stored === undefined) {
      throw new ContentError("DELTA_INVALID", "an archive lacks a piece", {
        blame: "local",
        index,
      });
    }
    const range = this.#table.rangeOf(stored.first, stored.count);
    let bytes = this.#decoded.get(stored);
    if (bytes === undefined) {
      const coded = this.#body.read(stored.offset, stored.sizeBytes).slice();
      // A stored piece without compression shares memory with `coded`, which is ours.
      bytes = decodePiece(coded, range.sizeBytes, this.#next) ?? new Uint8Array(0);
      for (const oldest of this.#decoded.keys()) {
        if (this.#decoded.size < DECODED_MAX) break;
        this.#decoded.delete(oldest);
      }
      this.#decoded.set(stored, bytes);
    }
    return { bytes, startBytes: range.offset };
  }
}
