/**
 * Step 6 (verify): the finished file, read through the descriptor it was written by, as if nothing before
 * had been checked. Only this file makes what step 7 accepts.
 */
import { fstatSync, fsyncSync } from "node:fs";
import type { PublicKey } from "../core/brand.ts";
import { equal } from "../core/bytes.ts";
import { checkRegion } from "../exe/check-region.ts";
import { verifyExecutable, type VerifiedFull } from "../exe/verify-executable.ts";
import { fileSource } from "../fs/file-source.ts";
import type { Assembly } from "./assemble.ts";
import { UpdateError } from "./error.ts";
import type { FileIdentity } from "./installation.ts";
import type { Candidate } from "./trusted-state.ts";

declare const verified: unique symbol;

/** A file that step 7 may put in the executable's place. */
export interface VerifiedUpdate {
  readonly [verified]: true;
  readonly path: string;
  /** Still open; the assembly closes it. */
  readonly fd: number;
  readonly identity: FileIdentity;
  readonly executable: VerifiedFull;
}

/**
 * @throws {ExeError} {@link verifyExecutable}
 * @throws {CoreError} SIGNATURE_INVALID and what decoding may throw
 * @throws {UpdateError} NOT_AS_ANNOUNCED, IO_FAILED
 */
export function verifyUpdate(
  assembly: Assembly,
  candidate: Candidate,
  announcedRegion: Uint8Array,
  owner: PublicKey,
): VerifiedUpdate {
  const { path, fd } = assembly.file;
  sync(fd, path);
  const executable = verifyExecutable(fileSource(fd), { owner });
  // Step 6: it is the release that was decided on, not another one that is valid as well.
  if (executable.kind !== "full") throw different("record");
  checkAnnounced(executable, candidate);
  // Step 6: the region is, byte for byte, the one that was announced and checked against the record.
  if (!equal(executable.region, announcedRegion)) throw different("region");
  const { dev, ino } = fstatSync(fd, { bigint: true });
  return { path, fd, identity: { dev, ino }, executable } as VerifiedUpdate;
}

function checkAnnounced({ owner, region }: VerifiedFull, candidate: Candidate): void {
  try {
    checkRegion(owner, region, candidate);
  } catch (cause) {
    throw different("record", cause);
  }
}

/** On the disk before it is read again: what cannot be written there is not to be verified. */
function sync(fd: number, path: string): void {
  try {
    fsyncSync(fd);
  } catch (cause) {
    throw new UpdateError("IO_FAILED", "the update could not be written to the disk", {
      blame: "local",
      cause,
      path,
    });
  }
}

function different(field: string, cause?: unknown): UpdateError {
  return new UpdateError(
    "NOT_AS_ANNOUNCED",
    `the assembled executable is valid, but its ${field} is not the announced one`,
    { blame: "peer", cause, field },
  );
}
