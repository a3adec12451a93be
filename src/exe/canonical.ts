import { without, type ByteSource } from "../core/source.ts";
import { REGION_BYTES } from "./region.ts";

/**
 * The canonical stream: the executable without its 4096-byte region. It is what peers exchange and what
 * the content root covers; signing changes only the region, so it changes nothing here.
 * @throws {RangeError} when the region is not inside the source.
 */
export function canonicalStream(source: ByteSource, regionOffset: number): ByteSource {
  return without(source, regionOffset, REGION_BYTES);
}
