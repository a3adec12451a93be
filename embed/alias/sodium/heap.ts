/**
 * libsodium's WebAssembly module and one persistent scratch area on its heap. The wrappers of
 * libsodium.js allocate and free every argument on every call, and have 120 KB; secretstream push and pull are
 * the hot path of every transfer, so here a call is: reserve, copy in, compute, copy out.
 *
 * All functions of the shim are synchronous and use the scratch area from `begin` to their return, so it
 * is never used by two calls at once.
 */
import createLibsodium from "libsodium-sumo";
import { AliasError } from "../error.ts";

/** A byte address on the WebAssembly heap; 0 is null. */
export type Pointer = number;

type Call = (...args: number[]) => number;

/** The raw exports in use. A 64-bit length is passed as two arguments: low word, high word. */
interface Libsodium {
  /** Replaced by the module whenever the heap grows: read it again after every allocation. */
  readonly HEAPU8: Uint8Array;
  readonly _sodium_init: () => number;
  readonly _malloc: Call;
  readonly _free: Call;
  readonly _crypto_aead_chacha20poly1305_ietf_decrypt: Call;
  readonly _crypto_aead_chacha20poly1305_ietf_encrypt: Call;
  readonly _crypto_box_seal: Call;
  readonly _crypto_box_seal_open: Call;
  readonly _crypto_box_seed_keypair: Call;
  readonly _crypto_generichash: Call;
  readonly _crypto_generichash_final: Call;
  readonly _crypto_generichash_init: Call;
  readonly _crypto_generichash_update: Call;
  readonly _crypto_hash_sha512: Call;
  readonly _crypto_kx_seed_keypair: Call;
  readonly _crypto_onetimeauth: Call;
  readonly _crypto_onetimeauth_verify: Call;
  readonly _crypto_scalarmult: Call;
  readonly _crypto_scalarmult_base: Call;
  readonly _crypto_scalarmult_ed25519_noclamp: Call;
  readonly _crypto_secretbox_easy: Call;
  readonly _crypto_secretbox_open_easy: Call;
  readonly _crypto_secretstream_xchacha20poly1305_init_pull: Call;
  readonly _crypto_secretstream_xchacha20poly1305_pull: Call;
  readonly _crypto_secretstream_xchacha20poly1305_push: Call;
  readonly _crypto_secretstream_xchacha20poly1305_rekey: Call;
  readonly _crypto_sign_detached: Call;
  readonly _crypto_sign_seed_keypair: Call;
  readonly _crypto_sign_verify_detached: Call;
}

/** First size of the scratch area, bytes: a swarm message of 64 KiB with room to spare. */
const INITIAL_SCRATCH_BYTES = 256 * 1024;

/** Reservations start at multiples of this: what libsodium's 64-bit loads and BLAKE2b's state want. */
const ALIGNMENT = 64;

let module: Libsodium | undefined;
let start: Pointer = 0;
let capacity = 0;
let cursor: Pointer = 0;

/** Resolves when the functions of the shim may be called. Everything before that throws NOT_READY. */
export const ready: Promise<void> = load();

async function load(): Promise<void> {
  // As its wrappers do it (libsodium-wrappers 0.8.4).
  const loaded = await createLibsodium({ getRandomValue });
  if (loaded._sodium_init() < 0) throw new AliasError("NOT_READY", "libsodium does not start");
  reserveScratch(loaded, INITIAL_SCRATCH_BYTES);
  module = loaded;
}

/** 32 bits of the system's. */
function getRandomValue(): number {
  const [value = 0] = crypto.getRandomValues(new Uint32Array(1));
  return value;
}

function reserveScratch(libsodium: Libsodium, bytes: number): void {
  if (start !== 0) libsodium._free(start);
  capacity = bytes;
  start = libsodium._malloc(bytes);
}

/**
 * Starts a call: makes room for `bytes` in at most `reservations` pieces and forgets earlier ones.
 * Pointers are valid until the next `begin`.
 * @throws {AliasError} NOT_READY before `ready` has resolved.
 */
export function begin(bytes: number, reservations: number): Libsodium {
  if (module === undefined) {
    throw new AliasError("NOT_READY", "await sodium's `ready` before loading HyperDHT");
  }
  const needed = bytes + (reservations + 1) * ALIGNMENT;
  if (needed > capacity) reserveScratch(module, Math.max(needed, capacity * 2));
  cursor = start;
  return module;
}

/** Reserves `bytes` bytes of undefined content. */
export function room(bytes: number): Pointer {
  const pointer = (cursor + ALIGNMENT - 1) & -ALIGNMENT;
  cursor = pointer + bytes;
  return pointer;
}

/** Up to this many bytes are copied one by one: a view costs more, and so does a call. */
const SMALL_BYTES = 64;

/** Copies `bytes` in. */
export function put(libsodium: Libsodium, bytes: Uint8Array): Pointer {
  const { HEAPU8 } = libsodium;
  const { byteLength } = bytes;
  const pointer = room(byteLength);
  if (byteLength <= SMALL_BYTES) {
    for (let i = 0; i < byteLength; i++) HEAPU8[pointer + i] = bytes[i] ?? 0;
  } else {
    HEAPU8.set(bytes, pointer);
  }
  return pointer;
}

/** Copies as many bytes out as `target` has. */
export function take(libsodium: Libsodium, pointer: Pointer, target: Uint8Array): void {
  const { HEAPU8 } = libsodium;
  const { byteLength } = target;
  if (byteLength <= SMALL_BYTES) {
    for (let i = 0; i < byteLength; i++) target[i] = HEAPU8[pointer + i] ?? 0;
  } else {
    target.set(HEAPU8.subarray(pointer, pointer + byteLength));
  }
}

/** Overwrites everything reserved since `begin`, for calls that handle a secret key. */
export function wipe(libsodium: Libsodium): void {
  libsodium.HEAPU8.fill(0, start, cursor);
}

export type { Libsodium };
