import { forEachPiece, type ByteSource } from "../core/source.ts";
import { concat } from "../core/bytes.ts";
import { EXECUTABLE_MAX_BYTES } from "../core/limits.ts";
import { refuseUniversal } from "./detect.ts";
import { ExeError } from "./error.ts";
import { EXTENSION_MAGIC } from "./extension.ts";
import { CORE_BYTES, MARKER, MARKER_DISTANCE_BYTES, REGION_BYTES } from "./region.ts";

export interface FoundRegion {
  readonly offset: number;
  /** full: with extension, 4096 bytes · core: 176 bytes, as the Rust crate makes it. */
  readonly kind: "full" | "core";
  readonly sizeBytes: number;
}

/** More markers than a message can list say nothing new. */
const OFFSETS_MAX = 16;

/**
 * Offsets of every marker, overlapping ones included: the marker ends with the byte it begins with, so
 * one could be hidden behind another from a search that skips what it has matched.
 */
export function findMarkers(source: ByteSource): number[] {
  const offsets: number[] = [];
  const overlap = MARKER.length - 1;
  const collect = (bytes: Uint8Array, base: number, end: number): void => {
    // A view: a copy of every piece would be the whole file as garbage.
    const window = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    for (
      let at = window.indexOf(MARKER);
      at >= 0 && at < end;
      at = window.indexOf(MARKER, at + 1)
    ) {
      if (offsets.length < OFFSETS_MAX) offsets.push(base + at);
    }
  };
  let tail: Uint8Array = new Uint8Array(0);
  forEachPiece(source, (piece, offset) => {
    const edge = concat(tail, piece.subarray(0, overlap));
    collect(edge, offset - tail.length, tail.length);
    collect(piece, offset, piece.length);
    const last = piece.length < overlap ? edge : piece;
    tail = last.slice(Math.max(0, last.length - overlap));
  });
  return offsets;
}

/**
 * The one region of an executable.
 * @throws {ExeError} REGION_MISSING, REGION_AMBIGUOUS, REGION_TRUNCATED, TOO_LARGE, FORMAT_UNKNOWN
 */
export function findRegion(source: ByteSource): FoundRegion {
  if (source.sizeBytes > EXECUTABLE_MAX_BYTES) {
    throw new ExeError("TOO_LARGE", "the file is larger than any executable we handle", {
      blame: "artifact",
      sizeBytes: source.sizeBytes,
      maxBytes: EXECUTABLE_MAX_BYTES,
    });
  }
  refuseUniversal(source);
  const offsets = findMarkers(source);
  const [start, end] = offsets;
  if (start === undefined) {
    throw new ExeError(
      "REGION_MISSING",
      'there is no signature region in this file: build it with `import "rustpatcher/auto"` in the app',
      { blame: "artifact" },
    );
  }
  if (end === undefined) {
    throw new ExeError(
      "REGION_TRUNCATED",
      `the signature region at offset ${start} has no end: the file was cut off or damaged`,
      { blame: "artifact", offsets },
    );
  }
  if (offsets.length !== 2 || end - start !== MARKER_DISTANCE_BYTES) {
    throw new ExeError(
      "REGION_AMBIGUOUS",
      `there must be exactly one signature region, but its marker stands at offsets ${offsets.join(", ")}: remove the copies from the app's own data or source map`,
      { blame: "artifact", offsets },
    );
  }
  return describe(source, start);
}

function describe(source: ByteSource, offset: number): FoundRegion {
  const magicAt = offset + CORE_BYTES;
  const left = source.sizeBytes - magicAt;
  const magicBytes = Math.min(left, EXTENSION_MAGIC.length);
  const magic = source.read(magicAt, magicBytes);
  const isExtension = Buffer.compare(magic, EXTENSION_MAGIC) === 0;
  // A file that ends within the magic of an extension was cut, it is not a core-only executable.
  const isCutMagic =
    magicBytes > 0 &&
    magicBytes < EXTENSION_MAGIC.length &&
    Buffer.compare(magic, EXTENSION_MAGIC.subarray(0, magicBytes)) === 0;
  if (isCutMagic || (isExtension && offset + REGION_BYTES > source.sizeBytes)) {
    throw new ExeError(
      "REGION_TRUNCATED",
      `the file ends inside the signature region at offset ${offset}`,
      { blame: "artifact", offsets: [offset] },
    );
  }
  return isExtension
    ? { offset, kind: "full", sizeBytes: REGION_BYTES }
    : { offset, kind: "core", sizeBytes: CORE_BYTES };
}
