import { rmdirSync, rmSync, unlinkSync } from "node:fs";

/**
 * Removes a temporary file, or a directory with whatever is in it. On Windows somebody may still run the file or be
 * in the directory, which is then left for a later sweep, and a directory has to be empty, as ours are.
 */
export function removeTemporary(path: string): void {
  if (process.platform !== "win32") return rmSync(path, { recursive: true, force: true });
  for (const remove of [unlinkSync, rmdirSync]) {
    try {
      return remove(path);
    } catch {
      // Not of this kind, or in use.
    }
  }
}
