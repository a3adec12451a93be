import { randomFillSync } from "node:crypto";
import { demand, view } from "./check.ts";

/** What `sodium_malloc` returns: a buffer that `sodium_free` may destroy. */
interface SecureBuffer extends Buffer {
  secure?: boolean;
}

/** Overwrites `buf` with zeros. */
export function sodium_memzero(buf: unknown): void {
  view(buf, "buf").fill(0);
}

/**
 * A zeroed buffer of its own memory, marked `secure`. WebAssembly can neither lock pages nor guard
 * them, so unlike the original it may be swapped out; what remains is `sodium_free`.
 */
export function sodium_malloc(size: number): Buffer {
  demand(size >= 0, "invalid size");
  const buf: SecureBuffer = Buffer.from(new ArrayBuffer(size));
  buf.secure = true;
  return buf;
}

/** Overwrites a buffer from `sodium_malloc` and detaches it; leaves any other buffer alone. */
export function sodium_free(buf: SecureBuffer | null | undefined): void {
  if (!buf?.secure) return;
  buf.fill(0);
  if (buf.buffer instanceof ArrayBuffer) buf.buffer.transfer(0);
}

/** Adds one to the little-endian number in `n`, in place, wrapping to zero. */
export function sodium_increment(n: unknown): void {
  const bytes = view(n, "n");
  // No early exit: the time taken must not depend on the value (a nonce is public, other uses may not be).
  let carry = 1;
  for (let i = 0; i < bytes.byteLength; i++) {
    carry += bytes[i] ?? 0;
    bytes[i] = carry;
    carry >>>= 8;
  }
}

/** Fills `buffer` with bytes from the operating system's generator. */
export function randombytes_buf(buffer: unknown): void {
  fillRandom(view(buffer, "buffer"));
}

/** As `randombytes_buf`; returns its argument. */
export function fillRandom(bytes: Uint8Array): Uint8Array {
  // libsodium's own generator in WebAssembly calls out to JavaScript once for every four bytes.
  return randomFillSync(bytes);
}
