/**
 * The 3920 bytes after the core: what the runtime must know without a configuration file. The core hash
 * covers them. Layout: magic, u16 LE length, CBOR map, zeros (see region.ts for the offsets).
 */
import { asSignature, type PublicKey, type Signature } from "../core/brand.ts";
import { concat, equal, fromHex, isZero, u16le } from "../core/bytes.ts";
import { decodeCbor, encodeCbor, type CborValue } from "../core/cbor.ts";
import { Fields } from "../core/fields.ts";
import type { Lineage } from "../core/handover.ts";
import { sha256 } from "../core/hash.ts";
import { checkPublicKey } from "../core/keys.ts";
import { HANDOVERS_MAX, NAME_MAX_BYTES, RECORD_MAX_BYTES } from "../core/limits.ts";
import { Reader } from "../core/reader.ts";
import { SHORT_DIGEST_BYTES } from "../core/record-additions.ts";
import { checkName } from "../core/release-record.ts";
import { checkTarget, type Target } from "../core/target.ts";
import { ExeError } from "./error.ts";
import { CORE_BYTES, REGION_BYTES } from "./region.ts";

export const EXTENSION_BYTES: number = REGION_BYTES - CORE_BYTES;
/** "rpext", version 1, CR LF: a file mangled as text does not match. */
export const EXTENSION_MAGIC: Uint8Array = fromHex("7270657874010d0a");
const FORMAT = 1;
const CBOR_MAX_BYTES = EXTENSION_BYTES - EXTENSION_MAGIC.length - 2;
const BOOTSTRAP_MAX = 16;
const BOOTSTRAP_TEXT_MAX_BYTES = 80;
const SECRET_BYTES = 32;
const MODE_MAX_BYTES = 16;
const UPLOAD_MAX_BYTES = 16;
/** A day: a copy that looks less often is not kept up to date. */
const INTERVAL_MAX_S = 86_400;

/** An owner-signed release record: the bytes as signed, and HyperDHT's mutable-record signature. */
export interface SignedRecord {
  /** CBOR of release-record.ts, never re-encoded. */
  readonly bytes: Uint8Array;
  readonly signature: Signature;
}

export interface Extension {
  readonly app: string;
  readonly owner: PublicKey;
  readonly target: Target;
  readonly channel: string;
  /** "now" | "on-restart" | "at HH:MM" | "manual" | "background"; parsed where it is used. */
  readonly mode: string;
  readonly intervalSeconds: number | undefined;
  /** "off", "unlimited" or a rate; parsed where it is used. */
  readonly upload: string | undefined;
  /** "host:port"; empty means the public bootstrap nodes. */
  readonly bootstrap: readonly string[];
  /** 32 bytes; makes the swarm private. */
  readonly sharedSecret: Uint8Array | undefined;
  /** False: it tells nobody how much it serves and what it refuses. Default true. */
  readonly statistics?: boolean | undefined;
  /** The owner keys before this one, and that they were handed over. */
  readonly lineage?: Lineage | undefined;
  /** Release notes as notes.ts codes them. Not a setting: the record names them by themselves. */
  readonly notes?: Uint8Array | undefined;
  /** Absent until signed. */
  readonly record: SignedRecord | undefined;
}

function invalid(reason: string, cause?: unknown): ExeError {
  return new ExeError("EXTENSION_INVALID", `the signature region is damaged: ${reason}`, {
    blame: "artifact",
    cause,
  });
}

/** What an app runs with: everything but what a signature adds. */
function settingsMap(extension: Extension): Map<string, CborValue> {
  const map = new Map<string, CborValue>([
    ["format", FORMAT],
    ["app", extension.app],
    ["owner", extension.owner],
    ["target", extension.target],
    ["channel", extension.channel],
    ["mode", extension.mode],
  ]);
  if (extension.intervalSeconds !== undefined) map.set("interval", extension.intervalSeconds);
  if (extension.upload !== undefined) map.set("upload", extension.upload);
  if (extension.bootstrap.length > 0) map.set("bootstrap", [...extension.bootstrap]);
  if (extension.sharedSecret !== undefined) map.set("secret", extension.sharedSecret);
  if (extension.statistics === false) map.set("statistics", false);
  const { lineage } = extension;
  if (lineage !== undefined) map.set("lineage", [lineage.first, ...lineage.handovers]);
  return map;
}

/**
 * 16 bytes. The record names it, so that a release which is announced anew still means one region's
 * settings, although that region carries the record of before.
 */
export function settingsDigest(extension: Extension): Uint8Array {
  return sha256(encodeCbor(settingsMap(extension))).slice(0, SHORT_DIGEST_BYTES);
}

/** @throws {ExeError} EXTENSION_INVALID when the values do not fit. Returns 3920 new bytes. */
export function encodeExtension(extension: Extension): Uint8Array {
  const map = settingsMap(extension);
  if (extension.notes !== undefined) map.set("notes", extension.notes);
  if (extension.record !== undefined) {
    map.set("record", extension.record.bytes);
    map.set("signature", extension.record.signature);
  }
  const cbor = encodeCbor(map);
  const excessBytes = cbor.length - CBOR_MAX_BYTES;
  if (excessBytes > 0 && extension.notes !== undefined) {
    throw new ExeError(
      "NOTES_INVALID",
      `the release notes do not fit into the region, by ${excessBytes} bytes of ${extension.notes.length} that they take compressed: shorten them`,
      { blame: "usage", excessBytes },
    );
  }
  if (excessBytes > 0) throw invalid("the configuration does not fit into the region");
  const out = new Uint8Array(EXTENSION_BYTES);
  out.set(concat(EXTENSION_MAGIC, u16le(cbor.length), cbor));
  return out;
}

/**
 * Undefined for the blank extension of a freshly compiled app.
 * @throws {ExeError} EXTENSION_INVALID
 */
export function decodeExtension(bytes: Uint8Array): Extension | undefined {
  if (bytes.length !== EXTENSION_BYTES) throw invalid(`${bytes.length} bytes of extension`);
  const reader = new Reader(bytes);
  if (!equal(reader.bytes(EXTENSION_MAGIC.length), EXTENSION_MAGIC)) throw invalid("no magic");
  const sizeBytes = reader.u16le();
  if (sizeBytes > CBOR_MAX_BYTES) throw invalid("the extension is longer than the region");
  const cbor = reader.bytes(sizeBytes);
  // Every byte is accounted for: nothing can be hidden behind the map.
  if (!isZero(reader.bytes(reader.remaining))) throw invalid("bytes after the configuration");
  if (sizeBytes === 0) return undefined;
  try {
    return decodeMap(new Fields(decodeCbor(cbor)));
  } catch (cause) {
    throw invalid("the configuration cannot be read", cause);
  }
}

function decodeMap(fields: Fields): Extension {
  fields.uint("format", FORMAT, FORMAT);
  const extension: Extension = {
    app: checkName(fields.text("app", NAME_MAX_BYTES), "app name"),
    owner: checkPublicKey(fields.bytes("owner", 32)),
    target: checkTarget(fields.text("target", NAME_MAX_BYTES)),
    channel: checkName(fields.text("channel", NAME_MAX_BYTES), "channel"),
    mode: fields.text("mode", MODE_MAX_BYTES),
    intervalSeconds: fields.has("interval")
      ? fields.uint("interval", INTERVAL_MAX_S, 1)
      : undefined,
    upload: fields.has("upload") ? fields.text("upload", UPLOAD_MAX_BYTES) : undefined,
    bootstrap: decodeBootstrap(fields.take("bootstrap") ?? []),
    sharedSecret: fields.has("secret") ? fields.bytes("secret", SECRET_BYTES) : undefined,
    ...(fields.has("statistics") ? { statistics: fields.boolean("statistics") } : {}),
    ...(fields.has("lineage") && { lineage: decodeLineage(fields.take("lineage")) }),
    ...(fields.has("notes") && { notes: decodeNotes(fields.take("notes")) }),
    record: decodeRecord(fields),
  };
  fields.end();
  return extension;
}

/** Whether they lead to the owner is looked at where they are used. */
function decodeLineage(value: CborValue | undefined): Lineage {
  if (!Array.isArray(value) || value.length > HANDOVERS_MAX + 1) throw invalid("the lineage");
  const [first, ...handovers] = value.map((item: CborValue) => {
    if (item instanceof Uint8Array) return item;
    throw invalid("the lineage");
  });
  if (first === undefined) throw invalid("the lineage");
  return { first: checkPublicKey(first), handovers };
}

/** What they say is looked at where they are shown. */
function decodeNotes(value: CborValue | undefined): Uint8Array {
  if (value instanceof Uint8Array) return value;
  throw invalid("the release notes");
}

function decodeRecord(fields: Fields): SignedRecord | undefined {
  if (!fields.has("record")) return undefined;
  const bytes = fields.take("record");
  if (!(bytes instanceof Uint8Array) || bytes.length > RECORD_MAX_BYTES) {
    throw invalid("the record is too long");
  }
  return { bytes, signature: asSignature(fields.bytes("signature", 64)) };
}

function decodeBootstrap(value: CborValue): string[] {
  if (!Array.isArray(value) || value.length > BOOTSTRAP_MAX) throw invalid("the bootstrap list");
  return value.map((item: CborValue) => {
    if (typeof item !== "string" || item.length > BOOTSTRAP_TEXT_MAX_BYTES) {
      throw invalid("a bootstrap address");
    }
    return item;
  });
}
