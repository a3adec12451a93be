/**
 * XChaCha20-Poly1305 secret streams: every byte of every transfer goes through `push` on one side and `pull`
 * on the other.
 */
import { AliasError } from "../error.ts";
import { demand, optional, sized, succeeded, view } from "./check.ts";
import {
  crypto_secretstream_xchacha20poly1305_ABYTES as ABYTES,
  crypto_secretstream_xchacha20poly1305_HEADERBYTES as HEADERBYTES,
  crypto_secretstream_xchacha20poly1305_KEYBYTES as KEYBYTES,
  crypto_secretstream_xchacha20poly1305_STATEBYTES as STATEBYTES,
} from "./constants.ts";
import { begin, put, room, take, wipe } from "./heap.ts";
import { fillRandom } from "./memory.ts";
import { fastPull, fastPush } from "./secretstream-fast.ts";

const NAME = "crypto_secretstream_xchacha20poly1305";

/** A random key. */
export function crypto_secretstream_xchacha20poly1305_keygen(k: unknown): void {
  fillRandom(sized(k, "k", KEYBYTES, `${NAME}_KEYBYTES`));
}

/** Starts the sending side in `state`, which the caller owns; writes the random `header` to send. */
export function crypto_secretstream_xchacha20poly1305_init_push(
  state: unknown,
  header: unknown,
  k: unknown,
): void {
  stateView(state);
  const headerBytes = sized(header, "header", HEADERBYTES, `${NAME}_HEADERBYTES`);
  sized(k, "k", KEYBYTES, `${NAME}_KEYBYTES`);
  fillRandom(headerBytes);
  // What libsodium does as well: after the header is drawn, both sides start alike.
  crypto_secretstream_xchacha20poly1305_init_pull(state, headerBytes, k);
}

/** Starts the receiving side in `state`, which the caller owns. */
export function crypto_secretstream_xchacha20poly1305_init_pull(
  state: unknown,
  header: unknown,
  k: unknown,
): void {
  const stateBytes = stateView(state);
  const headerBytes = sized(header, "header", HEADERBYTES, `${NAME}_HEADERBYTES`);
  const key = sized(k, "k", KEYBYTES, `${NAME}_KEYBYTES`);
  const libsodium = begin(STATEBYTES + HEADERBYTES + KEYBYTES, 3);
  const pointer = room(STATEBYTES);
  succeeded(
    libsodium._crypto_secretstream_xchacha20poly1305_init_pull(
      pointer,
      put(libsodium, headerBytes),
      put(libsodium, key),
    ),
  );
  take(libsodium, pointer, stateBytes);
  wipe(libsodium);
}

/** Encrypts `m` into `c`, which may overlap, and advances `state`. Returns the length of `c`, bytes. */
export function crypto_secretstream_xchacha20poly1305_push(
  state: unknown,
  c: unknown,
  m: unknown,
  ad: unknown,
  tag: number,
): number {
  const stateBytes = stateView(state);
  const cipher = view(c, "c");
  const message = view(m, "m");
  const length = message.byteLength;
  demand(cipher.byteLength === length + ABYTES, `c must be 'm.byteLength + ${NAME}_ABYTES' bytes`);
  const associated = optional(ad, "ad");
  const adLength = associated?.byteLength ?? 0;
  if (adLength === 0 && fastPush(stateBytes, cipher, message, tag)) return cipher.byteLength;

  const libsodium = begin(STATEBYTES + cipher.byteLength + adLength, 3);
  const statePointer = put(libsodium, stateBytes);
  const cipherPointer = room(cipher.byteLength);
  const adPointer = associated === undefined ? 0 : put(libsodium, associated);
  // Encrypted in place: the tag takes one byte, the message follows it. Half the memory traffic.
  const messagePointer = cipherPointer + 1;
  libsodium.HEAPU8.set(message, messagePointer);
  const status = libsodium._crypto_secretstream_xchacha20poly1305_push(
    statePointer,
    cipherPointer,
    0,
    messagePointer,
    length,
    0,
    adPointer,
    adLength,
    0,
    tag,
  );
  take(libsodium, statePointer, stateBytes);
  libsodium.HEAPU8.fill(0, statePointer, statePointer + STATEBYTES);
  if (status !== 0) throw new AliasError("FAILED", "push failed", { status });
  take(libsodium, cipherPointer, cipher);
  return cipher.byteLength;
}

/**
 * Decrypts `c` into `m`, which may overlap, stores the message's tag in `tag[0]` and advances `state`.
 * Returns the length of `m`, bytes.
 * @throws {AliasError} FAILED when `c` is not the next message of this stream; `state` and `m` keep their
 * content, `tag[0]` is 255.
 */
export function crypto_secretstream_xchacha20poly1305_pull(
  state: unknown,
  m: unknown,
  tag: unknown,
  c: unknown,
  ad: unknown,
): number {
  const stateBytes = stateView(state);
  const tagByte = view(tag, "tag");
  demand(tagByte.byteLength === 1, "tag must be 1 byte");
  const cipher = view(c, "c");
  demand(cipher.byteLength >= ABYTES, `c must be at least '${NAME}_ABYTES' bytes`);
  const message = view(m, "m");
  const length = cipher.byteLength - ABYTES;
  demand(message.byteLength === length, `m must be 'c.byteLength - ${NAME}_ABYTES' bytes`);
  const associated = optional(ad, "ad");
  const adLength = associated?.byteLength ?? 0;
  if (adLength === 0) {
    const done = fastPull(stateBytes, message, tagByte, cipher);
    if (done === "forged") throw new AliasError("FAILED", "pull failed");
    if (done === "done") return length;
  }

  const libsodium = begin(STATEBYTES + 1 + cipher.byteLength + adLength, 4);
  const statePointer = put(libsodium, stateBytes);
  const tagPointer = room(1);
  const cipherPointer = put(libsodium, cipher);
  const adPointer = associated === undefined ? 0 : put(libsodium, associated);
  const messagePointer = cipherPointer + 1;
  const status = libsodium._crypto_secretstream_xchacha20poly1305_pull(
    statePointer,
    messagePointer,
    0,
    tagPointer,
    cipherPointer,
    cipher.byteLength,
    0,
    adPointer,
    adLength,
    0,
  );
  take(libsodium, statePointer, stateBytes);
  take(libsodium, tagPointer, tagByte);
  libsodium.HEAPU8.fill(0, statePointer, statePointer + STATEBYTES);
  if (status !== 0) throw new AliasError("FAILED", "pull failed", { status });
  take(libsodium, messagePointer, message);
  return length;
}

/** Replaces the stream's key; both sides must do it at the same place. */
export function crypto_secretstream_xchacha20poly1305_rekey(state: unknown): void {
  const stateBytes = stateView(state);
  const libsodium = begin(STATEBYTES, 1);
  const pointer = put(libsodium, stateBytes);
  libsodium._crypto_secretstream_xchacha20poly1305_rekey(pointer);
  take(libsodium, pointer, stateBytes);
  wipe(libsodium);
}

function stateView(state: unknown): Uint8Array {
  return sized(state, "state", STATEBYTES, `${NAME}_STATEBYTES`);
}
