/**
 * Byte strings whose meaning was checked once, at construction. The constructors here and in keys.ts
 * are the only places that may call a value one of these.
 */
declare const brand: unique symbol;
export type Brand<T, Name extends string> = T & { readonly [brand]: Name };

/** 32 bytes, an ed25519 point that passed the checks of keys.ts. */
export type PublicKey = Brand<Uint8Array, "PublicKey">;
/** 32 bytes, the ed25519 seed of the owner. Never logged, never part of an error. */
export type SecretSeed = Brand<Uint8Array, "SecretSeed">;
/** 64 bytes, an ed25519 signature (nothing about its validity). */
export type Signature = Brand<Uint8Array, "Signature">;
/** 32 bytes, the root of a content tree. */
export type ContentRoot = Brand<Uint8Array, "ContentRoot">;

function sized<Name extends string>(
  bytes: Uint8Array,
  sizeBytes: number,
  name: Name,
): Brand<Uint8Array, Name> {
  if (bytes.length !== sizeBytes) {
    throw new RangeError(`${name}: expected ${sizeBytes} bytes, got ${bytes.length}`);
  }
  return bytes as Brand<Uint8Array, Name>;
}

/** @throws {RangeError} when `bytes` is not 64 bytes long. Shares memory with its argument. */
export const asSignature = (bytes: Uint8Array): Signature => sized(bytes, 64, "Signature");
/** @throws {RangeError} when `bytes` is not 32 bytes long. Shares memory with its argument. */
export const asContentRoot = (bytes: Uint8Array): ContentRoot => sized(bytes, 32, "ContentRoot");
/** @throws {RangeError} when `bytes` is not 32 bytes long. Shares memory with its argument. */
export const asSecretSeed = (bytes: Uint8Array): SecretSeed => sized(bytes, 32, "SecretSeed");
/** For keys.ts alone, which has checked the point. */
export const brandPublicKey = (bytes: Uint8Array): PublicKey => sized(bytes, 32, "PublicKey");
