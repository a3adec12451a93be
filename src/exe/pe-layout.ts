/**
 * What Authenticode changes in a PE executable, and therefore does not cover (Microsoft PE Format, "Process
 * for Generating the Authenticode PE Image Hash"; all numbers LE, offsets from the optional header, which
 * begins 24 bytes behind "PE" 00 00):
 *
 *     0  2 magic      20b = PE32+           108  4 number of data directories
 *    64  4 checksum                         144  4 + 4 certificate table: place in the file, size
 *
 *   certificate table, the end of the file: entries at multiples of 8
 *     0  4 length with this header   4  2 revision   6  2 type   2 = PKCS #7
 */
import { equal, fromHex } from "../core/bytes.ts";
import { CODE_SIGNATURE_BLOBS_MAX, CODE_SIGNATURE_MAX_BYTES } from "../core/limits.ts";
import { Reader } from "../core/reader.ts";
import { forEachPiece, type ByteSource } from "../core/source.ts";
import { codeSignatureInvalid } from "./error.ts";

const DOS_HEADER_BYTES = 64;
const SIGNATURE = fromHex("50450000");
const OPTIONAL_HEADER_OFFSET = 24;
const OPTIONAL_HEADER_BYTES = 152;
const PE32_PLUS = 0x20b;
const CERTIFICATE_DIRECTORY = 4;
const ENTRY_HEADER_BYTES = 8;
const ENTRY_ALIGNMENT = 8;
const PKCS_7 = 2;

export interface PeLayout {
  /** Of the file without its certificate table. */
  readonly contentBytes: number;
  /** 0 when there is none. */
  readonly certificateBytes: number;
  readonly checksum: number;
  readonly checksumOffset: number;
  readonly directoryOffset: number;
}

/** @throws {ExeError} CODE_SIGNATURE_INVALID @throws {CoreError} TRUNCATED @throws {RangeError} */
export function peLayout(source: ByteSource): PeLayout {
  const dos = new Reader(source.read(0, DOS_HEADER_BYTES));
  dos.skip(0x3c);
  const headerOffset = dos.u32le();
  const reader = new Reader(
    source.read(headerOffset, OPTIONAL_HEADER_OFFSET + OPTIONAL_HEADER_BYTES).slice(),
  );
  const isPe = equal(reader.bytes(SIGNATURE.length), SIGNATURE);
  reader.skip(16);
  const optionalBytes = reader.u16le();
  reader.skip(2);
  const magic = reader.u16le();
  reader.skip(62);
  const checksum = reader.u32le();
  reader.skip(40);
  const directories = reader.u32le();
  reader.skip(CERTIFICATE_DIRECTORY * 8);
  const offset = reader.u32le();
  const certificateBytes = reader.u32le();
  if (
    !isPe ||
    magic !== PE32_PLUS ||
    optionalBytes < OPTIONAL_HEADER_BYTES ||
    directories <= CERTIFICATE_DIRECTORY
  ) {
    throw codeSignatureInvalid("the header has no place for one");
  }
  const contentBytes = certificateBytes === 0 ? source.sizeBytes : offset;
  const isAtEnd = contentBytes + certificateBytes === source.sizeBytes;
  if (!isAtEnd || (certificateBytes === 0 && offset !== 0) || contentBytes % ENTRY_ALIGNMENT > 0) {
    throw codeSignatureInvalid("its certificates do not stand at the end of the file");
  }
  const optional = headerOffset + OPTIONAL_HEADER_OFFSET;
  return {
    contentBytes,
    certificateBytes,
    checksum,
    checksumOffset: optional + 64,
    directoryOffset: optional + 144,
  };
}

/**
 * A certificate table of whole entries, and a checksum that is right or absent. Says nothing about the
 * certificates.
 * @throws {ExeError} CODE_SIGNATURE_INVALID @throws {CoreError} TRUNCATED
 */
export function checkAuthenticode(source: ByteSource, layout: PeLayout): void {
  if (layout.certificateBytes > CODE_SIGNATURE_MAX_BYTES) {
    throw codeSignatureInvalid("its certificate table is too large");
  }
  const reader = new Reader(source.read(layout.contentBytes, layout.certificateBytes));
  for (let count = 1; reader.remaining > 0; count++) {
    const sizeBytes = reader.u32le();
    reader.skip(2);
    const isKnown = reader.u16le() === PKCS_7 && count <= CODE_SIGNATURE_BLOBS_MAX;
    if (!isKnown || sizeBytes <= ENTRY_HEADER_BYTES) {
      throw codeSignatureInvalid("its certificate table is not Authenticode's");
    }
    reader.skip(Math.ceil(sizeBytes / ENTRY_ALIGNMENT) * ENTRY_ALIGNMENT - ENTRY_HEADER_BYTES);
  }
  if (layout.checksum !== 0 && layout.checksum !== peChecksum(source, layout.checksumOffset)) {
    throw codeSignatureInvalid("the checksum in the header is wrong");
  }
}

/** The algorithm of CheckSumMappedFile: 16-bit words with end-around carry, and the length. */
export function peChecksum(source: ByteSource, checksumOffset: number): number {
  let sum = 0;
  // A pass comes in even pieces, except perhaps the last.
  forEachPiece(source, (piece, offset) => {
    const bytes = Uint8Array.from(piece);
    const at = checksumOffset - offset;
    bytes.fill(0, Math.max(0, Math.min(at, bytes.length)), Math.max(0, at + 4));
    for (let index = 0; index < bytes.length; index += 2) {
      sum += (bytes[index] ?? 0) | ((bytes[index + 1] ?? 0) << 8);
    }
    while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x1_0000);
  });
  return sum + source.sizeBytes;
}
