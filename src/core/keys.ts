import { ed25519 } from "@noble/curves/ed25519.js";
import {
  asSecretSeed,
  asSignature,
  brandPublicKey,
  type PublicKey,
  type SecretSeed,
  type Signature,
} from "./brand.ts";
import { CoreError } from "./core-error.ts";
import { encodeZ32, tryDecodeZ32 } from "./z32.ts";

/** Encoded length of a 32-byte key: ceil(256 / 5) characters. */
export const KEY_TEXT_LENGTH = 52;

/** A new owner key from the system's random source. */
export function generateSeed(): SecretSeed {
  return asSecretSeed(ed25519.utils.randomSecretKey());
}

/** Always derived, never a parameter of signing: a wrong public key would leak the secret scalar. */
export function publicKeyOf(seed: SecretSeed): PublicKey {
  return brandPublicKey(ed25519.getPublicKey(seed));
}

/**
 * Accepts only what an honest key generator makes: a canonical encoding of a point of the prime-order
 * subgroup other than the identity. For low-order points there are signatures valid for every message.
 * @throws {CoreError} KEY_WEAK
 */
export function checkPublicKey(bytes: Uint8Array): PublicKey {
  try {
    // zip215 = false refuses y ≥ p (RFC 8032, section 5.1.3).
    const point = ed25519.Point.fromBytes(bytes, false);
    if (!point.isSmallOrder() && point.isTorsionFree()) return brandPublicKey(bytes);
  } catch (cause) {
    throw weakKey(cause);
  }
  throw weakKey();
}

function weakKey(cause?: unknown): CoreError {
  return new CoreError(
    "KEY_WEAK",
    "the public key is not a point that a key generator makes; check that it was copied whole",
    { blame: "usage", cause },
  );
}

function decodeKeyText(text: string, what: string): Uint8Array {
  const bytes = text.length === KEY_TEXT_LENGTH ? tryDecodeZ32(text) : undefined;
  if (bytes === undefined) {
    // The text may be a secret: say its length, never its characters.
    throw new CoreError(
      "KEY_TEXT",
      `${what} must be ${KEY_TEXT_LENGTH} lower-case characters of z-base-32; this has ${text.length} characters or a wrong one`,
      { blame: "usage", length: text.length },
    );
  }
  return bytes;
}

/** @throws {CoreError} KEY_TEXT, KEY_WEAK */
export function parsePublicKey(text: string): PublicKey {
  return checkPublicKey(decodeKeyText(text, "the public key"));
}

/** @throws {CoreError} KEY_TEXT */
export function parseSeed(text: string): SecretSeed {
  return asSecretSeed(decodeKeyText(text, "the owner key"));
}

/** z-base-32 of a public key or, for the key file alone, of a seed. */
export function keyText(key: PublicKey | SecretSeed): string {
  return encodeZ32(key);
}

export function sign(seed: SecretSeed, message: Uint8Array): Signature {
  return asSignature(ed25519.sign(message, seed));
}

/**
 * RFC 8032 strict, and R must not be of low order (as ed25519-dalek's `verify_strict`, which the Rust
 * ancestor uses). @noble's default (zip215) would accept a constant signature under a low-order key.
 */
export function isSignatureValid(
  key: PublicKey,
  message: Uint8Array,
  signature: Uint8Array,
): boolean {
  if (signature.length !== ed25519.lengths.signature) return false;
  try {
    if (!ed25519.verify(signature, message, key, { zip215: false })) return false;
    return !ed25519.Point.fromBytes(signature.subarray(0, 32), false).isSmallOrder();
  } catch {
    // Malformed R or S: noble throws for some encodings and returns false for others.
    return false;
  }
}

/** @throws {CoreError} SIGNATURE_INVALID */
export function verifySignature(
  key: PublicKey,
  message: Uint8Array,
  signature: Uint8Array,
  what: string,
): void {
  if (!isSignatureValid(key, message, signature)) {
    throw new CoreError("SIGNATURE_INVALID", `${what} is not signed by its owner key`, {
      blame: "artifact",
    });
  }
}
