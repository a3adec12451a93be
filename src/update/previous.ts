/** The rollback copy, for others who still run that version. */
import type { PublicKey } from "../core/brand.ts";
import { openOlderRelease, type OlderRelease } from "../exe/older-release.ts";
import type { Installation } from "./installation.ts";

export type PreviousVersion = OlderRelease;

/** Undefined when there is none, or none of this owner. The caller closes it. */
export function openPrevious(
  { previousPath }: Installation,
  owner: PublicKey,
): PreviousVersion | undefined {
  try {
    return openOlderRelease(previousPath, owner);
  } catch {
    // Nothing depends on it: what cannot be read is not there.
    return undefined;
  }
}
