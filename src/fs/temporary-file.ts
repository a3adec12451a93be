import { randomBytes } from "node:crypto";
import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  fsyncSync,
  openSync,
  rmSync,
  writeSync,
  type Stats,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { FsError, isErrno } from "./error.ts";
import { markFinished, markUnfinished } from "./unfinished.ts";

/** Two in a row never collide by chance; the rest is for somebody who creates names ahead of us. */
const TRIES_MAX = 8;
const SUFFIX = ".rustpatcher-tmp";
const RANDOM_BYTES = 8;
/** O_NOFOLLOW is undefined on Windows, which counts as 0: O_EXCL is all there is. */
const { O_RDWR, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;

export interface TemporaryFile {
  readonly path: string;
  /** Readable and writable; mode 0600 until keepOwnership. The creator closes it. */
  readonly fd: number;
}

/** So many bytes that nobody can foresee. */
export type Randomness = (sizeBytes: number) => Buffer;

/** A name beside `path` that nobody can foresee, and nobody else uses. */
export function temporaryPath(path: string, random: Randomness = randomBytes): string {
  const name = `.${basename(path)}.${random(RANDOM_BYTES).toString("hex")}${SUFFIX}`;
  return join(dirname(path), name);
}

/** Is `name` one of those that temporaryPath makes for `path`, and for no other file beside it? */
export function isTemporaryOf(path: string, name: string): boolean {
  const prefix = `.${basename(path)}.`;
  if (!name.startsWith(prefix) || !name.endsWith(SUFFIX)) return false;
  const random = name.slice(prefix.length, -SUFFIX.length);
  return random.length === 2 * RANDOM_BYTES && /^[0-9a-f]+$/.test(random);
}

/**
 * A new file beside `path`, on the same file system, that nobody else could have put there: a random
 * name, created exclusively, no link followed, readable by nobody else.
 * @throws {FsError} IO_FAILED
 */
export function createBeside(path: string, random: Randomness = randomBytes): TemporaryFile {
  let cause: unknown;
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    const beside = temporaryPath(path, random);
    try {
      const fd = openSync(beside, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
      markUnfinished(beside);
      return { path: beside, fd };
    } catch (error) {
      cause = error;
      if (!isErrno(error, "EEXIST")) break;
    }
  }
  throw new FsError("IO_FAILED", `no file can be created in ${dirname(path)}`, {
    blame: "local",
    cause,
    path: dirname(path),
  });
}

/** Closes and removes; a no-op for what is gone already. */
export function discard({ path, fd }: TemporaryFile): void {
  closeSync(fd);
  rmSync(path, { force: true });
  markFinished(path);
}

/**
 * Gives the file the mode and owner of `old`.
 * @throws {FsError} OWNER_LOST
 */
export function keepOwnership({ fd, path }: TemporaryFile, old: Stats): void {
  try {
    const now = fstatSync(fd);
    // The owner first: changing it clears the s-bits of the mode.
    if (now.uid !== old.uid || now.gid !== old.gid) fchownSync(fd, old.uid, old.gid);
    fchmodSync(fd, old.mode & 0o7777);
  } catch (cause) {
    throw new FsError(
      "OWNER_LOST",
      "the new file cannot be given the owner and mode of the old one: run as the owner of the file",
      { blame: "local", cause, path },
    );
  }
}

/** Writes all of `bytes` at `offset`. @throws {FsError} IO_FAILED, for instance when the disk is full. */
export function writeAll(fd: number, bytes: Uint8Array, offset: number): void {
  let done = 0;
  while (done < bytes.length) {
    try {
      done += writeSync(fd, bytes, done, bytes.length - done, offset + done);
    } catch (cause) {
      throw new FsError("IO_FAILED", "the new file cannot be written", { blame: "local", cause });
    }
  }
}

/** Windows writes out only what is open for writing: there it was done before that ended. */
export function syncSealed(fd: number): void {
  if (process.platform !== "win32") fsyncSync(fd);
}

/** Makes a rename in `directory` survive a power failure. */
export function syncDirectory(directory: string): void {
  // Windows has no descriptor for a directory; NTFS journals the rename.
  if (process.platform === "win32") return;
  const fd = openSync(directory, constants.O_RDONLY);
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
