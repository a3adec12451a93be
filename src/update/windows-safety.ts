/** Step 7, what `checkSafe` asks on Windows, where there are no owners and modes but lists of rights. */
import { lstatSync, type BigIntStats } from "node:fs";
import { othersWhoMayWriteTo } from "../fs/windows-rights.ts";
import { UpdateError } from "./error.ts";

/**
 * @throws {UpdateError} EXECUTABLE_CHANGED, EXECUTABLE_UNSAFE, DIRECTORY_UNSAFE, PLATFORM_UNSUPPORTED
 */
export function checkSafeOnWindows(path: string, directory: string): BigIntStats {
  const file = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  if (file === undefined) {
    throw refused("EXECUTABLE_CHANGED", `there is no executable at ${path} any more`, path);
  }
  if (!file.isFile()) {
    throw refused(
      "EXECUTABLE_UNSAFE",
      `${path} is not updated, because it is not a plain file`,
      path,
    );
  }
  // Whoever may write to either can replace the program already, and what we verify as well.
  const inDirectory = othersOf(directory);
  if (inDirectory.length > 0) {
    throw refused(
      "DIRECTORY_UNSAFE",
      `${path} is not updated, because its directory can be written to by others (${inDirectory.join(", ")}): take that right away with icacls, or install in a directory of the user's own`,
      directory,
    );
  }
  const inFile = othersOf(path);
  if (inFile.length > 0) {
    throw refused(
      "EXECUTABLE_UNSAFE",
      `${path} is not updated, because it can be written to by others (${inFile.join(", ")})`,
      path,
    );
  }
  return file;
}

function othersOf(path: string): string[] {
  try {
    return othersWhoMayWriteTo(path);
  } catch (cause) {
    throw new UpdateError(
      "PLATFORM_UNSUPPORTED",
      "updates are not installed here, because this system does not say who may write to a directory",
      { blame: "local", cause, path },
    );
  }
}

function refused(
  code: "EXECUTABLE_CHANGED" | "EXECUTABLE_UNSAFE" | "DIRECTORY_UNSAFE",
  reason: string,
  path: string,
): UpdateError {
  return new UpdateError(code, reason, { blame: "local", path });
}
