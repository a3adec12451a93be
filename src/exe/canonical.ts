import { without, type ByteSource } from "../core/source.ts";
import { normalForm } from "./normal-form.ts";
import { REGION_BYTES } from "./region.ts";

/**
 * The canonical stream: the executable's normal form without its 4096-byte region. It is what peers
 * exchange and what the content root covers; signing changes only the region, so it changes nothing here.
 * @throws {RangeError} when the region is not inside it. @throws {ExeError} CODE_SIGNATURE_INVALID
 */
export function canonicalStream(source: ByteSource, regionOffset: number): ByteSource {
  return without(normalForm(source), regionOffset, REGION_BYTES);
}

/**
 * Bytes of the canonical stream at their places in the executable: those before the region, those behind
 * it. Shares memory with `bytes`.
 */
export function aroundRegion(
  streamOffset: number,
  bytes: Uint8Array,
  regionOffset: number,
): readonly { readonly offset: number; readonly bytes: Uint8Array }[] {
  const before = Math.max(0, Math.min(bytes.length, regionOffset - streamOffset));
  return [
    { offset: streamOffset, bytes: bytes.subarray(0, before) },
    { offset: streamOffset + before + REGION_BYTES, bytes: bytes.subarray(before) },
  ];
}
