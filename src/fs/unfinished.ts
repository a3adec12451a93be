/**
 * Files and directories that must not outlive the work they are for. `finally` takes care of them, but for a process
 * that is told to stop in the middle: whoever handles the signal calls `removeUnfinished` first.
 */
import { rmSync } from "node:fs";

const paths = new Set<string>();

export function markUnfinished(path: string): void {
  paths.add(path);
}

export function markFinished(path: string): void {
  paths.delete(path);
}

export function removeUnfinished(): void {
  for (const path of paths) rmSync(path, { recursive: true, force: true });
  paths.clear();
}
