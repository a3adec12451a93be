/**
 * Where in an old stream the bytes of a new one come from. A table of anchors (the hash of every 32nd 32
 * bytes) finds a place, and comparing from there in both directions, with mistakes allowed, finds how far
 * it carries: bsdiff's idea without its suffix array, which takes 17 times the file in memory and a minute.
 *
 * Bounded: 16 MiB for the table, whatever the size of the stream; the old stream is read by ranges.
 */
import type { ByteSource } from "../core/source.ts";
import { encodeDelta, type Copy } from "./delta.ts";
import { RollingHash } from "./rolling.ts";

const ANCHOR_BYTES = 32;
const SLOT_BITS = 22;
/** The rest of an entry: a part of the hash, which spares most of the reads in vain. */
const TAG_BITS = 32 - SLOT_BITS;
const ANCHORS_MAX = 2 ** SLOT_BITS - 1;
/** How many more mistakes than matches end a comparison. */
const FORWARD_PATIENCE = 32;
const BACKWARD_PATIENCE = 16;
/** Old bytes read at a time while comparing. */
const COMPARE_BYTES = 4096;
/** Old bytes hashed at a time: a few milliseconds. */
const SLICE_BYTES = 1024 * 1024;

export class DeltaIndex {
  readonly #old: ByteSource;
  readonly #rolling = new RollingHash(ANCHOR_BYTES);
  /** Old bytes from one anchor to the next. */
  readonly #strideBytes: number;
  /** By a part of the hash: anchor number + 1 in the low bits, another part of the hash above them. */
  readonly #slots = new Uint32Array(2 ** SLOT_BITS);

  private constructor(old: ByteSource) {
    this.#old = old;
    const strides = Math.ceil(old.sizeBytes / ANCHOR_BYTES / ANCHORS_MAX);
    this.#strideBytes = Math.max(1, strides) * ANCHOR_BYTES;
  }

  /** Reads the old stream once, with a pause every few milliseconds. It must stay readable. */
  static *inSlices(old: ByteSource): Generator<void, DeltaIndex> {
    const index = new DeltaIndex(old);
    const stride = index.#strideBytes;
    const sliceBytes = Math.max(stride, SLICE_BYTES - (SLICE_BYTES % stride));
    for (let offset = 0; offset < old.sizeBytes; offset += sliceBytes) {
      index.#addSlice(offset, old.read(offset, Math.min(sliceBytes, old.sizeBytes - offset)));
      yield;
    }
    return index;
  }

  /** @see encodeDelta */
  encode(piece: Uint8Array): Uint8Array {
    return encodeDelta(piece, this.copiesFor(piece), ({ from, sizeBytes }) =>
      this.#old.read(from, sizeBytes),
    );
  }

  /** Old bytes that the piece can be made of, ascending. */
  copiesFor(piece: Uint8Array): Copy[] {
    const copies: Copy[] = [];
    const lastAnchor = piece.length - ANCHOR_BYTES;
    let end = 0;
    let shift: number | undefined;
    let at = 0;
    let hash = lastAnchor >= 0 ? this.#rolling.of(piece, 0) : 0;
    while (at <= lastAnchor) {
      const anchor = this.#anchorOf(piece, at, hash);
      if (anchor === undefined) {
        hash = this.#rolling.next(hash, piece, at++);
        continue;
      }
      let from = anchor;
      let forward = this.#forward(piece, at, from);
      // Repeated bytes have anchors in many places: where the copy before came from is the likely one.
      if (shift !== undefined && at + shift !== from) {
        const same = this.#forward(piece, at, at + shift);
        if (same >= forward) [from, forward] = [at + shift, same];
      }
      const backward = this.#backward(piece, at, from, end);
      copies.push({ at: at - backward, from: from - backward, sizeBytes: backward + forward });
      shift = from - at;
      at += forward;
      end = at;
      if (at <= lastAnchor) hash = this.#rolling.of(piece, at);
    }
    return copies;
  }

  #addSlice(offset: number, bytes: Uint8Array): void {
    const stride = this.#strideBytes;
    for (let at = 0; at + ANCHOR_BYTES <= bytes.length; at += stride) {
      const hash = spread(this.#rolling.of(bytes, at));
      const number = (offset + at) / stride + 1;
      this.#slots[hash >>> TAG_BITS] = tag(hash) | number;
    }
  }

  #anchorOf(piece: Uint8Array, at: number, rolling: number): number | undefined {
    const hash = spread(rolling);
    const entry = this.#slots[hash >>> TAG_BITS] ?? 0;
    if (entry === 0 || (entry ^ tag(hash)) >>> SLOT_BITS !== 0) return undefined;
    const from = ((entry & ANCHORS_MAX) - 1) * this.#strideBytes;
    const old = this.#old.read(from, ANCHOR_BYTES);
    for (let i = 0; i < ANCHOR_BYTES; i++) if (old[i] !== piece[at + i]) return undefined;
    return from;
  }

  /** For how many bytes `piece` at `at` is much like the old stream at `from`. */
  #forward(piece: Uint8Array, at: number, from: number): number {
    const old = this.#old;
    if (from < 0 || from >= old.sizeBytes) return 0;
    const limit = Math.min(piece.length - at, old.sizeBytes - from);
    let score = 0;
    let bestScore = 0;
    let best = 0;
    for (let start = 0; start < limit; start += COMPARE_BYTES) {
      const bytes = old.read(from + start, Math.min(COMPARE_BYTES, limit - start));
      for (let i = 0; i < bytes.length; i++) {
        score += bytes[i] === piece[at + start + i] ? 1 : -1;
        if (score >= bestScore) {
          bestScore = score;
          best = start + i + 1;
        } else if (score < bestScore - FORWARD_PATIENCE) return best;
      }
    }
    return best;
  }

  /** The same before `at` and `from`, down to `end` of the piece. */
  #backward(piece: Uint8Array, at: number, from: number, end: number): number {
    const limit = Math.min(at - end, from);
    let score = 0;
    let bestScore = 0;
    let best = 0;
    for (let start = 0; start < limit; start += COMPARE_BYTES) {
      const count = Math.min(COMPARE_BYTES, limit - start);
      const bytes = this.#old.read(from - start - count, count);
      for (let i = 1; i <= count; i++) {
        score += bytes[count - i] === piece[at - start - i] ? 1 : -1;
        if (score >= bestScore) {
          bestScore = score;
          best = start + i;
        } else if (score < bestScore - BACKWARD_PATIENCE) return best;
      }
    }
    return best;
  }
}

/** The high bits depend on all of the hash: the slot is taken from them. */
function spread(hash: number): number {
  return Math.imul(hash ^ (hash >>> 15), 0x9e3779b1) >>> 0;
}

function tag(hash: number): number {
  return (hash << SLOT_BITS) >>> 0;
}
