/**
 * Signing: blank or reserved → signed, in place. Order: content root of the canonical stream → release
 * record → extension → core hash → core signature → on macOS the code signature. Each covers the ones
 * before it, none the ones after.
 */
import { basename, dirname, resolve } from "node:path";
import type { PublicKey, SecretSeed } from "../core/brand.ts";
import { checkLineage, type Lineage } from "../core/handover.ts";
import { isSignatureValid, publicKeyOf, sign } from "../core/keys.ts";
import { signRecord } from "../core/release-record.ts";
import type { ByteSource } from "../core/source.ts";
import type { Target } from "../core/target.ts";
import type { ParsedVersion } from "../core/version.ts";
import { ChunkTable } from "../content/table.ts";
import { canonicalStream } from "../exe/canonical.ts";
import { coreMessage, hashWithoutCore } from "../exe/core-hash.ts";
import { detectMachine } from "../exe/detect.ts";
import { ExeError } from "../exe/error.ts";
import { encodeExtension, settingsDigest, type Extension } from "../exe/extension.ts";
import { findRegion, type FoundRegion } from "../exe/find-region.ts";
import { decodeRegion } from "../exe/full-region.ts";
import { digestOfCoded, encodeNotes, type CodedNotes } from "../exe/notes.ts";
import { isForTarget, targetOf } from "../exe/machine.ts";
import { tryNormalForm } from "../exe/normal-form.ts";
import { CORE_BYTES, coreState, decodeCore, encodeCore, type RegionCore } from "../exe/region.ts";
import { readAutoload } from "../exe/standalone.ts";
import { verifyExecutable, type VerifiedExecutable } from "../exe/verify-executable.ts";
import { additionsOf, lowestFrom, type Announcement } from "./announcement.ts";
import { ReleaseError } from "./error.ts";
import { inNormalForm, refuseCoreOnlyMacos } from "./code-signature.ts";
import { findProject } from "./project.ts";
import { readLineage } from "./rotation.ts";
import { rewriteExecutable, type Draft, type OnRead } from "./rewrite.ts";
import { refuseSecretInside } from "./secret-scan.ts";
import {
  firstOf,
  ownerOf,
  refuseOtherKey,
  requestedTarget,
  settingsOf,
  toExtension,
  versionOf,
  type Settings,
} from "./settings.ts";

export interface SignOptions {
  readonly seed: SecretSeed;
  /** Win over the region, which wins over the nearest package.json. */
  readonly settings?: Settings;
  /** Where to look for a package.json when there is none at or above the executable. */
  readonly directory?: string;
  /** Hands the executable to this key although it names or was signed by another owner. */
  readonly force?: boolean;
  readonly announcement?: Announcement | undefined;
  /** Date of the release. */
  readonly publishedS: number;
  /** As if the file were gone through once; `file` is its name. */
  readonly onProgress?: ((doneBytes: number, totalBytes: number, file: string) => void) | undefined;
}

/** How often signing reads the whole file, about: copy, marker, secret, chunks, core; and the check of all that. */
const PASSES = 8;

export interface SignedExecutable {
  readonly verified: VerifiedExecutable;
  /** Sentences about what is allowed but unwise. */
  readonly warnings: readonly string[];
}

/**
 * Signs the executable at `path`, verifies the result, and only then puts it in place; in every other
 * case the file stays as it was.
 * @throws {ReleaseError} KEY_MISMATCH, KEY_INSIDE, CONFIG_MISSING, CONFIG_INVALID, TARGET_UNSUPPORTED,
 *   CODE_SIGNED
 * @throws {ExeError} NOTES_INVALID, REGION_MISSING, REGION_AMBIGUOUS, REGION_TRUNCATED, …
 * @throws {CoreError} VERSION_INVALID, FIELD_INVALID
 * @throws {FsError}
 */
export function signExecutable(path: string, options: SignOptions): SignedExecutable {
  const owner = publicKeyOf(options.seed);
  let doneBytes = 0;
  const onRead: OnRead = (sizeBytes, fileBytes) => {
    doneBytes += sizeBytes;
    options.onProgress?.(
      Math.min(fileBytes, Math.round(doneBytes / PASSES)),
      fileBytes,
      basename(path),
    );
  };
  const edit = (draft: Draft): SignedExecutable => {
    const found = findRegion(draft.source);
    refuseSecretInside(draft.source, options.seed);
    if (found.kind === "full") {
      inNormalForm(draft, () => signFull(draft, found, path, options, owner));
    } else {
      refuseCoreOnlyMacos(draft.source);
      signCoreOnly(draft, found, options, owner);
    }
    return {
      verified: verifyExecutable(draft.source, { owner }),
      warnings: warnings(draft.source),
    };
  };
  return rewriteExecutable(path, edit, onRead);
}

function signFull(
  draft: Draft,
  { offset, sizeBytes }: FoundRegion,
  path: string,
  options: SignOptions,
  owner: PublicKey,
): void {
  const before = decodeRegion(draft.source.read(offset, sizeBytes));
  const project = findProject(dirname(resolve(path)), options.directory);
  const region = before.extension && settingsOf(before.extension, before.core.version);
  const settings = firstOf(options.settings, region, project?.settings);
  const named = ownerOf(settings);
  if (options.force !== true) refuseOtherKey(named, owner);
  const version = versionOf(settings);
  const target = targetFor(draft.source, settings);
  const plain = toExtension(settings, owner, target);
  const unsigned = { ...plain, lineage: lineageOf(settings, plain, before.extension) };
  const { announcement = {} } = options;
  const notes = notesOf(announcement, before.extension);
  const stream = canonicalStream(draft.source, offset);
  const record = signRecord(options.seed, {
    app: unsigned.app,
    version,
    target,
    channel: unsigned.channel,
    lengthBytes: stream.sizeBytes,
    regionOffset: offset,
    root: ChunkTable.ofStream(stream).root,
    publishedS: options.publishedS,
    expiresS: 0,
    from: lowestFrom(announcement),
    x: {
      ...additionsOf(announcement),
      settings: settingsDigest(unsigned),
      ...(notes !== undefined && { notes: notes.digest }),
    },
  });
  const extension: Extension = { ...unsigned, notes: notes?.coded, record };
  draft.write(offset + CORE_BYTES, encodeExtension(extension));
  signCore(draft, offset, options.seed, version);
}

/** From the file, or from the build that was made with it. @throws {CoreError} @throws {ReleaseError} */
function lineageOf(
  { rotation }: Settings,
  plain: Extension,
  before: Extension | undefined,
): Lineage | undefined {
  if (rotation !== undefined) return readLineage(rotation, plain, plain.owner);
  const lineage = before?.lineage;
  if (lineage !== undefined) checkLineage(plain.owner, plain, lineage);
  return lineage;
}

/** New ones, or those that are there already: the ones of a build, or of the same release announced before. */
function notesOf({ notes }: Announcement, before: Extension | undefined): CodedNotes | undefined {
  if (notes !== undefined) return encodeNotes(notes);
  const coded = before?.notes;
  const digest = coded && digestOfCoded(coded);
  return coded === undefined || digest === undefined ? undefined : { coded, digest };
}

/** Exactly what `rustpatcher sign` of the Rust crate does to its own binaries. */
function signCoreOnly(
  draft: Draft,
  { offset }: FoundRegion,
  options: SignOptions,
  owner: PublicKey,
): void {
  const before = decodeCore(draft.source.read(offset, CORE_BYTES));
  // There is no owner in the core; the signature over its own fields says whose it is.
  if (isForeign(before, owner) && options.force !== true) {
    throw new ReleaseError(
      "KEY_MISMATCH",
      "this executable is signed by another owner key: sign with that key, or use --force to replace its signature",
      { blame: "usage" },
    );
  }
  const version = versionOf(firstOf(options.settings, { version: before.version?.text }));
  signCore(draft, offset, options.seed, version);
}

function isForeign(core: RegionCore, owner: PublicKey): boolean {
  if (coreState(core) !== "signed") return false;
  if (core.version === undefined) return true;
  const message = coreMessage(core.version, core.hash, core.sizeBytes);
  return !isSignatureValid(owner, message, core.signature);
}

function signCore(draft: Draft, offset: number, seed: SecretSeed, version: ParsedVersion): void {
  const hash = hashWithoutCore(draft.source, offset);
  const sizeBytes = draft.source.sizeBytes - CORE_BYTES;
  const signature = sign(seed, coreMessage(version, hash, sizeBytes));
  draft.write(offset, encodeCore({ hash, sizeBytes, signature, version }));
}

/** From the flag, the region or the header; "baseline" stands in no header and has to be said. */
function targetFor(source: ByteSource, settings: Settings): Target {
  const machine = detectMachine(source);
  const target = requestedTarget(settings) ?? targetOf(machine);
  if (isForTarget(machine, target)) return target;
  throw new ExeError(
    "TARGET_MISMATCH",
    `the executable is for ${targetOf(machine)}, not for ${target}`,
    { blame: "usage", expected: target, actual: targetOf(machine) },
  );
}

function warnings(source: ByteSource): string[] {
  const autoload = readAutoload(tryNormalForm(source));
  const loaded = [
    ...(autoload?.bunfig === true ? ["bunfig.toml"] : []),
    ...(autoload?.dotenv === true ? [".env"] : []),
  ];
  if (loaded.length === 0) return [];
  return [
    `the app loads ${loaded.join(" and ")} from whatever directory it is started in: compile with --no-compile-autoload-bunfig --no-compile-autoload-dotenv`,
  ];
}
