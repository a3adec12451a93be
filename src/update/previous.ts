/** The rollback copy, for others who still run that version. */
import type { PublicKey } from "../core/brand.ts";
import { openBase, type BaseFile } from "../swarm/base-file.ts";
import type { Installation } from "./installation.ts";

export type PreviousVersion = BaseFile;

/** Undefined when there is none, or none of this owner. The caller closes it. */
export function openPrevious(
  { previousPath }: Installation,
  owner: PublicKey,
): PreviousVersion | undefined {
  try {
    return openBase(previousPath, owner);
  } catch {
    // Nothing depends on it: what cannot be read is not there.
    return undefined;
  }
}
