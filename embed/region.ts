/**
 * The region of the running executable. The asset import is what carries `region.bin` into every app,
 * once and byte for byte; `sign` writes over it inside the executable.
 */
import type { readFileSync } from "node:fs";
import regionPath from "./region.bin" with { type: "file" };

let region: Uint8Array | undefined;

/**
 * 4096 bytes, read once and shared: blank under `bun run`, what `sign` wrote in a signed executable.
 * @throws the system's error when it cannot be read
 */
export function readOwnRegion(): Uint8Array {
  return (region ??= read());
}

function read(): Uint8Array {
  // What lies in the executable is there at once, without node:fs, whose loading takes 2 ms.
  const bytes: unknown = Bun.peek(Bun.file(regionPath).bytes());
  if (bytes instanceof Uint8Array) return bytes;
  const fs = process.getBuiltinModule("node:fs") as { readFileSync: typeof readFileSync };
  return new Uint8Array(fs.readFileSync(regionPath));
}
