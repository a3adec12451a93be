/**
 * Our release records as HyperDHT's mutable records (hyperdht lib/messages.js). HyperDHT's own mutableGet
 * verifies with another library and returns one reply; here every reply goes through verifyRecord.
 *
 *   get request   seq uint                                  the lowest one wanted
 *   get reply     seq uint ‖ value buffer ‖ signature 64
 *   put request   public key 32 ‖ seq uint ‖ value buffer ‖ signature 64
 *
 * uint and buffer as in compact-encoding: below 0xfd one byte, else 0xfd u16 or 0xfe u32 LE; a buffer is
 * its length as a uint and its bytes.
 */
import { asSignature, type PublicKey } from "../core/brand.ts";
import { concat } from "../core/bytes.ts";
import { RECORD_MAX_BYTES } from "../core/limits.ts";
import { Reader } from "../core/reader.ts";
import { compactUint, type VerifiedRecord } from "../core/release-record.ts";
import { violation } from "./error.ts";
import type { ClaimedRecord } from "./newest-record.ts";

/** hyperdht lib/constants.js, COMMANDS. */
export const MUTABLE_PUT = 6;
export const MUTABLE_GET = 7;
/** hyperdht lib/constants.js, ERROR: the node holds a newer one, or another one of the same seq. */
export const SEQ_REUSED = 16;
export const SEQ_TOO_LOW = 17;

/** A get that takes whatever there is. */
export const ANY_SEQ: Uint8Array = compactUint(0);

function readUint(reader: Reader): number {
  const first = reader.u8();
  if (first < 0xfd) return first;
  if (first === 0xfd) return reader.u16le();
  if (first === 0xfe) return reader.u32le();
  throw violation("a 64-bit number where a date or a length is expected");
}

/**
 * A reply to a get; nothing of it is verified. The bytes are copied.
 * @throws {SwarmError} PROTOCOL @throws {CoreError} TRUNCATED, TRAILING_BYTES
 */
export function decodeMutable(reply: Uint8Array): ClaimedRecord {
  const reader = new Reader(reply);
  const seq = readUint(reader);
  const sizeBytes = readUint(reader);
  if (sizeBytes > RECORD_MAX_BYTES) throw violation("a record above the limit");
  const bytes = reader.bytes(sizeBytes).slice();
  const signature = asSignature(reader.bytes(64).slice());
  reader.end();
  return { bytes, signature, seq };
}

export function encodePut(targetKey: PublicKey, verified: VerifiedRecord): Uint8Array {
  const { record, bytes, signature } = verified;
  const seq = compactUint(record.publishedS);
  return concat(targetKey, seq, compactUint(bytes.length), bytes, signature);
}
