/**
 * A piece of the new stream as copies of old bytes, differences added to them, and what is new.
 *
 *   delta    = section(control) section(changes) section(news)
 *   section  = size: varint ‖ coded size: varint, 0 when stored as it is ‖ bytes (zstd frame or stored)
 *   control  = number of copies: varint
 *              per copy: new bytes before it ‖ its size ‖ zigzag(old offset − end of the copy before), varints
 *              then over all copied bytes, in order, until all are covered: equal bytes ‖ changed bytes, varints
 *   changes  = for each changed byte: new − old mod 256
 *   news     = all new bytes, in order; the dictionary of its frame is the copied bytes, joined
 *
 * Code that moved differs from the old code in its addresses alone: few bytes, the same differences again
 * and again (Percival, "Naive differences of executable code", 2003). Listing the changed bytes instead
 * of compressing mostly zeros makes that 10 % smaller and ten times as fast.
 */
import { concat, release } from "../core/bytes.ts";
import { Reader } from "../core/reader.ts";
import type { ByteSource } from "../core/source.ts";
import { ContentError } from "./error.ts";
import { readVarint, unzigzag, VarintWriter, zigzag } from "./varint.ts";
import { compress, decompress } from "./zstd.ts";

/** Old bytes that a piece is made of. */
export interface Copy {
  /** In the piece; ascending, without overlaps. */
  readonly at: number;
  /** In the old stream. */
  readonly from: number;
  readonly sizeBytes: number;
}

/** Equal bytes between two changes that are not worth their own entry. */
const GAP_MAX = 1;
/** Below this a frame's overhead is more than it saves. */
const COMPRESS_FROM_BYTES = 32;
/** Control is at most this many times the piece: a change of one byte takes two numbers. */
const CONTROL_FACTOR = 4;
const CONTROL_EXTRA_BYTES = 64;

/** `oldBytes` gives what a copy refers to; the result is used before the next call. */
export function encodeDelta(
  piece: Uint8Array,
  copies: readonly Copy[],
  oldBytes: (copy: Copy) => Uint8Array,
): Uint8Array {
  const control = new VarintWriter();
  control.push(copies.length);
  let end = 0;
  let oldEnd = 0;
  for (const { at, from, sizeBytes } of copies) {
    control.push(at - end);
    control.push(sizeBytes);
    control.push(zigzag(from - oldEnd));
    end = at + sizeBytes;
    oldEnd = from + sizeBytes;
  }
  const changes = new Changes(control, piece.length);
  for (const copy of copies) changes.add(piece, copy.at, oldBytes(copy));
  changes.end();
  const news = newsOf(piece, copies);
  const dictionary = news.length < COMPRESS_FROM_BYTES ? undefined : copiedOf(piece, copies);
  const delta = concat(
    ...section(control.bytes),
    ...section(changes.values),
    ...section(news, dictionary),
  );
  changes.release();
  release(news);
  return delta;
}

/**
 * The piece, which nobody has checked yet: `sizeBytes` bytes.
 * @throws {ContentError} DELTA_INVALID @throws {CoreError} TRUNCATED, TRAILING_BYTES
 */
export function applyDelta(delta: Uint8Array, old: ByteSource, sizeBytes: number): Uint8Array {
  const reader = new Reader(delta);
  const controlMax = CONTROL_FACTOR * sizeBytes + CONTROL_EXTRA_BYTES;
  const steps = readSection(reader, controlMax);
  const control = new Reader(steps);
  const values = readSection(reader, sizeBytes);
  const changes = new Reader(values);
  const piece = new Uint8Array(sizeBytes);
  const copies = readCopies(control, old.sizeBytes, sizeBytes);
  for (const { at, from, sizeBytes: count } of copies) piece.set(old.read(from, count), at);
  applyChanges(piece, copies, control, changes, values);
  control.end();
  changes.end();
  const copiedBytes = copies.reduce((sum, copy) => sum + copy.sizeBytes, 0);
  const newsMax = sizeBytes - copiedBytes;
  release(steps);
  release(values);
  const inserted = readSection(reader, newsMax, () => copiedOf(piece, copies));
  const news = new Reader(inserted);
  reader.end();
  let end = 0;
  for (const { at, sizeBytes: count } of [...copies, { at: sizeBytes, sizeBytes: 0 }]) {
    piece.set(news.bytes(at - end), end);
    end = at + count;
  }
  news.end();
  release(inserted);
  return piece;
}

/** Collects equal and changed stretches over the copied bytes as if they were joined. */
class Changes {
  readonly #control: VarintWriter;
  readonly #values: Uint8Array;
  #count = 0;
  #equal = 0;
  #changed = 0;
  /** Equal bytes since the last change, not yet known to end the stretch. */
  #gap = 0;

  constructor(control: VarintWriter, maxCount: number) {
    this.#control = control;
    this.#values = new Uint8Array(maxCount);
  }

  get values(): Uint8Array {
    return this.#values.subarray(0, this.#count);
  }

  add(piece: Uint8Array, at: number, old: Uint8Array): void {
    for (let i = 0; i < old.length; i++) {
      const change = ((piece[at + i] ?? 0) - (old[i] ?? 0)) & 0xff;
      if (change === 0) {
        if (this.#changed === 0) this.#equal++;
        else if (++this.#gap > GAP_MAX) this.#flush();
        continue;
      }
      for (; this.#gap > 0; this.#gap--) this.#change(0);
      this.#change(change);
    }
  }

  end(): void {
    if (this.#equal > 0 || this.#changed > 0) this.#flush();
    if (this.#equal > 0) this.#flush();
  }

  /** Ends `values`. */
  release(): void {
    release(this.#values);
  }

  #change(value: number): void {
    this.#values[this.#count++] = value;
    this.#changed++;
  }

  #flush(): void {
    this.#control.push(this.#equal);
    this.#control.push(this.#changed);
    this.#equal = this.#gap;
    this.#changed = 0;
    this.#gap = 0;
  }
}

function readCopies(control: Reader, oldBytes: number, pieceBytes: number): Copy[] {
  const copies: Copy[] = [];
  let left = readVarint(control, pieceBytes);
  let end = 0;
  let oldEnd = 0;
  for (; left > 0; left--) {
    const at = end + readVarint(control, pieceBytes - end);
    const sizeBytes = readVarint(control, pieceBytes - at);
    const from = oldEnd + unzigzag(readVarint(control, 2 * oldBytes));
    if (sizeBytes === 0 || from < 0 || from + sizeBytes > oldBytes) {
      throw new ContentError("DELTA_INVALID", "a copy of bytes that are not there", {
        blame: "peer",
        from,
        sizeBytes,
        oldBytes,
      });
    }
    copies.push({ at, from, sizeBytes });
    end = at + sizeBytes;
    oldEnd = from + sizeBytes;
  }
  return copies;
}

/** `changes` reads `values`. */
function applyChanges(
  piece: Uint8Array,
  copies: readonly Copy[],
  control: Reader,
  changes: Reader,
  values: Uint8Array,
): void {
  let equal = 0;
  let changed = 0;
  const total = copies.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  let covered = 0;
  for (const { at, sizeBytes } of copies) {
    let done = 0;
    while (done < sizeBytes) {
      if (equal === 0 && changed === 0) {
        equal = readVarint(control, total - covered);
        changed = readVarint(control, total - covered - equal);
        covered += equal + changed;
      }
      const skipped = Math.min(equal, sizeBytes - done);
      equal -= skipped;
      done += skipped;
      const count = Math.min(changed, sizeBytes - done);
      // Thousands in a piece when all addresses have moved: a view of each would be most of an update's garbage.
      const from = changes.offset;
      changes.skip(count);
      for (let i = 0; i < count; i++) {
        const index = at + done + i;
        piece[index] = (piece[index] ?? 0) + (values[from + i] ?? 0);
      }
      changed -= count;
      done += count;
    }
  }
}

/** As large as the largest piece so far: one for each piece would be a hundred megabytes of garbage in an update. */
let scratch = new Uint8Array(0);

/** The copied parts of a piece, joined. Valid until the next call. */
function copiedOf(piece: Uint8Array, copies: readonly Copy[]): Uint8Array {
  if (scratch.length < piece.length) scratch = new Uint8Array(piece.length);
  let end = 0;
  for (const { at, sizeBytes } of copies) {
    scratch.set(piece.subarray(at, at + sizeBytes), end);
    end += sizeBytes;
  }
  return scratch.subarray(0, end);
}

/** The others. */
function newsOf(piece: Uint8Array, copies: readonly Copy[]): Uint8Array {
  const copiedBytes = copies.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const news = new Uint8Array(piece.length - copiedBytes);
  let end = 0;
  let newsEnd = 0;
  for (const { at, sizeBytes } of copies) {
    news.set(piece.subarray(end, at), newsEnd);
    newsEnd += at - end;
    end = at + sizeBytes;
  }
  news.set(piece.subarray(end), newsEnd);
  return news;
}

function section(bytes: Uint8Array, dictionary?: Uint8Array): [Uint8Array, Uint8Array] {
  const frame = bytes.length < COMPRESS_FROM_BYTES ? bytes : compress(bytes, dictionary);
  const isStored = frame.length >= bytes.length;
  const sizes = new VarintWriter();
  sizes.push(bytes.length);
  sizes.push(isStored ? 0 : frame.length);
  return [sizes.bytes, isStored ? bytes : frame];
}

/** The dictionary is only made for what is compressed: it is as large as the piece. */
function readSection(reader: Reader, maxBytes: number, dictionary?: () => Uint8Array): Uint8Array {
  const sizeBytes = readVarint(reader, maxBytes);
  const codedBytes = readVarint(reader, sizeBytes);
  if (codedBytes === 0) return reader.bytes(sizeBytes);
  return decompress(reader.bytes(codedBytes), sizeBytes, dictionary?.());
}
