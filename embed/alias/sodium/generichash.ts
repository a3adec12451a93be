/**
 * BLAKE2b. Of 32 or 64 bytes and without a key, which is nearly all that HyperDHT asks for, by the run time's own
 * implementation: a handshake takes eighty of them, and in a fresh process WebAssembly needs 10 µs for each.
 */
import { demand, optional, sized, succeeded, view } from "./check.ts";
import {
  crypto_generichash_BYTES_MAX,
  crypto_generichash_BYTES_MIN,
  crypto_generichash_KEYBYTES,
  crypto_generichash_KEYBYTES_MAX,
  crypto_generichash_KEYBYTES_MIN,
  crypto_generichash_STATEBYTES,
} from "./constants.ts";
import { begin, type Libsodium, type Pointer, put, room, take, wipe } from "./heap.ts";
import { fillRandom } from "./memory.ts";

/** Input goes through the heap in pieces of this many bytes, so that hashing never grows it. */
const PIECE_BYTES = 64 * 1024;

/** Digest length, bytes → what the run time calls it. */
const NATIVE: ReadonlyMap<number, "blake2b256" | "blake2b512"> = new Map([
  [32, "blake2b256"],
  [64, "blake2b512"],
]);

/** Hash of `input` into `output` (16 to 64 bytes), keyed when `key` is given. They may overlap. */
export function crypto_generichash(output: unknown, input: unknown, key?: unknown): void {
  const out = outputView(output);
  const data = view(input, "input");
  const keyBytes = keyView(key);
  if (keyBytes === undefined && hashNatively(out, [data])) return;
  if (data.byteLength > PIECE_BYTES) return hashPieces(out, [data], keyBytes);
  const keyLength = keyBytes?.byteLength ?? 0;
  const libsodium = begin(out.byteLength + data.byteLength + keyLength, 3);
  const outPointer = room(out.byteLength);
  const status = libsodium._crypto_generichash(
    outPointer,
    out.byteLength,
    put(libsodium, data),
    data.byteLength,
    0,
    keyBytes === undefined ? 0 : put(libsodium, keyBytes),
    keyLength,
  );
  if (status === 0) take(libsodium, outPointer, out);
  if (keyBytes !== undefined) wipe(libsodium);
  succeeded(status);
}

/** Hash of the concatenation of `batch`; its members may overlap `output`. */
export function crypto_generichash_batch(
  output: unknown,
  batch: Iterable<unknown>,
  key?: unknown,
): void {
  const parts: Uint8Array[] = [];
  for (const part of batch) parts.push(view(part, "batch"));
  const out = outputView(output);
  const keyBytes = keyView(key);
  if (keyBytes !== undefined || !hashNatively(out, parts)) hashPieces(out, parts, keyBytes);
}

/** A random key of the default length. */
export function crypto_generichash_keygen(key: unknown): void {
  fillRandom(sized(key, "key", crypto_generichash_KEYBYTES, "crypto_generichash_KEYBYTES"));
}

/** Starts a streaming hash in `state`, which the caller owns and passes to the next two. */
export function crypto_generichash_init(state: unknown, key: unknown, outputLength: number): void {
  const stateBytes = stateView(state);
  const keyBytes = optional(key, "key");
  const keyLength = keyBytes?.byteLength ?? 0;
  const libsodium = begin(stateBytes.byteLength + keyLength, 2);
  const pointer = put(libsodium, stateBytes);
  const status = libsodium._crypto_generichash_init(
    pointer,
    keyBytes === undefined ? 0 : put(libsodium, keyBytes),
    keyLength,
    outputLength,
  );
  take(libsodium, pointer, stateBytes);
  wipe(libsodium);
  succeeded(status);
}

export function crypto_generichash_update(state: unknown, input: unknown): void {
  const stateBytes = stateView(state);
  const data = view(input, "input");
  const libsodium = begin(stateBytes.byteLength + PIECE_BYTES, 2);
  const pointer = put(libsodium, stateBytes);
  const status = updatePieces(libsodium, pointer, room(PIECE_BYTES), data);
  take(libsodium, pointer, stateBytes);
  succeeded(status);
}

export function crypto_generichash_final(state: unknown, output: unknown): void {
  const stateBytes = stateView(state);
  const out = view(output, "output");
  const libsodium = begin(stateBytes.byteLength + out.byteLength, 2);
  const pointer = put(libsodium, stateBytes);
  const outPointer = put(libsodium, out);
  const status = libsodium._crypto_generichash_final(pointer, outPointer, out.byteLength);
  take(libsodium, pointer, stateBytes);
  take(libsodium, outPointer, out);
  succeeded(status);
}

/** False when it did nothing: no length of the run time's. */
function hashNatively(out: Uint8Array, parts: readonly Uint8Array[]): boolean {
  const algorithm = NATIVE.get(out.byteLength);
  if (algorithm === undefined) return false;
  const hasher = new Bun.CryptoHasher(algorithm);
  for (const part of parts) hasher.update(part);
  // `digest(out)` demands 64 bytes of room for any algorithm.
  out.set(hasher.digest());
  return true;
}

function hashPieces(
  out: Uint8Array,
  parts: readonly Uint8Array[],
  key: Uint8Array | undefined,
): void {
  const keyLength = key?.byteLength ?? 0;
  const libsodium = begin(
    crypto_generichash_STATEBYTES + PIECE_BYTES + keyLength + out.byteLength,
    4,
  );
  const state = room(crypto_generichash_STATEBYTES);
  const piece = room(PIECE_BYTES);
  const outPointer = room(out.byteLength);
  const keyPointer = key === undefined ? 0 : put(libsodium, key);
  let status = libsodium._crypto_generichash_init(state, keyPointer, keyLength, out.byteLength);
  for (const part of parts) {
    if (status === 0) status = updatePieces(libsodium, state, piece, part);
  }
  if (status === 0) {
    status = libsodium._crypto_generichash_final(state, outPointer, out.byteLength);
  }
  if (status === 0) take(libsodium, outPointer, out);
  succeeded(status);
}

function updatePieces(
  libsodium: Libsodium,
  state: Pointer,
  piece: Pointer,
  data: Uint8Array,
): number {
  for (let offset = 0; offset < data.byteLength; offset += PIECE_BYTES) {
    const part = data.subarray(offset, offset + PIECE_BYTES);
    libsodium.HEAPU8.set(part, piece);
    const status = libsodium._crypto_generichash_update(state, piece, part.byteLength, 0);
    if (status !== 0) return status;
  }
  return 0;
}

function outputView(output: unknown): Uint8Array {
  const out = view(output, "output");
  demand(
    out.byteLength >= crypto_generichash_BYTES_MIN &&
      out.byteLength <= crypto_generichash_BYTES_MAX,
    "output must be between crypto_generichash_BYTES_MIN and crypto_generichash_BYTES_MAX bytes",
  );
  return out;
}

function keyView(key: unknown): Uint8Array | undefined {
  const bytes = optional(key, "key");
  demand(
    bytes === undefined ||
      (bytes.byteLength >= crypto_generichash_KEYBYTES_MIN &&
        bytes.byteLength <= crypto_generichash_KEYBYTES_MAX),
    "key must be between crypto_generichash_KEYBYTES_MIN and crypto_generichash_KEYBYTES_MAX bytes",
  );
  return bytes;
}

function stateView(state: unknown): Uint8Array {
  return sized(state, "state", crypto_generichash_STATEBYTES, "crypto_generichash_STATEBYTES");
}
