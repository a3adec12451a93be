/**
 * Content-defined chunks: where the canonical stream is cut depends on the 32 bytes before the cut alone,
 * so that an insertion moves no other cut. A gear hash (Xia et al., "FastCDC", USENIX ATC 2016) with
 * normalised sizes: no cut before the minimum, a rare one up to the normal size, a frequent one behind it.
 *
 * These numbers are part of the format: a change of one of them changes every root. Measured on compiled
 * apps of 105 to 130 MB: 31 KiB on average. Smaller chunks make the table larger (34 bytes each), larger
 * ones cost more where a change is small; see bench/content.
 */
import { CHUNK_MAX_BYTES, CHUNK_MIN_BYTES } from "../core/limits.ts";
import type { ByteSource } from "../core/source.ts";

export interface Chunk {
  readonly offset: number;
  /** Valid until the next chunk is taken; copy what must last. */
  readonly bytes: Uint8Array;
}

/** From here on a cut is 2^(RARE_BITS - FREQUENT_BITS) times as likely. */
const NORMAL_BYTES = 28 * 1024;
const RARE_BITS = 16;
const FREQUENT_BITS = 13;
/** The hash forgets what lies further back, since it is shifted by one bit for each byte. */
const MEMORY_BYTES = 32;
/** How much of the stream is read at a time. */
const READ_BYTES = 1024 * 1024;

/** One random 32-bit number for each byte value: murmur3's finaliser over multiples of 2^32 / φ. */
const GEAR: Int32Array = Int32Array.from({ length: 256 }, (_, byte) => {
  let h = Math.imul(byte + 1, 0x9e3779b9);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
});

/** The chunks of a stream, in order: they cover it once. Nothing is read ahead of what is taken. */
export function* chunksOf(source: ByteSource): Generator<Chunk, void> {
  // Our own: what `read` returns may be gone when the next chunk is taken.
  const buffer = new Uint8Array(Math.min(READ_BYTES, source.sizeBytes));
  let window = buffer.subarray(0, 0);
  let windowOffset = 0;
  let offset = 0;
  while (offset < source.sizeBytes) {
    const windowEnd = windowOffset + window.length;
    if (windowEnd < Math.min(offset + CHUNK_MAX_BYTES, source.sizeBytes)) {
      windowOffset = offset;
      window = buffer.subarray(0, Math.min(READ_BYTES, source.sizeBytes - offset));
      window.set(source.read(offset, window.length));
    }
    const start = offset - windowOffset;
    const end = start + cutLength(window, start, Math.min(start + CHUNK_MAX_BYTES, window.length));
    yield { offset, bytes: window.subarray(start, end) };
    offset += end - start;
  }
}

/** Length of the chunk that begins at `start` and must not go beyond `end`. */
function cutLength(bytes: Uint8Array, start: number, end: number): number {
  const first = start + CHUNK_MIN_BYTES;
  if (first >= end) return end - start;
  const normal = Math.min(start + NORMAL_BYTES, end);
  let hash = 0;
  let at = first - MEMORY_BYTES;
  for (; at < first; at++) hash = ((hash << 1) + (GEAR[bytes[at] ?? 0] ?? 0)) | 0;
  for (; at < normal; at++) {
    if (hash >>> (32 - RARE_BITS) === 0) return at - start;
    hash = ((hash << 1) + (GEAR[bytes[at] ?? 0] ?? 0)) | 0;
  }
  for (; at < end; at++) {
    if (hash >>> (32 - FREQUENT_BITS) === 0) return at - start;
    hash = ((hash << 1) + (GEAR[bytes[at] ?? 0] ?? 0)) | 0;
  }
  return end - start;
}
