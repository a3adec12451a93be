/**
 * One copy at a time updates an executable, however many run from it. The lock must die with its holder,
 * whatever kills it, so it has to be one that the kernel keeps. Bun offers no `flock`; reached through
 * bun:ffi it would need machine code made at run time, which hardened systems forbid, and the C library's
 * name on each of them. An exclusive transaction on an empty SQLite file is a kernel lock as well
 * (fcntl, `F_SETLK`, on Unix; sqlite.org/lockingv3.html), and comes with Bun everywhere. Nothing is ever
 * written to it. An updater leaves the file where it is; who removes it does so while it holds the lock, and a lock
 * counts only when its file still has the name: else two could hold two files of one name.
 */
import { Database } from "bun:sqlite";
import { closeSync, constants, fstatSync, lstatSync, openSync, rmSync } from "node:fs";
import { FsError, isErrno } from "./error.ts";

/** Held until it is released, or until nobody refers to it any more. */
export interface Lock {
  /** Lets go; a second call does nothing. */
  release(): void;
  /** Lets go, and leaves no file; on Windows, where it cannot be removed while it is open, it stays. */
  remove(): void;
}

/**
 * Undefined when another process, or another lock of this one, holds it. Never waits.
 * @throws {FsError} IO_FAILED when the lock file cannot be made or used.
 */
export function tryLock(path: string): Lock | undefined {
  let database: Database | undefined;
  try {
    // SQLite would follow a link and create with the umask's mode: others could then hold the lock.
    const flags = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW;
    const fd = openSync(path, flags, 0o600);
    const { dev, ino } = fstatSync(fd, { bigint: true });
    // Before the lock is taken: closing any descriptor of the file would end it (fcntl(2)).
    closeSync(fd);
    const held = new Database(path);
    database = held;
    held.run("PRAGMA busy_timeout = 0");
    // Else a journal file comes with the lock, and stays behind when the holder is killed.
    held.run("PRAGMA journal_mode = MEMORY");
    held.run("BEGIN EXCLUSIVE");
    const named = lstatSync(path, { bigint: true, throwIfNoEntry: false });
    if (named?.ino === ino && named.dev === dev) return lockOf(held, path);
    held.close();
    return undefined;
  } catch (cause) {
    database?.close();
    if (isErrno(cause, "SQLITE_BUSY")) return undefined;
    throw new FsError("IO_FAILED", `the lock file ${path} cannot be used; remove it`, {
      blame: "local",
      cause,
      path,
    });
  }
}

function lockOf(held: Database, path: string): Lock {
  let isHeld = true;
  const release = (): void => {
    isHeld = false;
    held.close();
  };
  return {
    release,
    remove: () => {
      if (isHeld && process.platform !== "win32") rmSync(path, { force: true });
      release();
    },
  };
}

/**
 * Does `work` while it holds the lock, unless somebody else has it: then nothing, and undefined is returned.
 * @throws {FsError} IO_FAILED, and what `work` throws.
 */
export function whenFree<T>(path: string, work: (lock: Lock) => T): T | undefined {
  const lock = tryLock(path);
  if (lock === undefined) return undefined;
  try {
    return work(lock);
  } finally {
    lock.release();
  }
}
