/**
 * What the core signs, exactly as the Rust crate computes it (rustpatcher 0.2, patch.rs, `Patch::sign`):
 * hash = SHA-512(executable without the 176 core bytes)[0..32],
 * message = SHA-512(ASCII version ‖ hash ‖ size as u64 LE).
 */
import { u64le, utf8 } from "../core/bytes.ts";
import { createHash, sha512 } from "../core/hash.ts";
import { forEachPiece, without, type ByteSource } from "../core/source.ts";
import type { ParsedVersion } from "../core/version.ts";
import { CORE_BYTES, HASH_BYTES } from "./region.ts";

/** 32 new bytes. Reads the whole source once. */
export function hashWithoutCore(source: ByteSource, regionOffset: number): Uint8Array {
  const hash = createHash("sha512");
  forEachPiece(without(source, regionOffset, CORE_BYTES), (piece) => hash.update(piece));
  return hash.digest().slice(0, HASH_BYTES);
}

/** 64 bytes. Unambiguous, because everything after the version has a fixed length. */
export function coreMessage(
  version: ParsedVersion,
  hash: Uint8Array,
  sizeBytes: number,
): Uint8Array {
  return sha512(utf8(version.text), hash, u64le(sizeBytes));
}
