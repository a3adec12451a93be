import { toAscii } from "../core/bytes.ts";
import { CORE_BYTES, coreState, decodeCore, looksSigned } from "../exe/region.ts";
import { ownAssets } from "./assets.ts";

/** CBOR of "mode": "background" as extension.ts encodes it: texts of 4 and 10 bytes. */
const BACKGROUND_MODE = "dmodejbackground";

/**
 * Whether the region asks for the background mode, at the cost of a search: parsing it would need a decoder in
 * every app.
 */
export function asksForBackground(): boolean {
  return toAscii(ownAssets().readRegion().subarray(CORE_BYTES)).includes(BACKGROUND_MODE);
}

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
