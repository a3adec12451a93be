/**
 * Apple's embedded code signature (xnu osfmk/kern/cs_blobs.h; all numbers BE):
 *
 *   SuperBlob                                CodeDirectory
 *     0  4 magic   fade0cc0                    0  4 magic  fade0c02     28  4 nCodeSlots
 *     4  4 length                              4  4 length              32  4 codeLimit
 *     8  4 count                               8  4 version             36  1 hashSize
 *    12  8 × count: slot type, offset         12  4 flags  2 = ad-hoc   37  1 hashType  2 = SHA-256
 *                                             16  4 hashOffset          39  1 log2(page size)
 *                                             20  4 identOffset         24  4 nSpecialSlots
 *
 * The hash of page i stands at hashOffset + 32 i, that of special slot s at hashOffset − 32 s.
 */
import { concat, equal, isZero, u32be, u64be, utf8 } from "../core/bytes.ts";
import { sha256 } from "../core/hash.ts";
import { CODE_SIGNATURE_BLOBS_MAX } from "../core/limits.ts";
import { Reader } from "../core/reader.ts";
import { forEachPiece, type ByteSource } from "../core/source.ts";
import { codeSignatureInvalid } from "./error.ts";

const SUPER_BLOB_MAGIC = 0xfade_0cc0;
const DIRECTORY_MAGIC = 0xfade_0c02;
const CMS_MAGIC = 0xfade_0b01;
const BLOB_HEADER_BYTES = 8;
const SUPER_BLOB_HEADER_BYTES = 12;
const INDEX_BYTES = 8;
const HASH_BYTES = 32;
const HASH_TYPE_SHA256 = 2;
const AD_HOC = 0x2;
/** What a linker or `codesign` may replace without being forced to. */
const LINKER_SIGNED = 0x2_0000;
const SLOT_DIRECTORY = 0;
const SLOT_ALTERNATES = 0x1000;
const SLOT_CMS = 0x1_0000;
/** Requirements, entitlements, entitlements as DER: the special slots whose content is in the SuperBlob. */
const SPECIAL_SLOTS = [2, 5, 7];
const SPECIAL_SLOTS_MAX = 32;
const PAGE_BITS_MIN = 12;
const PAGE_BITS_MAX = 14;

const OWN_PAGE_BITS = 12;
/** 20400: the first version with an executable segment, as Apple's own linker writes it. */
const OWN_VERSION = 0x2_0400;
const OWN_HEADER_BYTES = 88;
const OWN_IDENTIFIER = utf8("a.out\0");
const MAIN_BINARY = 1n;

/** Who signed: nobody, or somebody with a certificate that only Apple's tools can judge. */
export type MacosSigner = "ad-hoc" | "cms";

/** Bytes of {@link adHocSignature} for so much content. */
export function adHocBytes(contentBytes: number): number {
  const pages = Math.ceil(contentBytes / 2 ** OWN_PAGE_BITS);
  return (
    SUPER_BLOB_HEADER_BYTES +
    INDEX_BYTES +
    OWN_HEADER_BYTES +
    OWN_IDENTIFIER.length +
    pages * HASH_BYTES
  );
}

/**
 * The ad-hoc signature of `content`: one CodeDirectory, as Apple's linker writes it. It has no field
 * anybody could choose: two executables with the same content have the same signature.
 */
export function adHocSignature(content: ByteSource, textBytes: number): Uint8Array {
  const hashes = pageHashes(content, OWN_PAGE_BITS);
  const identifierEnd = OWN_HEADER_BYTES + OWN_IDENTIFIER.length;
  const directory = concat(
    u32be(DIRECTORY_MAGIC),
    u32be(identifierEnd + hashes.length),
    u32be(OWN_VERSION),
    u32be(AD_HOC | LINKER_SIGNED),
    u32be(identifierEnd),
    u32be(OWN_HEADER_BYTES),
    u32be(0),
    u32be(hashes.length / HASH_BYTES),
    u32be(content.sizeBytes),
    Uint8Array.of(HASH_BYTES, HASH_TYPE_SHA256, 0, OWN_PAGE_BITS),
    // spare, scatter, team, spare, 64-bit code limit (below 4 GiB: the field above), segment offset
    new Uint8Array(4 + 4 + 4 + 4 + 8 + 8),
    u64be(textBytes),
    u64be(MAIN_BINARY),
    OWN_IDENTIFIER,
    hashes,
  );
  const headBytes = SUPER_BLOB_HEADER_BYTES + INDEX_BYTES;
  return concat(
    u32be(SUPER_BLOB_MAGIC),
    u32be(headBytes + directory.length),
    u32be(1),
    u32be(SLOT_DIRECTORY),
    u32be(headBytes),
    directory,
  );
}

interface Blob {
  readonly slot: number;
  readonly magic: number;
  /** With its header. */
  readonly bytes: Uint8Array;
}

/**
 * Well-formed, every page of `content` (the last, partial one included) hashes to its slot, every blob that
 * has a special slot to that one. Says nothing about the certificate.
 * @throws {ExeError} CODE_SIGNATURE_INVALID @throws {CoreError} TRUNCATED
 */
export function checkCodeDirectories(signature: Uint8Array, content: ByteSource): MacosSigner {
  const blobs = readSuperBlob(signature);
  const directories = blobs.filter(isDirectory);
  if (directories[0]?.slot !== SLOT_DIRECTORY)
    throw codeSignatureInvalid("it has no CodeDirectory");
  const signer = signerOf(blobs);
  for (const { bytes } of directories) checkDirectory(bytes, blobs, content, signer);
  return signer;
}

/** The kind as the blob has it, checked or not. */
export function macosSigner(signature: Uint8Array): MacosSigner {
  return signerOf(readSuperBlob(signature));
}

/** What the certificate is in (RFC 5652), checked or not; undefined without one. */
export function cmsOf(signature: Uint8Array): Uint8Array | undefined {
  return findCms(readSuperBlob(signature));
}

function signerOf(blobs: readonly Blob[]): MacosSigner {
  return findCms(blobs) === undefined ? "ad-hoc" : "cms";
}

function findCms(blobs: readonly Blob[]): Uint8Array | undefined {
  // An ad-hoc signature by `codesign` has this blob as well, with nothing in it.
  const found = blobs.find(
    ({ slot, magic, bytes }) =>
      slot === SLOT_CMS && magic === CMS_MAGIC && bytes.length > BLOB_HEADER_BYTES,
  );
  return found?.bytes.subarray(BLOB_HEADER_BYTES);
}

function isDirectory({ slot, magic }: Blob): boolean {
  const isIt = slot === SLOT_DIRECTORY || (slot >= SLOT_ALTERNATES && slot < SLOT_ALTERNATES + 5);
  if (isIt !== (magic === DIRECTORY_MAGIC)) throw codeSignatureInvalid("a blob is in a wrong slot");
  return isIt;
}

/** No overlaps, no gaps, each slot once, nothing but zeros behind the end. */
function readSuperBlob(signature: Uint8Array): Blob[] {
  const reader = new Reader(signature);
  if (reader.u32be() !== SUPER_BLOB_MAGIC) throw codeSignatureInvalid("it is not a SuperBlob");
  const length = reader.u32be();
  const count = reader.u32be();
  if (count === 0 || count > CODE_SIGNATURE_BLOBS_MAX || length > signature.length) {
    throw codeSignatureInvalid("its SuperBlob has an impossible size");
  }
  const blobs: Blob[] = [];
  let end = SUPER_BLOB_HEADER_BYTES + count * INDEX_BYTES;
  for (let index = 0; index < count; index++) {
    const slot = reader.u32be();
    const offset = reader.u32be();
    if (offset !== end || offset > length || blobs.some((blob) => blob.slot === slot)) {
      throw codeSignatureInvalid("its blobs overlap, leave gaps or repeat themselves");
    }
    const blob = new Reader(signature.subarray(offset, length));
    const magic = blob.u32be();
    const sizeBytes = blob.u32be();
    if (sizeBytes < BLOB_HEADER_BYTES) throw codeSignatureInvalid("a blob is too short");
    blob.bytes(sizeBytes - BLOB_HEADER_BYTES);
    blobs.push({ slot, magic, bytes: signature.subarray(offset, offset + sizeBytes) });
    end = offset + sizeBytes;
  }
  if (end !== length || !isZero(signature.subarray(length))) {
    throw codeSignatureInvalid("there are bytes behind its blobs");
  }
  return blobs;
}

function checkDirectory(
  bytes: Uint8Array,
  blobs: readonly Blob[],
  content: ByteSource,
  signer: MacosSigner,
): void {
  const reader = new Reader(bytes);
  reader.skip(12);
  const flags = reader.u32be();
  const hashOffset = reader.u32be();
  reader.skip(4);
  const specialCount = reader.u32be();
  const count = reader.u32be();
  const limit = reader.u32be();
  const isSha256 = reader.u8() === HASH_BYTES && reader.u8() === HASH_TYPE_SHA256;
  reader.skip(1);
  const pageBits = reader.u8();
  if (!isSha256) throw codeSignatureInvalid("it uses another hash than SHA-256");
  if (((flags & AD_HOC) !== 0) !== (signer === "ad-hoc")) {
    throw codeSignatureInvalid("it says of itself to be of another kind");
  }
  if (pageBits < PAGE_BITS_MIN || pageBits > PAGE_BITS_MAX || specialCount > SPECIAL_SLOTS_MAX) {
    throw codeSignatureInvalid("its pages have an impossible size");
  }
  if (limit !== content.sizeBytes || count !== Math.ceil(limit / 2 ** pageBits)) {
    throw codeSignatureInvalid("it does not cover all of the file");
  }
  const slots = new Reader(bytes);
  slots.skip(hashOffset - specialCount * HASH_BYTES);
  const special = slots.bytes(specialCount * HASH_BYTES);
  const pages = slots.bytes(count * HASH_BYTES);
  for (const slot of SPECIAL_SLOTS) {
    const blob = blobs.find((one) => one.slot === slot);
    const at = special.length - slot * HASH_BYTES;
    const wanted = at < 0 ? undefined : special.subarray(at, at + HASH_BYTES);
    const isRight =
      blob === undefined
        ? wanted === undefined || isZero(wanted)
        : wanted !== undefined && equal(wanted, sha256(blob.bytes));
    if (!isRight) throw codeSignatureInvalid(`its special slot ${slot} does not match`);
  }
  if (!equal(pages, pageHashes(content, pageBits))) {
    throw codeSignatureInvalid("a page does not match its slot: macOS would kill the app");
  }
}

/** 32 bytes a page, in order; the last page may be shorter. */
function pageHashes(content: ByteSource, pageBits: number): Uint8Array {
  const pageBytes = 2 ** pageBits;
  const hashes = new Uint8Array(Math.ceil(content.sizeBytes / pageBytes) * HASH_BYTES);
  // The pieces of a pass are multiples of every page size.
  forEachPiece(content, (piece, offset) => {
    for (let at = 0; at < piece.length; at += pageBytes) {
      const hash = sha256(piece.subarray(at, at + pageBytes));
      hashes.set(hash, ((offset + at) / pageBytes) * HASH_BYTES);
    }
  });
  return hashes;
}
