/** The rollback copy: others may still run that version, and then they need only what is different. */
import { closeSync } from "node:fs";
import type { PublicKey } from "../core/brand.ts";
import { canonicalStream } from "../exe/canonical.ts";
import { carriedRelease } from "../exe/check-region.ts";
import { findRegion } from "../exe/find-region.ts";
import { fileSource, openFile } from "../fs/file-source.ts";
import type { Base } from "../swarm/bases.ts";
import type { Installation } from "./installation.ts";

export interface PreviousVersion extends Base {
  close(): void;
}

/**
 * Undefined when there is none, or none of this owner. Whether its bytes are those that its record names
 * is found out when the first one needs them. The caller closes it.
 */
export function openPrevious(
  installation: Installation,
  owner: PublicKey,
): PreviousVersion | undefined {
  let fd: number | undefined;
  try {
    const opened = (fd = openFile(installation.previousPath));
    const source = fileSource(opened);
    const { offset, sizeBytes } = findRegion(source);
    const { record, region } = carriedRelease(owner, source.read(offset, sizeBytes).slice());
    return {
      root: record.record.root,
      region,
      stream: canonicalStream(source, offset),
      close: () => closeSync(opened),
    };
  } catch {
    // Nothing depends on it: what cannot be read is not there.
    if (fd !== undefined) closeSync(fd);
    return undefined;
  }
}
