/** Sealed boxes, secret boxes and the AEAD of the Noise handshake. */
import { demand, optional, sized, succeeded, view } from "./check.ts";
import {
  crypto_aead_chacha20poly1305_ietf_ABYTES,
  crypto_aead_chacha20poly1305_ietf_KEYBYTES,
  crypto_aead_chacha20poly1305_ietf_NPUBBYTES,
  crypto_box_PUBLICKEYBYTES,
  crypto_box_SEALBYTES,
  crypto_box_SECRETKEYBYTES,
  crypto_box_SEEDBYTES,
  crypto_secretbox_KEYBYTES,
  crypto_secretbox_MACBYTES,
  crypto_secretbox_NONCEBYTES,
} from "./constants.ts";
import { begin, put, room, take, wipe } from "./heap.ts";
import { fillRandom } from "./memory.ts";

/** A random X25519 key pair. */
export function crypto_box_keypair(pk: unknown, sk: unknown): void {
  const seed = fillRandom(new Uint8Array(crypto_box_SEEDBYTES));
  crypto_box_seed_keypair(pk, sk, seed);
  seed.fill(0);
}

/** The X25519 key pair of `seed`. */
export function crypto_box_seed_keypair(pk: unknown, sk: unknown, seed: unknown): void {
  const publicKey = publicKeyView(pk);
  const secretKey = secretKeyView(sk);
  const seedBytes = sized(seed, "seed", crypto_box_SEEDBYTES, "crypto_box_SEEDBYTES");
  const libsodium = begin(
    crypto_box_PUBLICKEYBYTES + crypto_box_SECRETKEYBYTES + crypto_box_SEEDBYTES,
    3,
  );
  const pkPointer = room(crypto_box_PUBLICKEYBYTES);
  const skPointer = room(crypto_box_SECRETKEYBYTES);
  succeeded(libsodium._crypto_box_seed_keypair(pkPointer, skPointer, put(libsodium, seedBytes)));
  take(libsodium, pkPointer, publicKey);
  take(libsodium, skPointer, secretKey);
  wipe(libsodium);
}

/** Encrypts `m` to `pk` from an ephemeral key. `c` and `m` may overlap. */
export function crypto_box_seal(c: unknown, m: unknown, pk: unknown): void {
  const cipher = view(c, "c");
  const message = view(m, "m");
  const rule = "c must be 'm.byteLength + crypto_box_SEALBYTES' bytes";
  demand(cipher.byteLength === message.byteLength + crypto_box_SEALBYTES, rule);
  const publicKey = publicKeyView(pk);
  const libsodium = begin(cipher.byteLength + message.byteLength + crypto_box_PUBLICKEYBYTES, 3);
  const pointer = room(cipher.byteLength);
  const status = libsodium._crypto_box_seal(
    pointer,
    put(libsodium, message),
    message.byteLength,
    0,
    put(libsodium, publicKey),
  );
  if (status === 0) take(libsodium, pointer, cipher);
  succeeded(status);
}

/** Opens a sealed box. False, and `m` untouched, when it is not for this key pair or was altered. */
export function crypto_box_seal_open(m: unknown, c: unknown, pk: unknown, sk: unknown): boolean {
  const message = view(m, "m");
  const cipher = view(c, "c");
  const cipherRule = "c must be at least 'crypto_box_SEALBYTES' bytes";
  demand(cipher.byteLength >= crypto_box_SEALBYTES, cipherRule);
  const rule = "m must be 'c.byteLength - crypto_box_SEALBYTES' bytes";
  demand(message.byteLength === cipher.byteLength - crypto_box_SEALBYTES, rule);
  const publicKey = publicKeyView(pk);
  const secretKey = secretKeyView(sk);
  const libsodium = begin(
    message.byteLength + cipher.byteLength + crypto_box_PUBLICKEYBYTES + crypto_box_SECRETKEYBYTES,
    4,
  );
  const pointer = room(message.byteLength);
  const status = libsodium._crypto_box_seal_open(
    pointer,
    put(libsodium, cipher),
    cipher.byteLength,
    0,
    put(libsodium, publicKey),
    put(libsodium, secretKey),
  );
  if (status === 0) take(libsodium, pointer, message);
  wipe(libsodium);
  return status === 0;
}

/** XSalsa20-Poly1305: `c` = tag ‖ encrypted `m`. They may overlap. */
export function crypto_secretbox_easy(c: unknown, m: unknown, n: unknown, k: unknown): void {
  const cipher = view(c, "c");
  const message = view(m, "m");
  const nonce = view(n, "n");
  const key = view(k, "k");
  const rule = "c must be 'm.byteLength + crypto_secretbox_MACBYTES' bytes";
  demand(cipher.byteLength === message.byteLength + crypto_secretbox_MACBYTES, rule);
  demandSecretbox(nonce, key);
  const libsodium = begin(
    cipher.byteLength + message.byteLength + nonce.byteLength + key.byteLength,
    4,
  );
  const pointer = room(cipher.byteLength);
  const status = libsodium._crypto_secretbox_easy(
    pointer,
    put(libsodium, message),
    message.byteLength,
    0,
    put(libsodium, nonce),
    put(libsodium, key),
  );
  if (status === 0) take(libsodium, pointer, cipher);
  wipe(libsodium);
  succeeded(status);
}

/** Opens a secret box. False, and `m` untouched, when it was altered. */
export function crypto_secretbox_open_easy(
  m: unknown,
  c: unknown,
  n: unknown,
  k: unknown,
): boolean {
  const message = view(m, "m");
  const cipher = view(c, "c");
  const nonce = view(n, "n");
  const key = view(k, "k");
  const cipherRule = "c must be at least 'crypto_secretbox_MACBYTES' bytes";
  demand(cipher.byteLength >= crypto_secretbox_MACBYTES, cipherRule);
  const rule = "m must be 'c.byteLength - crypto_secretbox_MACBYTES' bytes";
  demand(message.byteLength === cipher.byteLength - crypto_secretbox_MACBYTES, rule);
  demandSecretbox(nonce, key);
  const libsodium = begin(
    message.byteLength + cipher.byteLength + nonce.byteLength + key.byteLength,
    4,
  );
  const pointer = room(message.byteLength);
  const status = libsodium._crypto_secretbox_open_easy(
    pointer,
    put(libsodium, cipher),
    cipher.byteLength,
    0,
    put(libsodium, nonce),
    put(libsodium, key),
  );
  if (status === 0) take(libsodium, pointer, message);
  wipe(libsodium);
  return status === 0;
}

/** ChaCha20-Poly1305 (RFC 8439): `c` = encrypted `m` ‖ tag. Returns the length of `c`. */
export function crypto_aead_chacha20poly1305_ietf_encrypt(
  c: unknown,
  m: unknown,
  ad: unknown,
  nsec: null,
  npub: unknown,
  k: unknown,
): number {
  demand(nsec === null, "nsec must always be set to null");
  const cipher = view(c, "c");
  const message = view(m, "m");
  const rule = "c must be 'm.byteLength + crypto_aead_chacha20poly1305_ietf_ABYTES' bytes";
  const overhead = crypto_aead_chacha20poly1305_ietf_ABYTES;
  demand(cipher.byteLength === message.byteLength + overhead, rule);
  const [nonce, key] = aeadViews(npub, k);
  const associated = optional(ad, "ad") ?? new Uint8Array(0);
  const libsodium = begin(
    cipher.byteLength +
      message.byteLength +
      associated.byteLength +
      nonce.byteLength +
      key.byteLength,
    5,
  );
  const pointer = room(cipher.byteLength);
  const status = libsodium._crypto_aead_chacha20poly1305_ietf_encrypt(
    pointer,
    0,
    put(libsodium, message),
    message.byteLength,
    0,
    put(libsodium, associated),
    associated.byteLength,
    0,
    0,
    put(libsodium, nonce),
    put(libsodium, key),
  );
  if (status === 0) take(libsodium, pointer, cipher);
  wipe(libsodium);
  succeeded(status, "could not encrypt data");
  return cipher.byteLength;
}

/**
 * Inverse of the above. Returns the length of `m`.
 * @throws {AliasError} FAILED, with `m` zeroed, when anything was altered.
 */
export function crypto_aead_chacha20poly1305_ietf_decrypt(
  m: unknown,
  nsec: null,
  c: unknown,
  ad: unknown,
  npub: unknown,
  k: unknown,
): number {
  demand(nsec === null, "nsec must always be set to null");
  const message = view(m, "m");
  const cipher = view(c, "c");
  const rule = "m must be 'c.byteLength - crypto_aead_chacha20poly1305_ietf_ABYTES' bytes";
  const overhead = crypto_aead_chacha20poly1305_ietf_ABYTES;
  demand(message.byteLength === cipher.byteLength - overhead, rule);
  const [nonce, key] = aeadViews(npub, k);
  const associated = optional(ad, "ad") ?? new Uint8Array(0);
  const libsodium = begin(
    message.byteLength +
      cipher.byteLength +
      associated.byteLength +
      nonce.byteLength +
      key.byteLength,
    5,
  );
  const pointer = room(message.byteLength);
  const status = libsodium._crypto_aead_chacha20poly1305_ietf_decrypt(
    pointer,
    0,
    0,
    put(libsodium, cipher),
    cipher.byteLength,
    0,
    put(libsodium, associated),
    associated.byteLength,
    0,
    put(libsodium, nonce),
    put(libsodium, key),
  );
  // Also on failure: libsodium has zeroed it, and whoever ignores the error must not read stale bytes.
  take(libsodium, pointer, message);
  wipe(libsodium);
  succeeded(status, "could not verify data");
  return message.byteLength;
}

function publicKeyView(pk: unknown): Uint8Array {
  return sized(pk, "pk", crypto_box_PUBLICKEYBYTES, "crypto_box_PUBLICKEYBYTES");
}

function secretKeyView(sk: unknown): Uint8Array {
  return sized(sk, "sk", crypto_box_SECRETKEYBYTES, "crypto_box_SECRETKEYBYTES");
}

function demandSecretbox(nonce: Uint8Array, key: Uint8Array): void {
  sized(nonce, "n", crypto_secretbox_NONCEBYTES, "crypto_secretbox_NONCEBYTES");
  sized(key, "k", crypto_secretbox_KEYBYTES, "crypto_secretbox_KEYBYTES");
}

function aeadViews(npub: unknown, k: unknown): [nonce: Uint8Array, key: Uint8Array] {
  const nonceRule = "crypto_aead_chacha20poly1305_ietf_NPUBBYTES";
  const keyRule = "crypto_aead_chacha20poly1305_ietf_KEYBYTES";
  return [
    sized(npub, "npub", crypto_aead_chacha20poly1305_ietf_NPUBBYTES, nonceRule),
    sized(k, "k", crypto_aead_chacha20poly1305_ietf_KEYBYTES, keyRule),
  ];
}
