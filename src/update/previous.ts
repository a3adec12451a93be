/** The rollback copy, for others who still run that version. */
import { closeSync } from "node:fs";
import type { PublicKey } from "../core/brand.ts";
import { olderRelease, type OlderRelease } from "../exe/older-release.ts";
import { fileSource, openFile } from "../fs/file-source.ts";
import type { Installation } from "./installation.ts";

export interface PreviousVersion extends OlderRelease {
  close(): void;
}

/** Undefined when there is none, or none of this owner. The caller closes it. */
export function openPrevious(
  { previousPath }: Installation,
  owner: PublicKey,
): PreviousVersion | undefined {
  let fd: number | undefined;
  try {
    const opened = (fd = openFile(previousPath));
    return { ...olderRelease(fileSource(opened), owner), close: () => closeSync(opened) };
  } catch {
    // Nothing depends on it: what cannot be read is not there.
    if (fd !== undefined) closeSync(fd);
    return undefined;
  }
}
