/**
 * The first words on a connection.
 *
 *   auth    = SHA-512(owner public key ‖ unix minute, u64 LE), the bytes of the Rust crate. It holds no
 *             secret (the key is in every executable): a cheap filter against those who wandered in.
 *   binding = SHA-512(domain of the role ‖ auth ‖ Noise handshake hash ‖ shared secret, or nothing)[0..32].
 *             It holds for this one stream, so that a hello cannot be sent again on another, and
 *             proves the secret of a private swarm: the client's first, then the provider's.
 */
import type { PublicKey } from "../core/brand.ts";
import { equal, u64le, utf8 } from "../core/bytes.ts";
import { sha512 } from "../core/hash.ts";
import type { SwarmScope } from "./scope.ts";

export const AUTH_BYTES: number = 64;
export const BINDING_BYTES: number = 32;
/** How far the clocks of two copies may be apart, in minutes. */
const TOLERANCE_MINUTES = 1;
const NO_SECRET = new Uint8Array(0);

export type Role = "client" | "provider";

const DOMAINS: Readonly<Record<Role, Uint8Array>> = {
  client: utf8("rustpatcher/1 client"),
  provider: utf8("rustpatcher/1 provider"),
};

/** 64 bytes. */
export function authOf(owner: PublicKey, minute: number): Uint8Array {
  return sha512(owner, u64le(minute));
}

/** Was this auth made for our owner key, at a minute near `minute`? */
export function isAuthCurrent(owner: PublicKey, auth: Uint8Array, minute: number): boolean {
  for (let slot = minute - TOLERANCE_MINUTES; slot <= minute + TOLERANCE_MINUTES; slot++) {
    if (equal(authOf(owner, slot), auth)) return true;
  }
  return false;
}

/** 32 bytes. `handshakeHash` is that of the Noise handshake, the same on both sides of a stream. */
export function bindingOf(
  role: Role,
  scope: SwarmScope,
  auth: Uint8Array,
  handshakeHash: Uint8Array,
): Uint8Array {
  const { sharedSecret = NO_SECRET } = scope;
  return sha512(DOMAINS[role], auth, handshakeHash, sharedSecret).slice(0, BINDING_BYTES);
}
