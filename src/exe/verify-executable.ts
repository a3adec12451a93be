/**
 * Step 6 (verify): all checks on a finished file, as if nothing before had been checked. The order is
 * from cheap to expensive; each failure is final.
 */
import type { PublicKey } from "../core/brand.ts";
import { equal } from "../core/bytes.ts";
import { verifyRecord, type VerifiedRecord } from "../core/release-record.ts";
import type { ByteSource } from "../core/source.ts";
import type { Target } from "../core/target.ts";
import { ChunkTable } from "../content/table.ts";
import { canonicalStream } from "./canonical.ts";
import { checkCoreSignature, checkOwner, checkRegion, unsigned } from "./check-region.ts";
import { hashWithoutCore } from "./core-hash.ts";
import { detectMachine } from "./detect.ts";
import { ExeError } from "./error.ts";
import type { Extension } from "./extension.ts";
import { findRegion } from "./find-region.ts";
import { decodeRegion } from "./full-region.ts";
import { isForTarget, targetOf } from "./machine.ts";
import { checkCodeSignature, normalForm } from "./normal-form.ts";
import { CORE_BYTES, decodeCore, type RegionCore } from "./region.ts";

/** Every check passed. Only verifyExecutable makes these. */
export type VerifiedExecutable = VerifiedFull | VerifiedCore;

export interface VerifiedFull {
  readonly kind: "full";
  readonly owner: PublicKey;
  readonly offset: number;
  /** 4096 bytes, owned by this object. */
  readonly region: Uint8Array;
  readonly core: RegionCore;
  readonly extension: Extension;
  readonly record: VerifiedRecord;
  /** Chunks of the canonical stream. */
  readonly table: ChunkTable;
}

/** Made by the Rust crate: nothing signs where the region stands, and there is no record. */
export interface VerifiedCore {
  readonly kind: "core";
  readonly owner: PublicKey;
  readonly offset: number;
  /** 176 bytes, owned by this object. */
  readonly region: Uint8Array;
  readonly core: RegionCore;
}

export interface VerifyOptions {
  /** The owner the file must have. Without it a full region is checked against the owner it names. */
  readonly owner?: PublicKey | undefined;
}

/**
 * @throws {ExeError} any code
 * @throws {CoreError} SIGNATURE_INVALID and what decoding foreign bytes may throw
 * @throws {ContentError}
 */
export function verifyExecutable(
  source: ByteSource,
  options: VerifyOptions = {},
): VerifiedExecutable {
  const found = findRegion(source);
  const region = source.read(found.offset, found.sizeBytes).slice();
  return found.kind === "full"
    ? verifyFull(source, found.offset, region, options.owner)
    : verifyCoreOnly(source, found.offset, region, options.owner);
}

function verifyFull(
  source: ByteSource,
  offset: number,
  region: Uint8Array,
  pinned: PublicKey | undefined,
): VerifiedFull {
  const { extension } = decodeRegion(region);
  if (extension?.record === undefined) throw unsigned();
  const owner = pinned ?? extension.owner;
  checkOwner(owner, extension.owner);
  const record = verifyRecord(owner, extension.record.bytes, extension.record.signature);
  const { core } = checkRegion(owner, region, record);
  checkPosition(record, offset);
  checkTarget(source, record.record.target);
  checkCodeSignature(source);
  checkCoreHash(normalForm(source), offset, core);
  const table = ChunkTable.ofStream(canonicalStream(source, offset));
  if (!equal(table.root, record.record.root)) {
    throw new ExeError("ROOT_MISMATCH", "the content is not the one that was signed", {
      blame: "artifact",
      expected: record.record.root.toHex(),
      actual: table.root.toHex(),
    });
  }
  return { kind: "full", owner, offset, region, core, extension, record, table };
}

function verifyCoreOnly(
  source: ByteSource,
  offset: number,
  region: Uint8Array,
  owner: PublicKey | undefined,
): VerifiedCore {
  const core = decodeCore(region.subarray(0, CORE_BYTES));
  if (owner === undefined) {
    throw new ExeError(
      "REGION_CORE_ONLY",
      "this executable of the Rust crate does not name its owner: give the public key to check it against",
      { blame: "usage" },
    );
  }
  checkCoreSignature(owner, core);
  // The rule of the Rust crate: every byte of the file, whatever its format.
  checkCoreHash(source, offset, core);
  return { kind: "core", owner, offset, region, core };
}

/** The core does not sign where it stands; the record does. Moved elsewhere, a file would not start. */
function checkPosition({ record }: VerifiedRecord, offset: number): void {
  if (record.regionOffset !== offset) {
    throw new ExeError(
      "RECORD_MISMATCH",
      `the signature region stands at offset ${offset} and was signed at ${record.regionOffset}`,
      { blame: "artifact", field: "offset", expected: record.regionOffset, actual: offset },
    );
  }
}

function checkTarget(source: ByteSource, target: Target): void {
  const machine = detectMachine(source);
  if (!isForTarget(machine, target)) {
    throw new ExeError(
      "TARGET_MISMATCH",
      `the executable is for ${targetOf(machine)} and was signed for ${target}`,
      { blame: "artifact", expected: target, actual: targetOf(machine) },
    );
  }
}

function checkCoreHash(source: ByteSource, offset: number, core: RegionCore): void {
  const sizeBytes = source.sizeBytes - CORE_BYTES;
  if (core.sizeBytes !== sizeBytes) {
    throw new ExeError(
      "SIZE_MISMATCH",
      `the executable has ${sizeBytes} signed bytes instead of ${core.sizeBytes}: it was cut off or appended to`,
      { blame: "artifact", expected: core.sizeBytes, actual: sizeBytes },
    );
  }
  const hash = hashWithoutCore(source, offset);
  if (!equal(hash, core.hash)) {
    throw new ExeError("HASH_MISMATCH", "the executable was changed after it was signed", {
      blame: "artifact",
      expected: core.hash.toHex(),
      actual: hash.toHex(),
    });
  }
}
