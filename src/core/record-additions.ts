/**
 * The record's map `x`: what a reader that does not know it may ignore, and then does less than the owner
 * wanted, never more than the owner signed.
 *
 *   critical    true     not held back by a rollout, and told to the app
 *   notes       bytes    16, start of the SHA-256 of the release notes (exe/notes.ts)
 *   rollout     uint     percent of the copies that may install this now, 0 to 99; absent: all
 *   settings    bytes    16, digest of the region's settings (exe/extension.ts)
 *   successor   bytes    32, the owner key that follows on the one that signed this (handover.ts)
 *   withdrawn   text     versions above this one, up to that one, are withdrawn: who has one goes back
 */
import type { PublicKey } from "./brand.ts";
import type { CborValue } from "./cbor.ts";
import { CoreError } from "./core-error.ts";
import { Fields } from "./fields.ts";
import { checkPublicKey } from "./keys.ts";
import { VERSION_MAX_BYTES } from "./limits.ts";
import { compareVersions, parseVersion, type ParsedVersion } from "./version.ts";

/** Of the digests in `x`: an owner can only deceive himself, so finding a second text is what counts. */
export const SHORT_DIGEST_BYTES = 16;
const ALL_PERCENT = 100;

export interface RecordAdditions {
  readonly isCritical?: boolean;
  /** 16 bytes. */
  readonly notes?: Uint8Array;
  /** 0 to 99. */
  readonly rolloutPercent?: number;
  /** 16 bytes. */
  readonly settings?: Uint8Array;
  readonly successor?: PublicKey;
  /** Above the record's own version. */
  readonly withdrawn?: ParsedVersion;
}

/** Undefined when there is nothing to say. */
export function encodeAdditions(additions: RecordAdditions): CborValue | undefined {
  const { isCritical = false, notes, rolloutPercent, settings, successor, withdrawn } = additions;
  const map = new Map<string, CborValue>();
  if (isCritical) map.set("critical", true);
  if (notes !== undefined) map.set("notes", notes);
  if (rolloutPercent !== undefined) map.set("rollout", rolloutPercent);
  if (settings !== undefined) map.set("settings", settings);
  if (successor !== undefined) map.set("successor", successor);
  if (withdrawn !== undefined) map.set("withdrawn", withdrawn.text);
  return map.size === 0 ? undefined : map;
}

/**
 * `version` is the record's own. Entries that are not known are left out.
 * @throws {CoreError} FIELD_INVALID, KEY_WEAK, VERSION_INVALID for one that is known and wrong.
 */
export function decodeAdditions(
  value: CborValue | undefined,
  version: ParsedVersion,
): RecordAdditions {
  if (value === undefined) return {};
  const fields = new Fields(value);
  const withdrawn = fields.has("withdrawn")
    ? parseVersion(fields.text("withdrawn", VERSION_MAX_BYTES))
    : undefined;
  if (withdrawn !== undefined && compareVersions(withdrawn, version) <= 0) {
    throw invalid("withdraws what is not above it");
  }
  if (fields.has("critical") && fields.take("critical") !== true) {
    throw invalid('has a "critical" that is not true');
  }
  return {
    ...(fields.has("critical") && { isCritical: true }),
    ...(fields.has("notes") && { notes: fields.bytes("notes", SHORT_DIGEST_BYTES) }),
    ...(fields.has("rollout") && { rolloutPercent: fields.uint("rollout", ALL_PERCENT - 1) }),
    ...(fields.has("settings") && { settings: fields.bytes("settings", SHORT_DIGEST_BYTES) }),
    ...(fields.has("successor") && { successor: checkPublicKey(fields.bytes("successor", 32)) }),
    ...(withdrawn !== undefined && { withdrawn }),
  };
}

function invalid(reason: string): CoreError {
  return new CoreError("FIELD_INVALID", `the record ${reason}`, { blame: "peer" });
}
