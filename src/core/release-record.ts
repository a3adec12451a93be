/**
 * The release record: the only authority on "what is the newest version". A CBOR map of at most 600
 * bytes, signed as bytes and never re-encoded:
 *
 *   app, channel    text     names: letters, digits and . _ - @ /, 1 to 64 bytes
 *   expires         uint     unix seconds, 0 = never
 *   format          uint     1
 *   from            text     optional: the lowest version that may update directly to this one
 *   length          uint     bytes of the canonical stream
 *   offset          uint     where the region stands in the executable
 *   published       uint     unix seconds; the seq of the DHT record
 *   root            bytes    32, content root of the canonical stream
 *   target          text     target.ts
 *   version         text     version.ts
 *   x               map      optional: additions that a reader may ignore (record-additions.ts). Any other
 *                            unknown field is refused.
 *
 * The signature is that of a HyperDHT mutable record with value = these bytes and seq = published, under
 * the target key (hyperdht lib/persistent.js signMutable), so that any copy can put it into the DHT.
 */
import {
  asContentRoot,
  type ContentRoot,
  type PublicKey,
  type SecretSeed,
  type Signature,
} from "./brand.ts";
import { concat, equal, utf8 } from "./bytes.ts";
import { decodeCbor, encodeCbor, type CborValue } from "./cbor.ts";
import { CoreError } from "./core-error.ts";
import { Fields } from "./fields.ts";
import { blake2b256 } from "./hash.ts";
import { publicKeyOf, verifySignature } from "./keys.ts";
import {
  EXECUTABLE_MAX_BYTES,
  NAME_MAX_BYTES,
  RECORD_MAX_BYTES,
  UINT_MAX,
  VERSION_MAX_BYTES,
} from "./limits.ts";
import { decodeAdditions, encodeAdditions, type RecordAdditions } from "./record-additions.ts";
import { checkTarget, type Target } from "./target.ts";
import { signForTarget, targetPublicKey } from "./target-key.ts";
import { compareVersions, parseVersion, type ParsedVersion } from "./version.ts";

const FORMAT = 1;

export interface ReleaseRecord {
  readonly app: string;
  readonly version: ParsedVersion;
  readonly target: Target;
  readonly channel: string;
  /** Bytes of the canonical stream: the executable without its 4096-byte region. */
  readonly lengthBytes: number;
  /** Where the region stands in the executable. */
  readonly regionOffset: number;
  readonly root: ContentRoot;
  /** Unix seconds. */
  readonly publishedS: number;
  /** Unix seconds; 0 = never. */
  readonly expiresS: number;
  /** The lowest version that may update directly to this one. */
  readonly from: ParsedVersion | undefined;
  readonly x: RecordAdditions;
}

/** An owner-signed record that was checked under one target key. Only verifyRecord makes these. */
export interface VerifiedRecord {
  /** Whose signature it is, by a target key. */
  readonly owner: PublicKey;
  readonly record: ReleaseRecord;
  /** As signed. */
  readonly bytes: Uint8Array;
  readonly signature: Signature;
}

const NAME = /^[A-Za-z0-9@][A-Za-z0-9._@/-]*$/;

/** App names (npm's, scopes included) and channels. @throws {CoreError} FIELD_INVALID */
export function checkName(text: string, what: string): string {
  if (text.length <= NAME_MAX_BYTES && NAME.test(text)) return text;
  throw new CoreError(
    "FIELD_INVALID",
    `the ${what} must be 1 to ${NAME_MAX_BYTES} letters, digits or . _ - @ /`,
    { blame: "usage" },
  );
}

/** @throws {CoreError} LIMIT_EXCEEDED when the result is longer than 600 bytes. */
export function encodeRecord(record: ReleaseRecord): Uint8Array {
  const map = new Map<string, CborValue>([
    ["format", FORMAT],
    ["app", record.app],
    ["version", record.version.text],
    ["target", record.target],
    ["channel", record.channel],
    ["length", record.lengthBytes],
    ["offset", record.regionOffset],
    ["root", record.root],
    ["published", record.publishedS],
    ["expires", record.expiresS],
  ]);
  if (record.from !== undefined) map.set("from", record.from.text);
  const additions = encodeAdditions(record.x);
  if (additions !== undefined) map.set("x", additions);
  const bytes = encodeCbor(map);
  if (bytes.length > RECORD_MAX_BYTES) throw tooLong(bytes.length);
  return bytes;
}

function tooLong(sizeBytes: number): CoreError {
  return new CoreError("LIMIT_EXCEEDED", `a release record has at most ${RECORD_MAX_BYTES} bytes`, {
    blame: "peer",
    sizeBytes,
  });
}

/** Decodes without any trust in the result. @throws {CoreError} */
export function decodeRecord(bytes: Uint8Array): ReleaseRecord {
  if (bytes.length > RECORD_MAX_BYTES) throw tooLong(bytes.length);
  const fields = new Fields(decodeCbor(bytes));
  fields.uint("format", FORMAT, FORMAT);
  const lengthBytes = fields.uint("length", EXECUTABLE_MAX_BYTES, 1);
  const publishedS = fields.uint("published", UINT_MAX, 1);
  const expiresS = fields.uint("expires", UINT_MAX);
  const version = parseVersion(fields.text("version", VERSION_MAX_BYTES));
  const record: ReleaseRecord = {
    app: checkName(fields.text("app", NAME_MAX_BYTES), "app name"),
    version,
    target: checkTarget(fields.text("target", NAME_MAX_BYTES)),
    channel: checkName(fields.text("channel", NAME_MAX_BYTES), "channel"),
    lengthBytes,
    // The region stands inside the executable, so at most behind the last byte of the stream.
    regionOffset: fields.uint("offset", lengthBytes),
    root: asContentRoot(fields.bytes("root", 32)),
    publishedS,
    expiresS,
    from: fields.has("from") ? parseVersion(fields.text("from", VERSION_MAX_BYTES)) : undefined,
    x: decodeAdditions(fields.take("x"), version),
  };
  if (expiresS !== 0 && expiresS <= publishedS) {
    throw new CoreError("FIELD_INVALID", "the record expires before it was published", {
      blame: "peer",
    });
  }
  if (record.x.successor !== undefined && publishedS !== UINT_MAX) {
    throw new CoreError("FIELD_INVALID", "the handover is not dated as the last record", {
      blame: "peer",
    });
  }
  fields.end();
  return record;
}

/** BLAKE2b-256("hyperswarm/dht"), then BLAKE2b-256 of it ‖ command id 6: hypercore-crypto's namespace(). */
const MUTABLE_PUT_NAMESPACE = blake2b256(
  concat(blake2b256(utf8("hyperswarm/dht")), Uint8Array.of(6)),
);

/** compact-encoding's uint: one byte below 0xfd, else a tag and 2 or 4 bytes LE. */
export function compactUint(value: number): Uint8Array {
  const out = new Uint8Array(value < 0xfd ? 1 : value <= 0xffff ? 3 : 5);
  const view = new DataView(out.buffer);
  if (out.length === 1) view.setUint8(0, value);
  else if (out.length === 3) {
    view.setUint8(0, 0xfd);
    view.setUint16(1, value, true);
  } else {
    view.setUint8(0, 0xfe);
    view.setUint32(1, value, true);
  }
  return out;
}

/** What HyperDHT signs for a mutable record. */
export function mutableSignable(seq: number, value: Uint8Array): Uint8Array {
  const encoded = concat(compactUint(seq), compactUint(value.length), value);
  return concat(MUTABLE_PUT_NAMESPACE, blake2b256(encoded));
}

/** Signs under the record's own target key; the owner's public key is derived from the seed. */
export function signRecord(seed: SecretSeed, record: ReleaseRecord): VerifiedRecord {
  const bytes = encodeRecord(record);
  const message = mutableSignable(record.publishedS, bytes);
  const signature = signForTarget(seed, record, message);
  return { owner: publicKeyOf(seed), record, bytes, signature };
}

/**
 * Step 1 (discover): the record decodes, names the target key it is signed with, and the signature is
 * the owner's. A record for another app, target or channel fails here, whoever signed it.
 * @throws {CoreError} SIGNATURE_INVALID, FIELD_INVALID, CBOR_INVALID, LIMIT_EXCEEDED
 */
export function verifyRecord(
  owner: PublicKey,
  bytes: Uint8Array,
  signature: Signature,
): VerifiedRecord {
  const record = decodeRecord(bytes);
  const key = targetPublicKey(owner, record);
  verifySignature(key, mutableSignable(record.publishedS, bytes), signature, "the release record");
  return { owner, record, bytes, signature };
}

/** Does `record` withdraw this version? Then its own is the one to go back to. */
export function isWithdrawnBy(
  version: ParsedVersion,
  { version: good, x }: ReleaseRecord,
): boolean {
  const { withdrawn } = x;
  if (withdrawn === undefined) return false;
  return compareVersions(version, good) > 0 && compareVersions(version, withdrawn) <= 0;
}

/** The highest version that a record has a say about: what comes after it is not below. */
export function heightOf({ version, x }: ReleaseRecord): ParsedVersion {
  return x.withdrawn ?? version;
}

/** Two announcements of one executable: all that says what it is is equal. */
export function isSameRelease(a: ReleaseRecord, b: ReleaseRecord): boolean {
  return (
    a.version.text === b.version.text &&
    a.lengthBytes === b.lengthBytes &&
    a.regionOffset === b.regionOffset &&
    equal(a.root, b.root)
  );
}
