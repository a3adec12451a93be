import type { PublicKey } from "../core/brand.ts";
import { equal } from "../core/bytes.ts";
import { verifySignature } from "../core/keys.ts";
import {
  isSameRelease,
  verifyRecord,
  type ReleaseRecord,
  type VerifiedRecord,
} from "../core/release-record.ts";
import { coreMessage } from "./core-hash.ts";
import { ExeError } from "./error.ts";
import { EXTENSION_BYTES, settingsDigest, type Extension } from "./extension.ts";
import { decodeRegion, type FullRegion } from "./full-region.ts";
import { coreState, type RegionCore } from "./region.ts";

/** A region of which everything was checked that can be checked without the rest of the file. */
export interface CheckedRegion extends FullRegion {
  readonly extension: Extension;
}

/**
 * A region as a peer announces it: signed by the owner, and for this record. Says nothing about the
 * bytes around it; verify-executable.ts does, once they are there.
 * @throws {ExeError} REGION_INVALID, EXTENSION_INVALID, REGION_UNSIGNED, OWNER_MISMATCH,
 *   RECORD_MISMATCH, SIZE_MISMATCH
 * @throws {CoreError} SIGNATURE_INVALID
 */
export function checkRegion(
  owner: PublicKey,
  region: Uint8Array,
  verified: VerifiedRecord,
): CheckedRegion {
  const { core, extension } = decodeRegion(region);
  if (extension === undefined) throw unsigned();
  checkCoreSignature(owner, core);
  checkOwner(owner, extension.owner);
  checkRecord(core, extension, verified);
  return { core, extension };
}

/** What a region says it belongs to, checked as `checkRegion` does. */
export interface CarriedRelease {
  readonly record: VerifiedRecord;
  readonly extension: Extension;
  /** 4096 bytes, as it came. */
  readonly region: Uint8Array;
}

/**
 * The release that a region carries, whoever gave it: the owner has signed it. Which bytes are around it is
 * not known by that.
 * @throws {ExeError} REGION_INVALID, EXTENSION_INVALID, REGION_UNSIGNED, OWNER_MISMATCH, RECORD_MISMATCH,
 *   SIZE_MISMATCH
 * @throws {CoreError} SIGNATURE_INVALID
 */
export function carriedRelease(owner: PublicKey, region: Uint8Array): CarriedRelease {
  const signed = decodeRegion(region).extension?.record;
  if (signed === undefined) throw unsigned();
  const record = verifyRecord(owner, signed.bytes, signed.signature);
  const { extension } = checkRegion(owner, region, record);
  return { record, extension, region };
}

/**
 * The core's signature over what the core says of itself.
 * @throws {ExeError} REGION_UNSIGNED
 * @throws {CoreError} SIGNATURE_INVALID
 */
export function checkCoreSignature(owner: PublicKey, core: RegionCore): void {
  // Zeros where the signature should be are never "development mode".
  if (coreState(core) !== "signed" || core.version === undefined) throw unsigned();
  const message = coreMessage(core.version, core.hash, core.sizeBytes);
  verifySignature(owner, message, core.signature, "the executable");
}

export function unsigned(): ExeError {
  return new ExeError(
    "REGION_UNSIGNED",
    "the executable is not signed: run `rustpatcher sign` on it",
    { blame: "artifact" },
  );
}

/** @throws {ExeError} OWNER_MISMATCH */
export function checkOwner(expected: PublicKey, actual: PublicKey): void {
  if (!equal(expected, actual)) {
    throw new ExeError("OWNER_MISMATCH", "the executable belongs to another owner key", {
      blame: "artifact",
      expected: expected.toHex(),
      actual: actual.toHex(),
    });
  }
}

/** The region and the record must tell one story: a mix of two releases is refused. */
function checkRecord(core: RegionCore, extension: Extension, verified: VerifiedRecord): void {
  const { record } = verified;
  checkCarried(extension, verified);
  if (record.x.settings !== undefined && !equal(settingsDigest(extension), record.x.settings)) {
    throw mismatch("settings", record);
  }
  if (core.version?.text !== record.version.text) throw mismatch("version", record);
  for (const name of ["app", "target", "channel"] as const) {
    if (extension[name] !== record[name]) throw mismatch(name, record);
  }
  // The core counts everything but itself: the canonical stream and the extension.
  if (core.sizeBytes !== record.lengthBytes + EXTENSION_BYTES) {
    throw new ExeError("SIZE_MISMATCH", "the region and the release record differ in size", {
      blame: "artifact",
      expected: record.lengthBytes + EXTENSION_BYTES,
      actual: core.sizeBytes,
    });
  }
}

/**
 * The record inside is the announced one. Or the owner has announced the same executable anew since: to
 * more copies, or because a later one was withdrawn. Then what else the region says has to be named too,
 * or another region that was once signed around the same content could be passed off.
 */
function checkCarried({ record: carried }: Extension, verified: VerifiedRecord): void {
  const { owner, record } = verified;
  if (carried === undefined) throw mismatch("record", record);
  if (equal(carried.bytes, verified.bytes) && equal(carried.signature, verified.signature)) return;
  if (record.x.settings === undefined) throw mismatch("record", record);
  let other: ReleaseRecord;
  try {
    other = verifyRecord(owner, carried.bytes, carried.signature).record;
  } catch (cause) {
    throw mismatch("record", record, cause);
  }
  if (!isSameRelease(other, record)) throw mismatch("record", record);
}

function mismatch(field: string, record: ReleaseRecord, cause?: unknown): ExeError {
  return new ExeError(
    "RECORD_MISMATCH",
    `the region and the release record of version ${record.version.text} differ in: ${field}`,
    { blame: "artifact", cause, field },
  );
}
