/** Step 9 (confirm), the updater's part: what lies in the pending file, written and cleared under the lock. */
import { closeSync, constants, fstatSync, openSync, readFileSync, rmSync } from "node:fs";
import type { VerifiedFull } from "../exe/verify-executable.ts";
import { isErrno } from "../fs/error.ts";
import { writeOwnFile } from "../fs/own-file.ts";
import { isOnlyOurs } from "../fs/ownership.ts";
import type { Installation } from "./installation.ts";
import type { Lock } from "../fs/lock.ts";
import {
  badEndsOf,
  failureOf,
  isAlive,
  parsePending,
  PENDING_MAX_BYTES,
  pendingHeader,
  regionDigest,
  type Failure,
  type Pending,
} from "./pending.ts";

/**
 * Step 7, before the rename: the version that is about to be installed has to prove itself. Replaced by a
 * rename like the executable; the caller syncs the directory.
 * @throws {FsError} IO_FAILED, or the system's error.
 */
export function beginProbation(installation: Installation, executable: VerifiedFull): void {
  const { region, table, record } = executable;
  const text = pendingHeader(region, table.root.toHex(), record.record.version.text);
  const { pendingPath, temporaryBase } = installation;
  writeOwnFile(pendingPath, new TextEncoder().encode(text), "name", temporaryBase);
}

export function endProbation(installation: Installation): void {
  rmSync(installation.pendingPath, { force: true });
}

/** Is the running version still to prove itself? Then what was there before it must be kept. */
export function isOnProbation(installation: Installation, own: VerifiedFull): boolean {
  const pending = readPending(installation.pendingPath);
  return pending?.region === regionDigest(own.region) && !pending.isGood;
}

/**
 * How often the running version has ended otherwise than with code 0 since it was installed, though it was
 * healthy. Counted over its first starts only.
 */
export function badEnds(installation: Installation, own: VerifiedFull): number {
  const pending = readPending(installation.pendingPath);
  if (pending?.region !== regionDigest(own.region) || !pending.isGood) return 0;
  return badEndsOf(pending, process.pid, isAlive);
}

export interface FailedVersion {
  /** Content root, hexadecimal. */
  readonly root: string;
  readonly version: string;
  readonly failure: Failure;
}

/**
 * What the probation of another version has come to, once the running version is back at the path: that
 * version when it had failed, and the caller ends the probation when that is noted. Otherwise its
 * installation was interrupted before it began, and nothing is left of it.
 */
export function settleProbation(
  installation: Installation,
  own: VerifiedFull,
  _held: Lock,
): FailedVersion | undefined {
  const pending = readPending(installation.pendingPath);
  if (pending === undefined || pending.region === regionDigest(own.region)) return undefined;
  // Somebody runs an older version while the new one is in place: not ours to judge.
  if (!installation.isRunningAtPath()) return undefined;
  // Its starts alone tell it when the disk had no room for the last word.
  const failure = failureOf(pending, process.pid, isAlive);
  if (failure !== undefined) return { ...pending, failure };
  endProbation(installation);
  return undefined;
}

/** Undefined when there is none, or none that we have written. */
export function readPending(path: string): Pending | undefined {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (cause) {
    if (isErrno(cause, "ENOENT") || isErrno(cause, "ELOOP") || isErrno(cause, "EACCES")) {
      return undefined;
    }
    throw cause;
  }
  try {
    const stats = fstatSync(fd);
    if (!isOnlyOurs(stats)) return undefined;
    if (stats.size > PENDING_MAX_BYTES) return undefined;
    return parsePending(readFileSync(fd, "latin1"), stats.mtimeMs);
  } finally {
    closeSync(fd);
  }
}
