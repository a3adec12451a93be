/** Signing what was built for many targets on a machine without the key. */
import {
  checkReleaseFile,
  describeRelease,
  writeReleaseFile,
  type ReleaseFile,
} from "./release-file.ts";
import { signExecutable, type SignOptions } from "./sign.ts";

export interface SignedRelease {
  readonly release: ReleaseFile;
  /** Sentences about what is allowed but unwise. */
  readonly warnings: readonly string[];
}

/**
 * Signs every executable that the release.json at `path` describes, if they are still the ones it
 * describes, and describes them anew. One that cannot be signed ends it; signing again begins it anew.
 * @throws {ReleaseError} CONFIG_INVALID and what signing throws
 */
export function signRelease(path: string, options: SignOptions): SignedRelease {
  const paths = checkReleaseFile(path);
  const warnings: string[] = [];
  try {
    for (const one of paths) {
      const signed = signExecutable(one, options);
      warnings.push(...signed.warnings.map((warning) => `${one}: ${warning}`));
    }
  } finally {
    // Whatever happened: it says what the files are now.
    writeReleaseFile(path, describeRelease(paths));
  }
  return { release: describeRelease(paths), warnings };
}
