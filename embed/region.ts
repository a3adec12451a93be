/**
 * The region of the running executable. The asset import is what carries `region.bin` into every app,
 * once and byte for byte; `sign` writes over it inside the executable.
 */
import { readFileSync } from "node:fs";
import regionPath from "./region.bin" with { type: "file" };

/** 4096 new bytes, read at run time: blank under `bun run`, what `sign` wrote in a signed executable. */
export function readOwnRegion(): Uint8Array {
  return new Uint8Array(readFileSync(regionPath));
}
