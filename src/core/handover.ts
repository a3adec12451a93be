/**
 * Handing an app over to another owner key: a record of one target, signed by the old key, that names the new
 * one. It is no release: nothing of it is ever installed. Its date is the last one there is, so that no later
 * record of the old key takes its place in the DHT, whoever signs it by then.
 */
import { asContentRoot, asSignature, type PublicKey, type SecretSeed } from "./brand.ts";
import { concat, equal } from "./bytes.ts";
import { CoreError } from "./core-error.ts";
import { HANDOVERS_MAX, RECORD_MAX_BYTES, UINT_MAX } from "./limits.ts";
import { signRecord, verifyRecord, type VerifiedRecord } from "./release-record.ts";
import { checkTarget } from "./target.ts";
import type { TargetName } from "./target-key.ts";
import { parseVersion } from "./version.ts";

const SIGNATURE_BYTES = 64;
/** Below every release, for readers that do not know handovers. */
const NO_VERSION = parseVersion("0.0.0");

/** A handover that was checked: from its owner to this key. */
export interface Handover extends VerifiedRecord {
  readonly successor: PublicKey;
}

export function signHandover(seed: SecretSeed, name: TargetName, successor: PublicKey): Handover {
  const signed = signRecord(seed, {
    app: name.app,
    target: checkTarget(name.target),
    channel: name.channel,
    version: NO_VERSION,
    lengthBytes: 1,
    regionOffset: 0,
    root: asContentRoot(new Uint8Array(32)),
    publishedS: UINT_MAX,
    expiresS: 0,
    from: undefined,
    x: { successor },
  });
  return { ...signed, successor };
}

/** Undefined for a record of a release. */
export function asHandover(verified: VerifiedRecord): Handover | undefined {
  const { successor } = verified.record.x;
  return successor === undefined ? undefined : { ...verified, successor };
}

/** Signature and record in one byte string. */
export function encodeHandover({ signature, bytes }: VerifiedRecord): Uint8Array {
  return concat(signature, bytes);
}

/**
 * Each verified under the key that the one before it names, the first under `owner`.
 * @throws {CoreError} SIGNATURE_INVALID, FIELD_INVALID, LIMIT_EXCEEDED, …
 */
export function verifyHandovers(owner: PublicKey, coded: readonly Uint8Array[]): Handover[] {
  if (coded.length > HANDOVERS_MAX) throw invalid("too many handovers");
  const handovers: Handover[] = [];
  let by = owner;
  for (const item of coded) {
    if (item.length > SIGNATURE_BYTES + RECORD_MAX_BYTES) throw invalid("a long handover");
    const signature = asSignature(item.slice(0, SIGNATURE_BYTES));
    const handover = asHandover(verifyRecord(by, item.slice(SIGNATURE_BYTES), signature));
    if (handover === undefined) throw invalid("a record that hands nothing over");
    handovers.push(handover);
    by = handover.successor;
  }
  return handovers;
}

/**
 * The handovers that lead to `owner`, as its region carries them: the key that each is signed with is the one
 * before, which only `first` tells.
 * @throws {CoreError} FIELD_INVALID when they lead elsewhere, or are for another app or target
 */
export function checkLineage(
  owner: PublicKey,
  { app, target }: TargetName,
  { first, handovers }: Lineage,
): Handover[] {
  const verified = verifyHandovers(first, handovers);
  const last = verified.at(-1)?.successor;
  const isOurs = verified.every(({ record }) => record.app === app && record.target === target);
  if (last === undefined || !equal(last, owner) || !isOurs) {
    throw invalid("handovers that do not lead here");
  }
  return verified;
}

/** Where an owner key comes from. */
export interface Lineage {
  /** The key of the first handover. */
  readonly first: PublicKey;
  /** As encodeHandover has them, oldest first. */
  readonly handovers: readonly Uint8Array[];
}

function invalid(what: string): CoreError {
  return new CoreError("FIELD_INVALID", `the owner key was not handed over properly: ${what}`, {
    blame: "artifact",
  });
}
