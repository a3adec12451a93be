import type { BigIntStats, Stats } from "node:fs";

const OTHERS_MAY_WRITE = 0o022;

/**
 * Is it a plain file of ours? Windows has no owners of this kind, and its modes say nothing: there the directory
 * decides, and what is beside an executable is only used where `checkSafe` has nothing against it.
 */
export function isOurs(stats: Stats | BigIntStats): boolean {
  if (!stats.isFile()) return false;
  return process.platform === "win32" || Number(stats.uid) === process.geteuid?.();
}

/** And one that nobody else may write to? */
export function isOnlyOurs(stats: Stats | BigIntStats): boolean {
  if (!isOurs(stats)) return false;
  return process.platform === "win32" || (Number(stats.mode) & OTHERS_MAY_WRITE) === 0;
}
