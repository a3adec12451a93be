/**
 * A file that an interrupted download leaves for the next attempt, under a name that can be foreseen. What
 * is in it counts for nothing; but nobody else may be able to change it while it is being filled and
 * verified, and nothing of somebody else's may be written to under this name.
 */
import { closeSync, constants, fchmodSync, fstatSync, openSync, rmSync } from "node:fs";
import { isOnlyOurs } from "./ownership.ts";
import { createBeside, type TemporaryFile } from "./temporary-file.ts";

export interface PartialFile extends TemporaryFile {
  /** It was there: an earlier attempt has begun it. */
  readonly isLeft: boolean;
}

const { O_RDWR, O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK } = constants;
const OWNER_ONLY = 0o600;

/**
 * Opens it for reading and writing, mode 0600, or creates it. What is there and is not a plain file of ours,
 * with one name, that nobody else may write to or ever could, is removed; when that cannot be, the file
 * gets a temporary name of its own, like any beside `temporaryBase`. The caller closes it.
 * @throws {FsError} IO_FAILED
 */
export function openPartial(path: string, temporaryBase: string): PartialFile {
  const left = openLeft(path);
  if (left !== undefined) return { path, fd: left, isLeft: true };
  try {
    // Not recursive: a directory under this name is not ours.
    rmSync(path, { force: true });
    const fd = openSync(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, OWNER_ONLY);
    return { path, fd, isLeft: false };
  } catch {
    return { ...createBeside(temporaryBase), isLeft: false };
  }
}

function openLeft(path: string): number | undefined {
  let fd: number | undefined;
  try {
    // O_NONBLOCK: a pipe put in its place must not make us wait.
    fd = openSync(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK);
    const stats = fstatSync(fd);
    if (isOnlyOurs(stats) && stats.nlink === 1) {
      // A killed attempt may have made it executable already: never before it is verified again.
      fchmodSync(fd, OWNER_ONLY);
      return fd;
    }
  } catch {
    // Not there, a link, not ours to open.
  }
  if (fd !== undefined) closeSync(fd);
  return undefined;
}
