/**
 * Step 7 (apply): one function, one descriptor, in an order that leaves a complete old or a complete new
 * executable at the path whenever it is interrupted.
 */
import { lstatSync, rmSync } from "node:fs";
import { syncDirectory, syncSealed } from "../fs/temporary-file.ts";
import type { PublicKey } from "../core/brand.ts";
import { equal } from "../core/bytes.ts";
import { checkLineage } from "../core/handover.ts";
import type { TargetName } from "../core/target-key.ts";
import { checkRegion } from "../exe/check-region.ts";
import { verifyExecutable, type VerifiedFull } from "../exe/verify-executable.ts";
import { withFile } from "../fs/file-source.ts";
import { UpdateError } from "./error.ts";
import { isSameFile, type Installation } from "./installation.ts";
import { keepProperties } from "./keep-properties.ts";
import type { Lock } from "../fs/lock.ts";
import { beginProbation, endProbation } from "./probation.ts";
import type { Candidate } from "./trusted-state.ts";
import type { VerifiedUpdate } from "./verify.ts";

/** The executable at the path is this one. */
export interface AppliedUpdate {
  readonly executable: VerifiedFull;
}

/**
 * Puts the update in the executable's place. The caller holds the lock, and has rehearsed it.
 * @throws {UpdateError} EXECUTABLE_UNSAFE, DIRECTORY_UNSAFE, DIRECTORY_READ_ONLY, EXECUTABLE_CHANGED,
 *   IO_FAILED: nothing was changed. SWAPPED: the previous version was put back.
 */
export function applyUpdate(
  installation: Installation,
  update: VerifiedUpdate,
  _held: Lock,
): AppliedUpdate {
  const installed = installation.checkSafe();
  if (!installation.isCurrent()) throw changed(installation);
  try {
    // After verification: until here nobody but us could open the file.
    keepProperties(update.fd, installation.path, installed);
    // Mode and the like; the content is on the disk since step 6.
    syncSealed(update.fd);
    keepRunning(installation);
    replace(installation, update);
  } catch (cause) {
    if (cause instanceof UpdateError) throw cause;
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

function replace(installation: Installation, update: VerifiedUpdate): void {
  beginProbation(installation, update.executable);
  try {
    // The way back before the way there, on the disk as well.
    syncDirectory(installation.directory);
    installation.swap.replace(update.path, installation.path, installation.previousPath);
  } catch (cause) {
    // The version on probation is not there. Should nothing be there at all, its file says what to do.
    if (installation.isCurrent()) tryTo(() => endProbation(installation));
    throw cause;
  }
}

/** A rename that a power failure undoes leaves the other version, which is as complete: no error. */
function settle(directory: string): void {
  // A disk that cannot sync says so again when it is written to.
  tryTo(() => syncDirectory(directory));
}

function tryTo(act: () => void): void {
  try {
    act();
  } catch {
    // The caller says why that is no error.
  }
}

function changed({ path }: Installation): UpdateError {
  return new UpdateError("EXECUTABLE_CHANGED", "the executable was replaced by somebody else", {
    blame: "local",
    path,
  });
}

/**
 * Keeps the running version as the rollback copy: it is the one that is known to start. A second name and
 * not a rename, so that the executable's path always holds a whole file; on Windows see swap.ts.
 */
function keepRunning(installation: Installation): void {
  const { path, previousPath, running, swap } = installation;
  const previous = lstatSync(previousPath, { bigint: true, throwIfNoEntry: false });
  // The second update without a restart in between must not put an unproven version in its place.
  if (previous !== undefined && isSameFile(previous, running)) return;
  swap.keep(path, previousPath);
  const kept = lstatSync(previousPath, { bigint: true, throwIfNoEntry: false });
  // The link shows what is at the path now: somebody may have replaced it a moment ago, and goes first.
  if (kept !== undefined && !installation.isCurrentFile(kept)) {
    rmSync(previousPath, { force: true });
    throw changed(installation);
  }
}

/**
 * The name was renamed, not the descriptor: between verification and rename another file could have taken
 * the name. Only a process with our own rights can do that, and it must not get an unverified file run.
 */
function checkRenamed(installation: Installation, update: VerifiedUpdate): void {
  const found = lstatSync(installation.path, { bigint: true, throwIfNoEntry: false });
  if (found !== undefined && isSameFile(found, update.identity)) return;
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
 * the same, from the first byte to the last. `refuseOwn` has to note that the version that is left is not
 * to be installed again.
 * @throws {UpdateError} NO_PREVIOUS when there is none of this owner's for this app and target;
 *   EXECUTABLE_UNSAFE, DIRECTORY_UNSAFE, DIRECTORY_READ_ONLY
 */
export function rollBack(
  installation: Installation,
  own: VerifiedFull,
  refuseOwn: () => void,
  _held: Lock,
): VerifiedFull {
  installation.checkSafe();
  const previous = verifiedPrevious(installation, own);
  // Before the rename: killed after it, the version that is back would install the other one again.
  refuseOwn();
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

function verifiedPrevious(installation: Installation, own: VerifiedFull): VerifiedFull {
  const { previousPath, path } = installation;
  let cause: unknown;
  try {
    // A second name of what is there already: left by an installation that did not come to its end.
    if (isOneFile(previousPath, path)) throw new Error("it is the version that is in place");
    const previous = withFile(previousPath, (source) => verifyExecutable(source));
    const isOurs = ownersOf(own).some((owner) => equal(owner, previous.owner));
    if (previous.kind === "full" && isOurs && isSameApp(previous.extension, own.extension)) {
      return previous;
    }
  } catch (error) {
    cause = error;
  }
  throw new UpdateError("NO_PREVIOUS", "there is no previous version to go back to", {
    blame: "local",
    cause,
    path: previousPath,
  });
}

/** Whoever this program belongs to, or has belonged to before the key was handed over. */
function ownersOf({ owner, extension }: VerifiedFull): PublicKey[] {
  if (extension.lineage === undefined) return [owner];
  try {
    return [owner, ...checkLineage(owner, extension, extension.lineage).map((one) => one.owner)];
  } catch {
    return [owner];
  }
}

function isOneFile(a: string, b: string): boolean {
  return isSameFile(lstatSync(a, { bigint: true }), lstatSync(b, { bigint: true }));
}

/** In another channel when it was the release of that one which changed it. */
function isSameApp(a: TargetName, b: TargetName): boolean {
  return a.app === b.app && a.target === b.target;
}

function putBack(installation: Installation): void {
  installation.swap.putBack(installation.previousPath, installation.path);
  settle(installation.directory);
  installation.setCurrent(lstatSync(installation.path, { bigint: true }));
  // Last: killed before this, the version that is back clears it away when it starts.
  endProbation(installation);
}
