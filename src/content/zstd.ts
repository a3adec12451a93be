/** zstd for foreign frames: what a frame will take in memory is known before it is decoded. */
import { constants, zstdCompressSync, zstdDecompressSync, type ZstdOptions } from "node:zlib";
import { release } from "../core/bytes.ts";
import { ContentError } from "./error.ts";

const MAGIC = [0x28, 0xb5, 0x2f, 0xfd] as const;
/** A dictionary below this is none to zstd. */
const DICTIONARY_MIN_BYTES = 8;
/** Of zeros it is an empty block that is not the last. */
export const BLOCK_HEADER_BYTES = 3;
/** Of a frame's size: behind magic number and descriptor. */
const SIZE_AT = 5;
/** The least that Node takes for the size of a part. */
const CHUNK_MIN_BYTES = 64;
/** The frame's checksum is off: a hash of ours stands above everything that is compressed. */
const LEVEL = 9;

/** One frame that says its size. */
export function compress(
  bytes: Uint8Array,
  dictionary?: Uint8Array,
  level: number = LEVEL,
): Uint8Array {
  const option = dictionaryOption(dictionary);
  // Node's leaves a context of its own to the collector, as large as what it compresses and more.
  if (option.dictionary === undefined) return Bun.zstdCompressSync(bytes, { level });
  return zstdCompressSync(bytes, {
    ...option,
    params: { [constants.ZSTD_c_compressionLevel]: level },
  });
}

/**
 * Exactly `sizeBytes` bytes; nothing is allocated for a frame that says otherwise.
 * @throws {ContentError} DELTA_INVALID
 */
export function decompress(
  frame: Uint8Array,
  sizeBytes: number,
  dictionary?: Uint8Array,
): Uint8Array {
  const headerBytes = checkHeader(frame, sizeBytes);
  const option = dictionaryOption(dictionary);
  let out: Uint8Array;
  try {
    if (option.dictionary === undefined) {
      // Bun's allocates once, what all frames in a row say together. Node's does so in parts of 16 KiB.
      checkIsAlone(frame, headerBytes);
      out = Bun.zstdDecompressSync(frame);
    } else {
      out = inflate(frame, sizeBytes, option);
    }
  } catch (cause) {
    throw unreadable(cause);
  }
  return sized(out, sizeBytes);
}

/**
 * The same on one of Bun's threads, for a frame that had no dictionary and is not touched meanwhile.
 * Rejects as `decompress` throws.
 */
export async function decompressElsewhere(
  frame: Uint8Array,
  sizeBytes: number,
): Promise<Uint8Array> {
  checkIsAlone(frame, checkHeader(frame, sizeBytes));
  let out: Uint8Array;
  try {
    out = await Bun.zstdDecompress(frame);
  } catch (cause) {
    throw unreadable(cause);
  }
  return sized(out, sizeBytes);
}

/** Node's, which makes parts of 16 KiB and joins them, made to do it in one, which is not left to the collector. */
function inflate(frame: Uint8Array, sizeBytes: number, option: ZstdOptions): Uint8Array {
  const limits = {
    maxOutputLength: Math.max(1, sizeBytes),
    chunkSize: sizeBytes + CHUNK_MIN_BYTES,
  };
  const part = zstdDecompressSync(frame, { ...option, ...limits });
  const out = new Uint8Array(part);
  if (part.buffer.byteLength === limits.chunkSize) release(new Uint8Array(part.buffer));
  return out;
}

function dictionaryOption(dictionary: Uint8Array | undefined): ZstdOptions {
  if (dictionary === undefined || dictionary.length < DICTIONARY_MIN_BYTES) return {};
  return { dictionary };
}

/**
 * RFC 8878, section 3.1.1.1: a single-segment frame has its size in its header and no window besides, so
 * that the size is all the memory it takes. Returns the length of the header.
 */
function checkHeader(frame: Uint8Array, sizeBytes: number): number {
  const descriptor = frame[4] ?? 0;
  const isPlain = MAGIC.every((byte, i) => frame[i] === byte) && (descriptor & 0x3f) === 0x20;
  const headerBytes = headerLength(frame);
  if (!isPlain || frame.length < headerBytes) {
    throw invalid("a compressed part is not of the form that is agreed on");
  }
  // A size in two bytes is 256 less than what is meant.
  let size = headerBytes === SIZE_AT + 2 ? 256 : 0;
  for (let at = SIZE_AT; at < headerBytes; at++)
    size += (frame[at] ?? 0) * 2 ** (8 * (at - SIZE_AT));
  if (size !== sizeBytes) throw invalid("a compressed part would have another length");
  return headerBytes;
}

/** RFC 8878, section 3.1.1.1, of a single-segment frame: the two highest bits of the descriptor say how long its size is. */
export function headerLength(frame: Uint8Array): number {
  return SIZE_AT + 2 ** ((frame[SIZE_AT - 1] ?? 0) >>> 6);
}

/** RFC 8878, section 3.1.1.2: behind the last block there is nothing, least of all frames with sizes of their own. */
function checkIsAlone(frame: Uint8Array, headerBytes: number): void {
  let at = headerBytes;
  for (let isLast = false; !isLast;) {
    if (at + BLOCK_HEADER_BYTES > frame.length) throw invalid("a compressed part is cut off");
    const header =
      (frame[at] ?? 0) + (frame[at + 1] ?? 0) * 2 ** 8 + (frame[at + 2] ?? 0) * 2 ** 16;
    isLast = (header & 1) === 1;
    const isRepeatedByte = ((header >>> 1) & 3) === 1;
    at += BLOCK_HEADER_BYTES + (isRepeatedByte ? 1 : header >>> 3);
  }
  if (at !== frame.length) throw invalid("a compressed part has something behind it");
}

function sized(out: Uint8Array, sizeBytes: number): Uint8Array {
  // Node's, in Bun, says nothing of a frame that was cut off.
  if (out.length !== sizeBytes) throw invalid("a compressed part has another length");
  return out;
}

function unreadable(cause: unknown): ContentError {
  return cause instanceof ContentError ? cause : invalid("a compressed part cannot be read", cause);
}

function invalid(message: string, cause?: unknown): ContentError {
  return new ContentError("DELTA_INVALID", message, { blame: "peer", cause });
}
