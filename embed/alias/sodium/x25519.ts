/**
 * X25519 (RFC 7748) and Ed25519 key pairs by the run time's own BoringSSL: a sixth to a quarter of libsodium's time
 * in WebAssembly, and fast from the first call on. Keys go in and out in the encodings of RFC 8410, which are fixed
 * prefixes.
 */
import { createPrivateKey, createPublicKey, diffieHellman, type KeyObject } from "node:crypto";

const KEY_BYTES = 32;
/** What is filled in for each call; the key goes behind the prefix. Secrets do not stay in it. */
const pkcs8X25519 = encoding("302e020100300506032b656e04220420");
const pkcs8Ed25519 = encoding("302e020100300506032b657004220420");
const spkiX25519 = encoding("302a300506032b656e032100");

/** The point with Montgomery coordinate `u`, 32 bytes, little-endian. */
export function publicPoint(u: Uint8Array): KeyObject {
  spkiX25519.set(u, spkiX25519.byteLength - KEY_BYTES);
  return createPublicKey({ key: spkiX25519, format: "der", type: "spki" });
}

/** A scalar of 32 bytes, clamped. */
export function x25519Scalar(scalar: Uint8Array): KeyObject {
  return privateKey(pkcs8X25519, scalar);
}

/** The Montgomery coordinate of `scalar` · `point`. @throws for a result of zero. */
export function x25519(scalar: KeyObject, point: KeyObject): Buffer {
  return diffieHellman({ privateKey: scalar, publicKey: point });
}

/** The Ed25519 public key of a seed (RFC 8032 section 5.1.5). */
export function ed25519PublicKey(seed: Uint8Array): Buffer {
  const spki = createPublicKey(privateKey(pkcs8Ed25519, seed)).export({
    format: "der",
    type: "spki",
  });
  return spki.subarray(spki.byteLength - KEY_BYTES);
}

function privateKey(key: Buffer, secret: Uint8Array): KeyObject {
  const start = key.byteLength - KEY_BYTES;
  key.set(secret, start);
  try {
    return createPrivateKey({ key, format: "der", type: "pkcs8" });
  } finally {
    key.fill(0, start);
  }
}

function encoding(prefix: string): Buffer {
  return Buffer.concat([Buffer.from(prefix, "hex"), Buffer.alloc(KEY_BYTES)]);
}
