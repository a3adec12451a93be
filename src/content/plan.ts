import { equal } from "../core/bytes.ts";
import type { BlockTable } from "./table.ts";

/**
 * Step 3 (plan): indexes of the blocks to fetch, ascending. A block that the installed executable has at
 * the same place is copied from there instead.
 */
export function planBlocks(wanted: BlockTable, local: BlockTable | undefined): number[] {
  const missing: number[] = [];
  for (let index = 0; index < wanted.count; index++) {
    const isHere =
      local !== undefined &&
      index < local.count &&
      equal(wanted.hashOf(index), local.hashOf(index));
    if (!isHere) missing.push(index);
  }
  return missing;
}
