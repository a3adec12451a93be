import { renameSync } from "node:fs";
import { patiently } from "./patiently.ts";

/** Renames a file that nobody runs over another one, or none. Throws the system's error. */
export function renameOver(from: string, to: string): void {
  if (process.platform !== "win32") return renameSync(from, to);
  patiently(
    () => renameSync(from, to),
    (waitMs) => Bun.sleepSync(waitMs),
  );
}
