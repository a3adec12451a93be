/**
 * The bytes of a piece on the wire.
 *
 *   00 ‖ bytes           as they are
 *   01 ‖ zstd frame
 *   02 ‖ delta           against what the getter named: an old stream, or bytes that it sketched
 *   03                   too large for one answer: to be asked for in smaller pieces
 *
 * Nothing of it is believed: what comes out is compared with the hashes of the table.
 */
import { concat, release } from "../core/bytes.ts";
import { ANSWER_MAX_BYTES } from "../core/limits.ts";
import type { ByteSource } from "../core/source.ts";
import { applyDelta } from "./delta.ts";
import { ContentError } from "./error.ts";
import {
  BLOCK_HEADER_BYTES,
  compress,
  decompress,
  decompressElsewhere,
  headerLength,
} from "./zstd.ts";

/** The most an answer has. */
export const CODED_PIECE_MAX_BYTES: number = 1 + ANSWER_MAX_BYTES;

const RAW = 0;
const ZSTD = 1;
const DELTA = 2;
const TOO_LARGE = 3;
/**
 * On the fly, where no coded pieces are kept. Of Bun's executable in such pieces, seconds and share of it: level 2 0.52 and 0.491, 3 0.58
 * and 0.476, 5 1.02 and 0.471, 7 1.48 and 0.456.
 */
const LEVEL = 3;
const PADDED_FROM_BYTES = 32 * 1024;
const PADDED_TO_BYTES = 8;
/** Smaller ones are inflated in the time that it takes to ask another thread. */
const ELSEWHERE_FROM_BYTES = 64 * 1024;
/** From here on a delta is so small that nothing else needs to be tried. */
const GOOD_DELTA_SHARE = 0.25;

/** The shortest form; `delta` is one that the getter can apply. A new array. */
export function encodePiece(piece: Uint8Array, delta?: Uint8Array): Uint8Array {
  let best: readonly [number, Uint8Array] = [RAW, piece];
  let frame: Uint8Array | undefined;
  if (delta !== undefined) best = [DELTA, delta];
  if (best[1].length > GOOD_DELTA_SHARE * piece.length) {
    frame = compress(piece, undefined, LEVEL);
    if (frame.length < best[1].length) best = [ZSTD, frame];
    if (piece.length < best[1].length) best = [RAW, piece];
  }
  const isTooLong = best[1].length > ANSWER_MAX_BYTES;
  const coded = isTooLong ? Uint8Array.of(TOO_LARGE) : concat(Uint8Array.of(best[0]), best[1]);
  if (frame !== undefined) release(frame);
  return coded;
}

/**
 * A message that this makes as long as a multiple of 8, with `headBytes` in front of it, is encrypted on other threads
 * (embed/alias/sodium/secretstream-threads.ts); another takes three times as much of this one. Empty blocks in a frame of
 * zstd mean nothing to its reader. `coded` alone, or its two parts with some bytes between them.
 */
export function padPiece(coded: Uint8Array, headBytes: number): readonly Uint8Array[] {
  if (coded.length < PADDED_FROM_BYTES || coded[0] !== ZSTD) return [coded];
  let padBytes = 0;
  while ((headBytes + coded.length + padBytes) % PADDED_TO_BYTES !== 0) {
    padBytes += BLOCK_HEADER_BYTES;
  }
  if (padBytes === 0 || coded.length + padBytes > CODED_PIECE_MAX_BYTES) return [coded];
  const firstBlock = 1 + headerLength(coded.subarray(1));
  const [header, blocks] = [coded.subarray(0, firstBlock), coded.subarray(firstBlock)];
  return [header, new Uint8Array(padBytes), blocks];
}

export function isTooLarge(coded: Uint8Array): boolean {
  return coded[0] === TOO_LARGE;
}

/** The same as decodePiece on another thread, where that is faster; `coded` is not touched meanwhile. */
export function decodePieceElsewhere(
  coded: Uint8Array,
  sizeBytes: number,
): Promise<Uint8Array> | undefined {
  if (coded[0] !== ZSTD || sizeBytes < ELSEWHERE_FROM_BYTES) return undefined;
  return decompressElsewhere(coded.subarray(1), sizeBytes);
}

/**
 * The bytes, of which only the number is certain, or undefined when they must be asked for in smaller
 * pieces. May share memory with `coded`. `old` is what the getter named.
 * @throws {ContentError} DELTA_INVALID @throws {CoreError}
 */
export function decodePiece(
  coded: Uint8Array,
  sizeBytes: number,
  old: ByteSource | undefined,
): Uint8Array | undefined {
  const body = coded.subarray(1);
  switch (coded[0]) {
    case RAW:
      if (body.length !== sizeBytes) break;
      return body;
    case ZSTD:
      return decompress(body, sizeBytes);
    case DELTA:
      if (old === undefined) break;
      return applyDelta(body, old, sizeBytes);
    case TOO_LARGE:
      if (sizeBytes <= ANSWER_MAX_BYTES || body.length > 0) break;
      return undefined;
    default:
  }
  throw new ContentError("DELTA_INVALID", "the provider sent a piece that cannot be read", {
    blame: "peer",
  });
}
