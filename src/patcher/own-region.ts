import { looksSigned } from "../exe/region-glance.ts";
import { CORE_BYTES, coreState, decodeCore } from "../exe/region.ts";
import { ownAssets } from "./assets.ts";

/** Why this process cannot update itself; undefined when it can. Never throws. */
export function inactiveReason(disable: string | undefined): string | undefined {
  if (disable === "1") return "updates are switched off by RUSTPATCHER_DISABLE=1";
  try {
    const region = ownAssets().readRegion();
    // Every start of the app comes by here. The Worker verifies all of it, and says what is wrong.
    if (looksSigned(region)) return undefined;
    const core = decodeCore(region.subarray(0, CORE_BYTES));
    switch (coreState(core)) {
      case "signed":
        return undefined;
      case "reserved":
        return "this program does not update itself: it is not signed yet; run `rustpatcher sign` on it";
      case "blank":
        return "this program does not update itself: it is not a signed executable";
    }
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : "its region cannot be read";
    return `this program does not update itself: ${reason}`;
  }
}
