/** One release: compile → reserve → sign. The file at `outfile` changes once, when all of it is done. */
import { mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import type { SecretSeed } from "../core/brand.ts";
import { publicKeyOf } from "../core/keys.ts";
import type { Target } from "../core/target.ts";
import { detectMachine } from "../exe/detect.ts";
import { targetOf } from "../exe/machine.ts";
import { encodeNotes } from "../exe/notes.ts";
import { withFile } from "../fs/file-source.ts";
import { markFinished, markUnfinished } from "../fs/unfinished.ts";
import { additionsOf, lowestFrom, type Announcement } from "./announcement.ts";
import { compileApp } from "./compile.ts";
import { ReleaseError } from "./error.ts";
import { findProject } from "./project.ts";
import { reserveExecutable } from "./reserve.ts";
import { readLineage } from "./rotation.ts";
import {
  firstOf,
  ownerOf,
  refuseOtherKey,
  requestedTarget,
  toExtension,
  versionOf,
  type Settings,
} from "./settings.ts";
import { signExecutable, type SignedExecutable, type SignOptions } from "./sign.ts";

export interface BuildOptions {
  readonly entry: string;
  /** Default: named like the app, in the working directory. */
  readonly outfile?: string | undefined;
  /** Of the file's name, before ".exe". */
  readonly suffix?: string;
  /** Win over the nearest package.json. */
  readonly settings?: Settings;
  /** Where to look for a package.json when there is none at or above the entry. */
  readonly directory?: string;
  readonly minify?: boolean;
  readonly bytecode?: boolean;
  readonly announcement?: Announcement | undefined;
  /** Undefined: reserve only; the executable is signed later or elsewhere. */
  readonly seed?: SecretSeed | undefined;
  readonly publishedS: number;
  /** @see SignOptions.onProgress; compiling comes before it, in one piece. */
  readonly onProgress?: SignOptions["onProgress"];
}

export interface BuiltExecutable {
  /** Absolute. */
  readonly path: string;
  readonly target: Target;
  readonly version: string;
  /** Undefined when it was only reserved. */
  readonly signed: SignedExecutable | undefined;
}

/**
 * Every value is checked before the compiler starts.
 * @throws {ReleaseError} @throws {ExeError} @throws {CoreError} @throws {FsError}
 */
export async function buildRelease(options: BuildOptions): Promise<BuiltExecutable> {
  const { entry, seed, publishedS, onProgress, minify = false, bytecode = false } = options;
  const { announcement = {} } = options;
  const project = findProject(dirname(resolve(entry)), options.directory);
  const settings = firstOf(options.settings, project?.settings);
  const signer = seed === undefined ? undefined : publicKeyOf(seed);
  const owner = ownerOf(settings) ?? signer;
  if (owner === undefined) {
    throw new ReleaseError(
      "CONFIG_MISSING",
      'there is no owner key: write "rustpatcher": { "publicKey": … } in package.json or use --public-key',
      { blame: "usage" },
    );
  }
  if (signer !== undefined) refuseOtherKey(owner, signer);
  const version = versionOf(settings);
  const requested = requestedTarget(settings);
  const host = targetOf(withFile(process.execPath, detectMachine));
  additionsOf(announcement);
  lowestFrom(announcement);
  const notes =
    announcement.notes === undefined ? undefined : encodeNotes(announcement.notes).coded;
  const plain = toExtension(settings, owner, requested ?? host);
  const { rotation } = settings;
  const lineage = rotation === undefined ? undefined : readLineage(rotation, plain, owner);
  const extension = { ...plain, notes, lineage };
  const name = `${options.outfile ?? basename(extension.app)}${options.suffix ?? ""}`;
  const path = outfileOf(name, extension.target);
  mkdirSync(dirname(path), { recursive: true });
  // On the same file system, so that the finished executable is moved into place in one step.
  const directory = mkdtempSync(join(dirname(path), ".rustpatcher-build-"));
  markUnfinished(directory);
  try {
    const draft = join(directory, basename(path));
    await compileApp({ entry, outfile: draft, target: requested, minify, bytecode });
    reserveExecutable(draft, extension, version);
    const signed =
      seed === undefined
        ? undefined
        : signExecutable(draft, { seed, publishedS, announcement, onProgress });
    renameSync(draft, path);
    return { path, target: extension.target, version: version.text, signed };
  } finally {
    rmSync(directory, { recursive: true, force: true });
    markFinished(directory);
  }
}

/** Bun adds the suffix by itself, so it must be ours to know. */
function outfileOf(path: string, target: Target): string {
  const isBare = target.startsWith("windows") && !path.endsWith(".exe");
  return resolve(isBare ? `${path}.exe` : path);
}
