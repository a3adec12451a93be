/** One release for many targets: compiled side by side, described in one release.json. */
import { dirname, join, resolve } from "node:path";
import { TARGETS, checkTarget, type Target } from "../core/target.ts";
import { describeRelease, writeReleaseFile, type ReleaseFile } from "./release-file.ts";
import { buildRelease, type BuildOptions, type BuiltExecutable } from "./release.ts";

export interface BuiltRelease {
  /** Absolute path of release.json. */
  readonly path: string;
  readonly release: ReleaseFile;
  readonly built: readonly BuiltTarget[];
}

export interface BuiltTarget extends BuiltExecutable {
  /** Compiling, reserving, signing. */
  readonly seconds: number;
}

/** A compilation holds the runtime and the result in memory: a quarter of a gigabyte. */
const SIDE_BY_SIDE = 2;
const ALL = "all";
const RELEASE_FILE = "release.json";

/**
 * "all", or names with commas between them, each once; undefined for one name, which is no list.
 * @throws {CoreError} FIELD_INVALID
 */
export function targetList(text: string | undefined): readonly Target[] | undefined {
  if (text === ALL) return TARGETS;
  if (text?.includes(",") !== true) return undefined;
  return [...new Set(text.split(",").map((name) => checkTarget(name.trim())))];
}

/**
 * Each executable is called like the app and its target, in the directory of `outfile`. The first that
 * cannot be built ends it; what was finished before stays, without a release.json.
 * @throws {ReleaseError} @throws {ExeError} @throws {CoreError} @throws {FsError}
 */
export async function buildTargets(
  options: BuildOptions,
  targets: readonly Target[],
): Promise<BuiltRelease> {
  const built: BuiltTarget[] = [];
  const waiting = [...targets];
  const work = async (): Promise<void> => {
    for (let target = waiting.shift(); target !== undefined; target = waiting.shift()) {
      try {
        built.push(await buildTarget(options, target));
      } catch (error) {
        waiting.length = 0;
        throw error;
      }
    }
  };
  const workers = Array.from({ length: SIDE_BY_SIDE }, work);
  // Nothing may still be compiling when this returns, however it returns.
  await Promise.allSettled(workers);
  await Promise.all(workers);
  built.sort((a, b) => targets.indexOf(a.target) - targets.indexOf(b.target));
  const paths = built.map(({ path }) => path);
  const path = join(dirname(paths[0] ?? resolve(".")), RELEASE_FILE);
  const release = describeRelease(paths);
  writeReleaseFile(path, release);
  return { path, release, built };
}

async function buildTarget(options: BuildOptions, target: Target): Promise<BuiltTarget> {
  const startMs = performance.now();
  const built = await buildRelease({
    ...options,
    settings: { ...options.settings, target },
    suffix: `-${target}`,
  });
  return { ...built, seconds: (performance.now() - startMs) / 1000 };
}
