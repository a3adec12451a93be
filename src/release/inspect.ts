/** Every field of a region, as plain values for people and for JSON. Trusts nothing, verifies nothing. */
import { checkLineage } from "../core/handover.ts";
import { keyText } from "../core/keys.ts";
import { decodeRecord, type ReleaseRecord } from "../core/release-record.ts";
import type { ByteSource } from "../core/source.ts";
import { tryDetectMachine } from "../exe/detect.ts";
import type { Extension } from "../exe/extension.ts";
import { notesIn } from "../exe/notes.ts";
import { findRegion } from "../exe/find-region.ts";
import { decodeRegion } from "../exe/full-region.ts";
import { targetOf } from "../exe/machine.ts";
import {
  tryCodeSignature,
  tryCodeSigner,
  tryNormalForm,
  type CodeSignature,
} from "../exe/normal-form.ts";
import { coreState, decodeCore, type RegionCore, type RegionState } from "../exe/region.ts";
import { readAutoload, type Autoload } from "../exe/standalone.ts";

export interface Inspection {
  readonly kind: "full" | "core";
  readonly state: RegionState;
  readonly fileBytes: number;
  readonly regionOffset: number;
  readonly regionBytes: number;
  /** From the header of the executable format; null when it has none that we know. */
  readonly machine: string | null;
  /** The operating system's: its kind, right or wrong; null when it cannot be told. */
  readonly codeSignature: CodeSignature | null;
  /** Name in the certificate of `cms`, which nobody has checked here. */
  readonly codeSigner: string | null;
  /** null for a file that Bun has not compiled. */
  readonly autoload: Autoload | null;
  readonly version: string | null;
  /** Hexadecimal. */
  readonly hash: string;
  readonly sizeBytes: number;
  /** Hexadecimal. */
  readonly signature: string;
  readonly app: string | null;
  /** z-base-32. */
  readonly publicKey: string | null;
  readonly target: string | null;
  readonly channel: string | null;
  readonly mode: string | null;
  readonly intervalSeconds: number | null;
  readonly upload: string | null;
  readonly bootstrap: readonly string[];
  /** The secret itself is in every copy, but need not be on a screen. */
  readonly hasSharedSecret: boolean;
  /** Owner keys before this one, oldest first. */
  readonly formerKeys: readonly string[];
  readonly record: InspectedRecord | null;
  /** Release notes that the record signs. */
  readonly notes: string | null;
}

export interface InspectedRecord {
  readonly app: string;
  readonly version: string;
  readonly target: string;
  readonly channel: string;
  readonly lengthBytes: number;
  readonly regionOffset: number;
  /** Hexadecimal. */
  readonly root: string;
  /** ISO 8601. */
  readonly published: string;
  /** ISO 8601; null = never. */
  readonly expires: string | null;
  readonly from: string | null;
  /** Percent of the copies that may install it now. */
  readonly rollout: number;
  readonly critical: boolean;
  /** The highest version that it withdraws. */
  readonly withdrawn: string | null;
  /** Hexadecimal. */
  readonly signature: string;
}

/** @throws {ExeError} when there is not exactly one well-formed region. */
export function inspectExecutable(source: ByteSource): Inspection {
  const found = findRegion(source);
  const bytes = source.read(found.offset, found.sizeBytes).slice();
  const { core, extension } =
    found.kind === "full" ? decodeRegion(bytes) : { core: decodeCore(bytes), extension: undefined };
  const machine = tryDetectMachine(source);
  return {
    kind: found.kind,
    state: coreState(core),
    fileBytes: source.sizeBytes,
    regionOffset: found.offset,
    regionBytes: found.sizeBytes,
    machine: machine === undefined ? null : targetOf(machine),
    codeSignature: tryCodeSignature(source) ?? null,
    codeSigner: tryCodeSigner(source) ?? null,
    autoload: readAutoload(tryNormalForm(source)) ?? null,
    ...describeCore(core),
    ...describeExtension(extension),
  };
}

function describeCore(core: RegionCore) {
  return {
    version: core.version?.text ?? null,
    hash: core.hash.toHex(),
    sizeBytes: core.sizeBytes,
    signature: core.signature.toHex(),
  };
}

function describeExtension(extension: Extension | undefined) {
  const signed = extension?.record;
  const record = signed && decodeRecord(signed.bytes);
  return {
    app: extension?.app ?? null,
    publicKey: extension === undefined ? null : keyText(extension.owner),
    target: extension?.target ?? null,
    channel: extension?.channel ?? null,
    mode: extension?.mode ?? null,
    intervalSeconds: extension?.intervalSeconds ?? null,
    upload: extension?.upload ?? null,
    bootstrap: extension?.bootstrap ?? [],
    hasSharedSecret: extension?.sharedSecret !== undefined,
    formerKeys: extension === undefined ? [] : formerKeys(extension),
    record:
      record === undefined || signed === undefined
        ? null
        : describeRecord(record, signed.signature.toHex()),
    notes: (extension && record && notesIn(extension, record)) ?? null,
  };
}

function formerKeys({ owner, lineage, ...name }: Extension): string[] {
  if (lineage === undefined) return [];
  return checkLineage(owner, name, lineage).map((handover) => keyText(handover.owner));
}

function describeRecord(record: ReleaseRecord, signature: string): InspectedRecord {
  const date = (seconds: number): string => new Date(seconds * 1000).toISOString();
  return {
    app: record.app,
    version: record.version.text,
    target: record.target,
    channel: record.channel,
    lengthBytes: record.lengthBytes,
    regionOffset: record.regionOffset,
    root: record.root.toHex(),
    published: date(record.publishedS),
    expires: record.expiresS === 0 ? null : date(record.expiresS),
    from: record.from?.text ?? null,
    rollout: record.x.rolloutPercent ?? 100,
    critical: record.x.isCritical === true,
    withdrawn: record.x.withdrawn?.text ?? null,
    signature,
  };
}
