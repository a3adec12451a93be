/**
 * What every start of an app asks of its region, at the cost of a glance: reading all of it would need a decoder
 * before the app's own code. The Worker verifies it, and says what is wrong.
 */
import { isZero, toAscii } from "../core/bytes.ts";

const SIGNATURE_OFFSET = 68;
const SIGNATURE_END = 132;
const EXTENSION_OFFSET = 176;
/** CBOR of "mode": "background" as extension.ts encodes it: texts of 4 and 10 bytes. */
const BACKGROUND_MODE = "dmodejbackground";

/** Whether there is anything at all where the signature stands. */
export function looksSigned(region: Uint8Array): boolean {
  return !isZero(region.subarray(SIGNATURE_OFFSET, SIGNATURE_END));
}

/** Whether it asks for the background mode. */
export function asksForBackground(region: Uint8Array): boolean {
  return toAscii(region.subarray(EXTENSION_OFFSET)).includes(BACKGROUND_MODE);
}
