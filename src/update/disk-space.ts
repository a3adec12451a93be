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
  const { bavail, blocks, bsize } = statfsSync(directory);
  // Some file systems do not say.
  if (blocks === 0) return;
  const neededBytes = Math.max(0, sizeBytes - presentBytes) + UPDATE_SPARE_BYTES;
  const missingBytes = neededBytes - bavail * bsize;
  if (missingBytes <= 0) return;
  throw new UpdateError(
    "DISK_FULL",
    `the update needs ${inMB(neededBytes)} in ${directory}, and ${inMB(missingBytes)} of that are missing`,
    { blame: "local", path: directory, neededBytes, missingBytes },
  );
}

function inMB(bytes: number): string {
  return `${(bytes / BYTES_PER_MB).toFixed(1)} MB`;
}
