/** Where a file has content that was written in no order, with zeros in between. */
import { CHUNK_MIN_BYTES } from "../core/limits.ts";
import type { ByteSource } from "../core/source.ts";
import type { ByteRange } from "./table.ts";

const BLOCK_BYTES = 4096;
/** Whole blocks of zeros that are in any hole of a chunk, wherever it begins. */
const HOLE_BLOCKS = CHUNK_MIN_BYTES / BLOCK_BYTES - 1;
const READ_BYTES = 1024 * 1024;
const ZEROS = new Uint8Array(BLOCK_BYTES);

/**
 * Stretches without a hole, in order, from the first byte that is none of its zeros; undefined is a pause, every
 * megabyte. Content that begins with zeros is missed by as many bytes.
 */
export function* dataBetweenHoles(source: ByteSource): Generator<ByteRange | undefined, void> {
  let start: number | undefined;
  let zeroBlocks = 0;
  // Our own: what `read` returns may be gone when the next stretch is asked for.
  const buffer = new Uint8Array(Math.min(READ_BYTES, source.sizeBytes));
  for (let at = 0; at < source.sizeBytes; at += READ_BYTES) {
    const bytes = buffer.subarray(0, Math.min(READ_BYTES, source.sizeBytes - at));
    bytes.set(source.read(at, bytes.length));
    for (let from = 0; from < bytes.length; from += BLOCK_BYTES) {
      const block = bytes.subarray(from, from + BLOCK_BYTES);
      if (Buffer.compare(block, ZEROS.subarray(0, block.length)) === 0) {
        if (++zeroBlocks !== HOLE_BLOCKS || start === undefined) continue;
        const end = at + from - (HOLE_BLOCKS - 1) * BLOCK_BYTES;
        yield { offset: start, sizeBytes: end - start };
        start = undefined;
        continue;
      }
      zeroBlocks = 0;
      start ??= at + from + block.findIndex((byte) => byte !== 0);
    }
    yield undefined;
  }
  if (start !== undefined) yield { offset: start, sizeBytes: source.sizeBytes - start };
}
