/**
 * The region: 4096 bytes compiled into every app, found by its markers.
 *
 *   off  size field
 *     0    28 marker     17 42 "RUSTPATCHER" 42 "EMBED" 42 "BOUNDS" 42 17
 *    28    32 hash       SHA-512(executable without the 176 core bytes)[0..32]
 *    60     8 size       bytes of the executable without the core, u64 LE
 *    68    64 signature  ed25519(owner, SHA-512(version ‖ hash ‖ size))
 *   132    16 version    ASCII, NUL-padded
 *   148    28 marker     again
 *   176     8 magic      of the extension; a region of the Rust crate ends here
 *   184     2 length     of the CBOR map, u16 LE
 *   186     … CBOR       see extension.ts, then zeros to 4096
 *
 * The first 176 bytes are the layout of the Rust crate rustpatcher 0.2, bit for bit.
 */
import { asSignature, type Signature } from "../core/brand.ts";
import { concat, equal, fromHex, isZero, toAscii, u64le, utf8 } from "../core/bytes.ts";
import { EXECUTABLE_MAX_BYTES, VERSION_MAX_BYTES } from "../core/limits.ts";
import { Reader } from "../core/reader.ts";
import { tryParseVersion, type ParsedVersion } from "../core/version.ts";
import { ExeError } from "./error.ts";

export const CORE_BYTES: number = 176;
export const REGION_BYTES: number = 4096;
/** Distance between the two markers of one region. */
export const MARKER_DISTANCE_BYTES: number = 148;
export const HASH_BYTES: number = 32;

/**
 * Spelled in hexadecimal, because a marker spelled as itself in source text would land in the executable
 * a second time, even through the minifier and as bytecode.
 */
export const MARKER: Uint8Array = fromHex(
  "1742525553545041544348455242454d42454442424f554e44534217",
);

export interface RegionCore {
  /** 32 bytes. */
  readonly hash: Uint8Array;
  /** Executable without the core. */
  readonly sizeBytes: number;
  readonly signature: Signature;
  /** Undefined in a blank region. */
  readonly version: ParsedVersion | undefined;
}

/** blank: as shipped · reserved: version set, unsigned · signed. */
export type RegionState = "blank" | "reserved" | "signed";

export function coreState(core: RegionCore): RegionState {
  if (!isZero(core.signature)) return "signed";
  return core.version === undefined ? "blank" : "reserved";
}

function invalid(reason: string): ExeError {
  return new ExeError("REGION_INVALID", `the signature region is damaged: ${reason}`, {
    blame: "artifact",
  });
}

/** Canonical text and NUL padding only, or two spellings of one version would both verify. */
function decodeVersionField(field: Uint8Array): ParsedVersion | undefined {
  if (isZero(field)) return undefined;
  const end = field.indexOf(0);
  const text = toAscii(end < 0 ? field : field.subarray(0, end));
  const version = tryParseVersion(text);
  if (version === undefined || !isZero(field.subarray(text.length))) {
    throw invalid("its version field is not a version");
  }
  return version;
}

/**
 * Decodes the 176 core bytes. Says nothing about the signature.
 * @throws {ExeError} REGION_INVALID
 */
export function decodeCore(bytes: Uint8Array): RegionCore {
  if (bytes.length !== CORE_BYTES) throw invalid(`${bytes.length} bytes instead of ${CORE_BYTES}`);
  const reader = new Reader(bytes);
  if (!equal(reader.bytes(MARKER.length), MARKER)) throw invalid("the start marker is missing");
  const hash = reader.bytes(HASH_BYTES).slice();
  const size = reader.u64le();
  // Compared as a bigint, before it becomes a length of anything.
  if (size > BigInt(EXECUTABLE_MAX_BYTES)) throw invalid("its size field is impossible");
  const signature = asSignature(reader.bytes(64).slice());
  const version = decodeVersionField(reader.bytes(VERSION_MAX_BYTES));
  if (!equal(reader.bytes(MARKER.length), MARKER)) throw invalid("the end marker is missing");
  return { hash, sizeBytes: Number(size), signature, version };
}

/** 176 new bytes. */
export function encodeCore(core: RegionCore): Uint8Array {
  const version = new Uint8Array(VERSION_MAX_BYTES);
  version.set(utf8(core.version?.text ?? ""));
  return concat(MARKER, core.hash, u64le(core.sizeBytes), core.signature, version, MARKER);
}

/** A core with nothing in it but, when known, the version. */
export function unsignedCore(version: ParsedVersion | undefined): RegionCore {
  return {
    hash: new Uint8Array(HASH_BYTES),
    sizeBytes: 0,
    signature: asSignature(new Uint8Array(64)),
    version,
  };
}
