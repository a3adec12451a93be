/** This machine: Bun, the place where the executable is installed, room on the disk. */
import { statfsSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { OLDER_VERSIONS_MAX_BYTES } from "../core/limits.ts";
import { Installation } from "../update/installation.ts";
import { attempt, fail, ok, warn, type Finding } from "./finding.ts";

/** package.json, "engines". */
const BUN_OLDEST = "1.4.5";

export function checkBun(version: string): Finding {
  const isEnough = Bun.semver.order(version, BUN_OLDEST) >= 0;
  return isEnough
    ? ok("bun", `Bun ${version}`)
    : fail("bun", `Bun ${version} is too old`, `Install Bun ${BUN_OLDEST} or later: bun upgrade`);
}

/** Would an update be installed where this executable is? The updater's own checks, by the user who runs this. */
export function checkPlace(path: string): Finding {
  const advice =
    "Install it in a directory that only the user who runs it may write to, as a plain file of that user";
  return attempt("place", advice, () => {
    const installation = Installation.open(path);
    try {
      installation.checkSafe();
      installation.probe();
      return ok("place", `${installation.directory} can be updated by this user only`);
    } finally {
      installation.close();
    }
  });
}

/** The new version, beside the old one, which becomes the rollback copy; and the older ones. */
export function checkDisk(path: string): Finding {
  const { bavail, bsize } = statfsSync(dirname(path));
  const freeBytes = bavail * bsize;
  const neededBytes = statSync(path).size + OLDER_VERSIONS_MAX_BYTES;
  const megabytes = (bytes: number): string => `${Math.round(bytes / 1e6)} MB`;
  const text = `${megabytes(freeBytes)} free, an update needs up to ${megabytes(neededBytes)}`;
  if (freeBytes < neededBytes) return fail("disk", text, "Make room on the disk of the executable");
  if (freeBytes < 3 * neededBytes) {
    return warn("disk", text, "Make room on the disk of the executable before it is full");
  }
  return ok("disk", text);
}
