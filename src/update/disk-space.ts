/** Step 5, before anything is fetched: is there room for the new executable? */
import { lstatSync, statfsSync } from "node:fs";
import { UPDATE_SPARE_BYTES } from "../core/limits.ts";
import { UpdateError } from "./error.ts";

const BYTES_PER_MB = 1_000_000;

const BLOCK_BYTES = 512;

/** What a file takes on the disk, holes left out; 0 when there is none. */
export function presentBytes(path: string): number {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  return stats?.isFile() === true ? stats.blocks * BLOCK_BYTES : 0;
}

/**
 * `presentBytes` of the `sizeBytes` are on the disk already. Quotas do not show here: they end the download,
 * like a disk that gets full meanwhile.
 * @throws {UpdateError} DISK_FULL, with the bytes that are missing.
 */
export function checkDiskSpace(directory: string, sizeBytes: number, presentBytes = 0): void {
  const freeBytes = freeBytesIn(directory);
  if (freeBytes === undefined) return;
  const neededBytes = neededBytesOf(sizeBytes, presentBytes);
  const missingBytes = neededBytes - freeBytes;
  if (missingBytes <= 0) return;
  throw new UpdateError(
    "DISK_FULL",
    `the update needs ${inMB(neededBytes)} in ${directory}, and ${inMB(missingBytes)} of that are missing`,
    { blame: "local", path: directory, neededBytes, missingBytes },
  );
}

/** What may be written beside an update that is under way, and is not needed: half of what is left besides it. */
export function spareBytes(directory: string, sizeBytes: number, presentBytes: number): number {
  const freeBytes = freeBytesIn(directory) ?? 0;
  return Math.max(0, (freeBytes - neededBytesOf(sizeBytes, presentBytes)) / 2);
}

/** Undefined: some file systems do not say. */
function freeBytesIn(directory: string): number | undefined {
  const { bavail, blocks, bsize } = statfsSync(directory);
  return blocks === 0 ? undefined : bavail * bsize;
}

function neededBytesOf(sizeBytes: number, presentBytes: number): number {
  return Math.max(0, sizeBytes - presentBytes) + UPDATE_SPARE_BYTES;
}

function inMB(bytes: number): string {
  return `${(bytes / BYTES_PER_MB).toFixed(1)} MB`;
}
