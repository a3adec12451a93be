/** The C library, for the few things that no API of Bun's does. */
import { dlopen, type FFIFunction, type Library } from "bun:ffi";

const LIBRARIES = ["libc.so.6", "libc.musl-x86_64.so.1", "libc.musl-aarch64.so.1"];

/**
 * The functions of Linux's C library; undefined on other systems, and on those that allow no machine code made
 * at run time. Whoever calls this must be able to do without.
 */
export function openLibc<const Functions extends Record<string, FFIFunction>>(
  functions: Functions,
): Library<Functions>["symbols"] | undefined {
  if (process.platform !== "linux") return undefined;
  for (const library of LIBRARIES) {
    try {
      return dlopen(library, functions).symbols;
    } catch {
      // Another C library, or none that may be called.
    }
  }
  return undefined;
}

/** As C takes it. The caller keeps the result alive for as long as its address is in use. */
export function cString(text: string): Uint8Array {
  return new TextEncoder().encode(`${text}\0`);
}
