/** `rustpatcher/build`: making releases from a script. The command line does the same. */
import { systemClock } from "./core/clock.ts";
import type { Target } from "./core/target.ts";
import { buildTargets, type BuiltRelease } from "./release/build-targets.ts";
import { buildRelease, type BuildOptions, type BuiltExecutable } from "./release/release.ts";
import { signExecutable, type SignedExecutable, type SignOptions } from "./release/sign.ts";

export { ReleaseError, type ReleaseErrorCode } from "./release/error.ts";
export { readKeyFile } from "./release/key-file.ts";
export type { Settings } from "./release/settings.ts";
export { runBuild } from "./cli/build-script.ts";
export type { BuildOptions, BuiltExecutable, BuiltRelease, Target, SignedExecutable, SignOptions };

const now = (): { publishedS: number } => ({ publishedS: Math.floor(systemClock.nowMs() / 1000) });

/** Compiles, reserves and, with a key, signs an app. @see buildRelease */
export function build(options: Omit<BuildOptions, "publishedS">): Promise<BuiltExecutable> {
  return buildRelease({ ...options, ...now() });
}

/** The same for several targets, with a release.json that describes them. @see buildTargets */
export function buildAll(
  options: Omit<BuildOptions, "publishedS">,
  targets: readonly Target[],
): Promise<BuiltRelease> {
  return buildTargets({ ...options, ...now() }, targets);
}

/** Signs an executable in place. @see signExecutable */
export function sign(path: string, options: Omit<SignOptions, "publishedS">): SignedExecutable {
  return signExecutable(path, { ...options, ...now() });
}
