/** The 4096 bytes as one thing: core and extension together. */
import { concat } from "../core/bytes.ts";
import { ExeError } from "./error.ts";
import {
  decodeExtension,
  encodeExtension,
  EXTENSION_BYTES,
  EXTENSION_MAGIC,
  type Extension,
} from "./extension.ts";
import {
  CORE_BYTES,
  decodeCore,
  encodeCore,
  REGION_BYTES,
  unsignedCore,
  type RegionCore,
} from "./region.ts";

export interface FullRegion {
  readonly core: RegionCore;
  /** Undefined in a blank region. */
  readonly extension: Extension | undefined;
}

/**
 * Decodes without any trust in the result.
 * @throws {ExeError} REGION_INVALID, EXTENSION_INVALID
 */
export function decodeRegion(bytes: Uint8Array): FullRegion {
  if (bytes.length !== REGION_BYTES) {
    throw new ExeError(
      "REGION_INVALID",
      `the signature region has ${bytes.length} bytes instead of ${REGION_BYTES}`,
      { blame: "artifact" },
    );
  }
  return {
    core: decodeCore(bytes.subarray(0, CORE_BYTES)),
    extension: decodeExtension(bytes.subarray(CORE_BYTES, CORE_BYTES + EXTENSION_BYTES)),
  };
}

/** What every app is compiled with: embed/region.bin. 4096 new bytes. */
export function blankRegion(): Uint8Array {
  const out = new Uint8Array(REGION_BYTES);
  out.set(concat(encodeCore(unsignedCore(undefined)), EXTENSION_MAGIC));
  return out;
}

/** 4096 new bytes. @throws {ExeError} EXTENSION_INVALID when the values do not fit. */
export function encodeRegion(core: RegionCore, extension: Extension): Uint8Array {
  return concat(encodeCore(core), encodeExtension(extension));
}
