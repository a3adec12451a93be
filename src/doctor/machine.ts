/** This machine: Bun, the place where the executable is installed, room on the disk. */
import { statfsSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { checkDiskSpace } from "../update/disk-space.ts";
import { Installation } from "../update/installation.ts";
import { attempt, fail, ok, type Finding } from "./finding.ts";

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
      installation.probe(installation.checkSafe());
      return ok("place", `${installation.directory} can be updated by this user only`);
    } finally {
      installation.close();
    }
  });
}

/** Room for the new version beside the old one, which becomes the rollback copy. The updater's own check. */
export function checkDisk(path: string): Finding {
  return attempt("disk", "Make room on the disk of the executable", () => {
    const directory = dirname(path);
    checkDiskSpace(directory, statSync(path).size);
    const { bavail, bsize } = statfsSync(directory);
    return ok("disk", `${Math.round((bavail * bsize) / 1e6)} MB free: enough for an update`);
  });
}
