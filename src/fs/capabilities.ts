/** File capabilities (capabilities(7)): privileges in an extended attribute, which no API of Bun's shows. */
import { dlopen, ptr } from "bun:ffi";

const LIBRARIES = ["libc.so.6", "libc.musl-x86_64.so.1", "libc.musl-aarch64.so.1"];
const ATTRIBUTE = "security.capability";

type GetSize = (path: string) => number;

let getSize: GetSize | undefined;

/**
 * Does starting this file hand out privileges that its mode does not show? False where that cannot be asked:
 * what is installed then has lost them, and never gained any.
 */
export function hasCapabilities(path: string): boolean {
  if (process.platform !== "linux") return false;
  getSize ??= load();
  return getSize(path) > 0;
}

function load(): GetSize {
  const types = { args: ["ptr", "ptr", "ptr", "u64"], returns: "i64" } as const;
  for (const library of LIBRARIES) {
    try {
      const { symbols } = dlopen(library, { getxattr: types });
      return (path) => {
        const [file, attribute] = [zeroTerminated(path), zeroTerminated(ATTRIBUTE)];
        return Number(symbols.getxattr(ptr(file), ptr(attribute), null, 0n));
      };
    } catch {
      // Another C library, or a system that allows no code made at run time.
    }
  }
  return () => 0;
}

function zeroTerminated(text: string): Uint8Array {
  return new TextEncoder().encode(`${text}\0`);
}
