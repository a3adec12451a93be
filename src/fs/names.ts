/** What is done to the names of files, and nothing else: the real ones, or those of a test. */
import type { existsSync, linkSync, renameSync, unlinkSync } from "node:fs";

export interface Names {
  exists(path: string): boolean;
  /** A second name for the same file. */
  link(path: string, other: string): void;
  /** Replaces a file that is called `to` already, where the system allows that. */
  rename(from: string, to: string): void;
  remove(path: string): void;
}

export interface FileSystemNames {
  readonly existsSync: typeof existsSync;
  readonly linkSync: typeof linkSync;
  readonly renameSync: typeof renameSync;
  readonly unlinkSync: typeof unlinkSync;
}

/** `fs` is given, because loading it is not for every start of an app. */
export function namesOf(fs: FileSystemNames): Names {
  return {
    exists: (path) => fs.existsSync(path),
    link: (path, other) => fs.linkSync(path, other),
    rename: (from, to) => fs.renameSync(from, to),
    remove: (path) => fs.unlinkSync(path),
  };
}
