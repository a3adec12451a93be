/** `release.json`: what a release consists of, for release pages, for signing elsewhere, for publishing. */
import { writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { createHash } from "../core/hash.ts";
import { forEachPiece } from "../core/source.ts";
import { isTarget, TARGETS, type Target } from "../core/target.ts";
import { withFile } from "../fs/file-source.ts";
import { ReleaseError } from "./error.ts";
import { inspectExecutable } from "./inspect.ts";
import { readJson, type Json } from "./project.ts";

const FORMAT = 1;
const SUFFIX = ".json";

export interface ReleaseFile {
  readonly app: string;
  readonly version: string;
  readonly channel: string;
  /** Owner, z-base-32. */
  readonly publicKey: string;
  readonly files: readonly ReleaseEntry[];
}

export interface ReleaseEntry {
  readonly target: Target;
  /** Name of the executable, in the directory of release.json. */
  readonly file: string;
  readonly sizeBytes: number;
  /** Of the whole file, hexadecimal. */
  readonly sha256: string;
  /** Content root and signature of the release record, hexadecimal; null before signing. */
  readonly root: string | null;
  readonly signature: string | null;
}

export function isReleaseFile(path: string): boolean {
  return path.endsWith(SUFFIX);
}

/** From what the executables say of themselves. @throws {ExeError} @throws {FsError} */
export function describeRelease(paths: readonly string[]): ReleaseFile {
  const described = paths.map((path) =>
    withFile(path, (source) => {
      const inspection = inspectExecutable(source);
      const { app, version, channel, publicKey, target, record } = inspection;
      if (app === null || version === null || channel === null || publicKey === null) {
        throw invalid(path, "the executable does not say what it is");
      }
      if (target === null || !isTarget(target)) throw invalid(path, "its target is unknown");
      const hash = createHash("sha256");
      forEachPiece(source, (piece) => hash.update(piece));
      const entry: ReleaseEntry = {
        target,
        file: basename(path),
        sizeBytes: source.sizeBytes,
        sha256: hash.digest().toHex(),
        root: record?.root ?? null,
        signature: record?.signature ?? null,
      };
      return { app, version, channel, publicKey, entry };
    }),
  );
  const [first] = described;
  if (first === undefined) throw invalid("release", "there is no executable");
  const { app, version, channel, publicKey } = first;
  return { app, version, channel, publicKey, files: described.map(({ entry }) => entry) };
}

export function writeReleaseFile(path: string, release: ReleaseFile): void {
  writeFileSync(path, `${JSON.stringify({ format: FORMAT, ...release }, undefined, 2)}\n`);
}

/** The paths of the executables, as they were described. @throws {ReleaseError} CONFIG_INVALID */
export function readReleaseFile(path: string): readonly string[] {
  const json = readJson(path);
  const files = json["files"];
  if (json["format"] !== FORMAT || !Array.isArray(files) || files.length === 0) {
    throw invalid(path, "it is not a release.json of this version");
  }
  if (files.length > TARGETS.length) throw invalid(path, "it names too many files");
  return files.map((entry: unknown) => join(dirname(path), fileOf(path, entry)));
}

/**
 * The executables are those that were described: what is signed elsewhere is what was built here.
 * @throws {ReleaseError} CONFIG_INVALID @throws {ExeError} @throws {FsError}
 */
export function checkReleaseFile(path: string): readonly string[] {
  const paths = readReleaseFile(path);
  const { files, ...common } = describeRelease(paths);
  const written = readJson(path);
  if (JSON.stringify(written) !== JSON.stringify({ format: FORMAT, ...common, files })) {
    throw invalid(path, "the executables beside it are not the ones it describes");
  }
  return paths;
}

/** A name in the same directory: a file from a stranger must not lead to others. */
function fileOf(path: string, entry: unknown): string {
  const file = typeof entry === "object" && entry !== null ? (entry as Json)["file"] : undefined;
  if (typeof file !== "string" || file !== basename(file) || file.startsWith(".") || file === "") {
    throw invalid(path, "it names a file that is not beside it");
  }
  return file;
}

function invalid(path: string, reason: string): ReleaseError {
  return new ReleaseError("CONFIG_INVALID", `${path}: ${reason}`, { blame: "usage", path });
}
