/**
 * The secret stream's `push` and `pull` for messages long enough to pay for it: ChaCha20 from chacha20-simd.ts,
 * Poly1305 from libsodium. Follows crypto_secretstream_xchacha20poly1305_push and _pull of libsodium 1.0.20:
 *
 *   state       key 32 ‖ counter u32 LE ‖ inner nonce 8 ‖ padding 8; counter ‖ inner nonce is ChaCha20's nonce
 *   key stream  block 0: Poly1305 key (first 32 bytes) · block 1: encrypts tag ‖ 63 zeros · from 2: the message
 *   cipher      first byte of encrypted block 1 ‖ encrypted message ‖ authenticator
 *   Poly1305    encrypted block 1 ‖ encrypted message ‖ (length mod 16) zeros ‖ 0 u64 ‖ 64 + length u64 LE
 *   afterwards  inner nonce ^= first 8 bytes of the authenticator; counter += 1; rekey when the tag asks
 *               for it or the counter wraps
 *
 * ("length mod 16" is what libsodium computes where it would have meant its complement; peers depend on it.)
 */
import { CHACHA20_MAX_BYTES, type ChaCha20, createChaCha20 } from "./chacha20-simd.ts";
import {
  crypto_secretstream_xchacha20poly1305_STATEBYTES as STATEBYTES,
  crypto_secretstream_xchacha20poly1305_TAG_REKEY as TAG_REKEY,
} from "./constants.ts";
import { begin, type Libsodium, type Pointer, put, room, take } from "./heap.ts";

const BLOCK_BYTES = 64;
/** Offsets in the data area: block 0, block 1, message. */
export const TAG_BLOCK: number = BLOCK_BYTES;
export const MESSAGE: number = 2 * BLOCK_BYTES;
const POLY1305_KEYBYTES = 32;
const MAC_BYTES = 16;
const LENGTHS_BYTES = 16;

/** Offsets in the state. */
export const KEY_END = 32;
const COUNTER_END = 36;
export const NONCE_END = 44;
const INNER_NONCE_BYTES = 8;

/** Below this many bytes the three extra calls cost more than vectors save. */
const MIN_MESSAGE_BYTES = 512;
const MAX_MESSAGE_BYTES = CHACHA20_MAX_BYTES - MESSAGE;

const NO_TAG = 0xff;

/** Null until the first long message, undefined where there are no vectors. */
let chacha20: ChaCha20 | undefined | null = null;

/** For messages of that length; undefined when they are not its case, or where there are no vectors. */
export function kernelFor(length: number): ChaCha20 | undefined {
  if (length < MIN_MESSAGE_BYTES || length > MAX_MESSAGE_BYTES) return undefined;
  if (chacha20 === null) chacha20 = createChaCha20();
  return chacha20;
}

/** Encrypts `message` into `cipher` and advances `state`. False when it did nothing: not its case. */
export function fastPush(
  state: Uint8Array,
  cipher: Uint8Array,
  message: Uint8Array,
  tag: number,
): boolean {
  const length = message.byteLength;
  const kernel = kernelFor(length);
  if (kernel === undefined) return false;
  const { data } = kernel;
  data.fill(0, 0, MESSAGE);
  data[TAG_BLOCK] = tag;
  data.set(message, MESSAGE);
  encrypt(kernel, state, length);

  const { libsodium, input, inputBytes, key } = authenticated(data, length, undefined);
  const mac = room(MAC_BYTES);
  libsodium._crypto_onetimeauth(mac, input, inputBytes, 0, key);
  cipher[0] = data[TAG_BLOCK] ?? 0;
  cipher.set(data.subarray(MESSAGE, MESSAGE + length), 1);
  take(libsodium, mac, cipher.subarray(length + 1));
  forget(kernel, libsodium, key);
  advance(state, cipher.subarray(length + 1), tag);
  return true;
}

/** Decrypts `cipher` into `message` and advances `state`. "pass": it did nothing, not its case. */
export function fastPull(
  state: Uint8Array,
  message: Uint8Array,
  tagByte: Uint8Array,
  cipher: Uint8Array,
): "done" | "forged" | "pass" {
  const length = message.byteLength;
  const kernel = kernelFor(length);
  if (kernel === undefined) return "pass";
  const { data } = kernel;
  const encrypted = cipher.subarray(1, length + 1);
  data.fill(0, 0, MESSAGE);
  data[TAG_BLOCK] = cipher[0] ?? 0;
  data.set(encrypted, MESSAGE);
  // Decrypting and producing the Poly1305 key are one pass; nothing leaves before the check below.
  encrypt(kernel, state, length);

  const tag = data[TAG_BLOCK] ?? 0;
  data[TAG_BLOCK] = cipher[0] ?? 0;
  const { libsodium, input, inputBytes, key } = authenticated(data, length, encrypted);
  // Copied, because the message may be decrypted into the cipher's own memory.
  const mac = new Uint8Array(cipher.subarray(length + 1));
  const status = libsodium._crypto_onetimeauth_verify(
    put(libsodium, mac),
    input,
    inputBytes,
    0,
    key,
  );
  if (status === 0) message.set(data.subarray(MESSAGE, MESSAGE + length));
  forget(kernel, libsodium, key);
  tagByte[0] = status === 0 ? tag : NO_TAG;
  if (status !== 0) return "forged";
  advance(state, mac, tag);
  return "done";
}

/** XORs all of the kernel's data with the key stream of the message that is next. */
export function encrypt(kernel: ChaCha20, state: Uint8Array, length: number): void {
  kernel.xor(state.subarray(0, KEY_END), state.subarray(KEY_END, NONCE_END), MESSAGE + length);
}

/**
 * Lays out Poly1305's input and key on libsodium's heap, with room left for an authenticator. `encrypted` is
 * the encrypted message, if the data area does not hold it.
 */
function authenticated(
  data: Uint8Array,
  length: number,
  encrypted: Uint8Array | undefined,
): { libsodium: Libsodium; input: Pointer; inputBytes: number; key: Pointer } {
  const padding = length % 16;
  const inputBytes = BLOCK_BYTES + length + padding + LENGTHS_BYTES;
  const libsodium = begin(POLY1305_KEYBYTES + inputBytes + MAC_BYTES, 3);
  const key = put(libsodium, data.subarray(0, POLY1305_KEYBYTES));
  const input = room(inputBytes);
  const heap = libsodium.HEAPU8;
  if (encrypted === undefined) {
    heap.set(data.subarray(TAG_BLOCK, MESSAGE + length), input);
  } else {
    heap.set(data.subarray(TAG_BLOCK, MESSAGE), input);
    heap.set(encrypted, input + BLOCK_BYTES);
  }
  const end = input + BLOCK_BYTES + length;
  heap.fill(0, end, end + padding + LENGTHS_BYTES);
  new DataView(heap.buffer).setUint32(end + padding + 8, BLOCK_BYTES + length, true);
  return { libsodium, input, inputBytes, key };
}

/** Overwrites the key streams of this message that are left in memory. */
function forget(kernel: ChaCha20, libsodium: Libsodium, key: Pointer): void {
  kernel.data.fill(0, 0, MESSAGE);
  libsodium.HEAPU8.fill(0, key, key + POLY1305_KEYBYTES);
}

/** To the next message, after one with that authenticator and tag. */
export function advance(state: Uint8Array, mac: Uint8Array, tag: number): void {
  for (let i = 0; i < INNER_NONCE_BYTES; i++) {
    state[COUNTER_END + i] = (state[COUNTER_END + i] ?? 0) ^ (mac[i] ?? 0);
  }
  let carry = 1;
  for (let i = KEY_END; i < COUNTER_END; i++) {
    carry += state[i] ?? 0;
    state[i] = carry;
    carry >>>= 8;
  }
  if ((tag & TAG_REKEY) === 0 && carry === 0) return;
  const libsodium = begin(STATEBYTES, 1);
  const pointer = put(libsodium, state);
  libsodium._crypto_secretstream_xchacha20poly1305_rekey(pointer);
  take(libsodium, pointer, state);
  libsodium.HEAPU8.fill(0, pointer, pointer + STATEBYTES);
}
