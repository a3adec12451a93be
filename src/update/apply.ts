/**
 * Step 7 (apply): one function, one descriptor, in an order that leaves a complete old or a complete new
 * executable at the path whenever it is interrupted.
 */
import { fchmodSync, fsyncSync, linkSync, lstatSync, renameSync, rmSync } from "node:fs";
import { syncDirectory } from "../fs/temporary-file.ts";
import type { TargetName } from "../core/target-key.ts";
import { checkRegion } from "../exe/check-region.ts";
import { verifyExecutable, type VerifiedFull } from "../exe/verify-executable.ts";
import { withFile } from "../fs/file-source.ts";
import { UpdateError } from "./error.ts";
import { isSameFile, type Installation } from "./installation.ts";
import type { Lock } from "./lock.ts";
import { beginProbation, endProbation } from "./probation.ts";
import type { Candidate } from "./trusted-state.ts";
import type { VerifiedUpdate } from "./verify.ts";

/** Read, write and execute for everybody; never setuid, setgid or sticky. */
const PERMISSIONS = 0o777n;

/** The executable at the path is this one. */
export interface AppliedUpdate {
  readonly executable: VerifiedFull;
}

/**
 * Puts the update in the executable's place. The caller holds the lock.
 * @throws {UpdateError} EXECUTABLE_UNSAFE, DIRECTORY_UNSAFE, DIRECTORY_READ_ONLY, EXECUTABLE_CHANGED,
 *   IO_FAILED: nothing was changed. SWAPPED: the previous version was put back.
 */
export function applyUpdate(
  installation: Installation,
  update: VerifiedUpdate,
  _held: Lock,
): AppliedUpdate {
  const installed = installation.checkSafe();
  if (!installation.isCurrent()) {
    throw new UpdateError("EXECUTABLE_CHANGED", "the executable was replaced by somebody else", {
      blame: "local",
      path: installation.path,
    });
  }
  try {
    // After verification: until here nobody but us could open the file.
    fchmodSync(update.fd, Number(installed.mode & PERMISSIONS));
    // Content before name: after a power failure the name must not lead to an empty file.
    fsyncSync(update.fd);
    keepRunning(installation);
    beginProbation(installation, update.executable);
    renameSync(update.path, installation.path);
  } catch (cause) {
    throw new UpdateError("IO_FAILED", `${installation.path} could not be replaced`, {
      blame: "local",
      cause,
      path: installation.path,
    });
  }
  checkRenamed(installation, update);
  installation.setCurrent(update.identity);
  settle(installation.directory);
  return { executable: update.executable };
}

/** A rename that a power failure undoes leaves the other version, which is as complete: no error. */
function settle(directory: string): void {
  try {
    syncDirectory(directory);
  } catch {
    // A disk that cannot sync says so again when it is written to.
  }
}

/**
 * Keeps the running version as the rollback copy: it is the one that is known to start. A second name and
 * not a rename, so that the executable's path always holds a whole file.
 */
function keepRunning({ path, previousPath, running }: Installation): void {
  const previous = lstatSync(previousPath, { bigint: true, throwIfNoEntry: false });
  // The second update without a restart in between must not put an unproven version in its place.
  if (previous !== undefined && isSameFile(previous, running)) return;
  rmSync(previousPath, { force: true });
  linkSync(path, previousPath);
}

/**
 * The name was renamed, not the descriptor: between verification and rename another file could have taken
 * the name. Only a process with our own rights can do that, and it must not get an unverified file run.
 */
function checkRenamed(installation: Installation, update: VerifiedUpdate): void {
  const isVerifiedFile = isSameFile(
    lstatSync(installation.path, { bigint: true }),
    update.identity,
  );
  if (isVerifiedFile) return;
  putBack(installation);
  throw new UpdateError(
    "SWAPPED",
    "another file was put in the place of the verified update; the previous version was put back",
    { blame: "local", path: installation.path },
  );
}

/**
 * Puts the running version back after its successor could not be started: one rename, which needs no
 * space. False when there is nothing to put back, or somebody else has replaced the executable since.
 */
export function restorePrevious(installation: Installation, _held: Lock): boolean {
  const previous = lstatSync(installation.previousPath, { bigint: true, throwIfNoEntry: false });
  if (previous === undefined || !isSameFile(previous, installation.running)) return false;
  if (!installation.isCurrent()) return false;
  putBack(installation);
  return true;
}

/**
 * Puts the previous version back because somebody asks for it. It was running here, and it is verified all
 * the same, from the first byte to the last.
 * @throws {UpdateError} NO_PREVIOUS when there is none of this owner's for this app, target and channel;
 *   EXECUTABLE_UNSAFE, DIRECTORY_UNSAFE, DIRECTORY_READ_ONLY
 */
export function rollBack(installation: Installation, own: VerifiedFull, _held: Lock): VerifiedFull {
  installation.checkSafe();
  const previous = verifiedPrevious(installation, own);
  putBack(installation);
  return previous;
}

/**
 * The same, if the previous version is this release; else undefined, and nothing was changed.
 * @throws {UpdateError} EXECUTABLE_UNSAFE, DIRECTORY_UNSAFE, DIRECTORY_READ_ONLY
 */
export function rollBackTo(
  candidate: Candidate,
  installation: Installation,
  own: VerifiedFull,
  _held: Lock,
): AppliedUpdate | undefined {
  installation.checkSafe();
  let executable: VerifiedFull;
  try {
    executable = verifiedPrevious(installation, own);
    checkRegion(candidate.owner, executable.region, candidate);
  } catch {
    // There is none, or another one: it is fetched like any release.
    return undefined;
  }
  putBack(installation);
  return { executable };
}

function verifiedPrevious({ previousPath }: Installation, own: VerifiedFull): VerifiedFull {
  let cause: unknown;
  try {
    const previous = withFile(previousPath, (source) =>
      verifyExecutable(source, { owner: own.owner }),
    );
    if (previous.kind === "full" && isSameName(previous.extension, own.extension)) return previous;
  } catch (error) {
    cause = error;
  }
  throw new UpdateError("NO_PREVIOUS", "there is no previous version to go back to", {
    blame: "local",
    cause,
    path: previousPath,
  });
}

function isSameName(a: TargetName, b: TargetName): boolean {
  return a.app === b.app && a.target === b.target && a.channel === b.channel;
}

function putBack(installation: Installation): void {
  renameSync(installation.previousPath, installation.path);
  settle(installation.directory);
  installation.setCurrent(lstatSync(installation.path, { bigint: true }));
  // Last: killed before this, the version that is back clears it away when it starts.
  endProbation(installation);
}
