import {
  accessSync,
  constants,
  fsyncSync,
  realpathSync,
  renameSync,
  statSync,
  type Stats,
} from "node:fs";
import { dirname } from "node:path";
import { FsError } from "./error.ts";
import {
  createBeside,
  discard,
  keepOwnership,
  syncDirectory,
  type TemporaryFile,
} from "./temporary-file.ts";

const ANY_WRITE_BIT = 0o222;

/**
 * Replaces the file that `path` leads to, or leaves it untouched: `write` fills a temporary file beside
 * it (descriptor open for reading and writing), which gets the old mode and owner, is synced and renamed
 * over. A symbolic link stays a link; other hard links keep the old content.
 * @throws {FsError} NOT_A_FILE, NOT_WRITABLE, OWNER_LOST, IO_FAILED
 */
export function replaceFile<T>(path: string, write: (fd: number) => T): T {
  const { path: real, stats } = checkReplaceable(path);
  const temporary = createBeside(real);
  try {
    const result = write(temporary.fd);
    keepOwnership(temporary, stats);
    install(temporary, real);
    return result;
  } finally {
    // After the rename the temporary name is gone and only the descriptor is left to close.
    discard(temporary);
  }
}

function install(temporary: TemporaryFile, path: string): void {
  try {
    // Content before name: after a power failure the name must not lead to an empty file.
    fsyncSync(temporary.fd);
    renameSync(temporary.path, path);
    syncDirectory(dirname(path));
  } catch (cause) {
    throw new FsError("IO_FAILED", `${path} cannot be replaced`, { blame: "local", cause, path });
  }
}

/**
 * The real path of a file that may be replaced.
 * @throws {FsError} NOT_A_FILE, NOT_WRITABLE
 */
export function checkReplaceable(path: string): { readonly path: string; readonly stats: Stats } {
  let real: string;
  let stats: Stats;
  try {
    real = realpathSync(path);
    stats = statSync(real);
  } catch (cause) {
    throw new FsError("NOT_A_FILE", `there is no file at ${path}`, { blame: "usage", cause, path });
  }
  if (!stats.isFile()) {
    throw new FsError("NOT_A_FILE", `${path} is not a file`, { blame: "usage", path });
  }
  try {
    accessSync(real, constants.W_OK);
  } catch (cause) {
    throw notWritable(path, cause);
  }
  // Renaming over needs no permission on the file, and root passes the check above: without a write bit
  // somebody has said that it is not to be changed.
  if ((stats.mode & ANY_WRITE_BIT) === 0) throw notWritable(path);
  return { path: real, stats };
}

function notWritable(path: string, cause?: unknown): FsError {
  return new FsError("NOT_WRITABLE", `${path} is not writable: change its mode first`, {
    blame: "usage",
    cause,
    path,
  });
}
