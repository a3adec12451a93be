/**
 * Target keys: one owner key serves every app, target and channel. The public half can be derived by
 * anyone who has the owner's public key; only the owner can sign for it, and a record signed for one
 * target can never verify for another.
 *
 *   t  = SHA-512(field(domain) ‖ field(A) ‖ field(app) ‖ field(target) ‖ field(channel)) mod L
 *   A' = A + t·B        a' = a + t mod L        field(x) = u16 LE length of x ‖ x
 *
 * `keypear` blinds keys for HyperDHT in the same way.
 */
import { ed25519 } from "@noble/curves/ed25519.js";
import {
  asSignature,
  brandPublicKey,
  type PublicKey,
  type SecretSeed,
  type Signature,
} from "./brand.ts";
import { concat, u16le, utf8 } from "./bytes.ts";
import { sha512 } from "./hash.ts";
import { publicKeyOf } from "./keys.ts";

const DOMAIN = utf8("rustpatcher target key v1");
const NONCE_DOMAIN = utf8("rustpatcher target nonce v1");
const { Fn } = ed25519.Point;

export interface TargetName {
  readonly app: string;
  readonly target: string;
  readonly channel: string;
}

const field = (bytes: Uint8Array): Uint8Array => concat(u16le(bytes.length), bytes);

/** Little-endian bytes as an integer mod L (RFC 8032, section 5.1.6). */
function scalarOf(bytes: Uint8Array): bigint {
  return Fn.create(BigInt(`0x${Uint8Array.from(bytes).reverse().toHex()}`));
}

function scalarBytes(scalar: bigint): Uint8Array {
  return Uint8Array.fromHex(scalar.toString(16).padStart(64, "0")).reverse();
}

function blind(owner: PublicKey, name: TargetName): bigint {
  const fields = [DOMAIN, owner, utf8(name.app), utf8(name.target), utf8(name.channel)];
  return scalarOf(sha512(...fields.map(field)));
}

/** The key under which the release records of this app, target and channel are signed. */
export function targetPublicKey(owner: PublicKey, name: TargetName): PublicKey {
  const point = ed25519.Point.fromBytes(owner, false);
  // A + tB stays in the prime-order subgroup; it is the identity with probability 2^-252.
  return brandPublicKey(point.add(ed25519.Point.BASE.multiply(blind(owner, name))).toBytes());
}

/** RFC 8032, section 5.1.6, with a' and a nonce prefix derived from the owner's prefix and t. */
export function signForTarget(seed: SecretSeed, name: TargetName, message: Uint8Array): Signature {
  const owner = publicKeyOf(seed);
  const { scalar, prefix } = ed25519.utils.getExtendedPublicKey(seed);
  const t = blind(owner, name);
  const blinded = Fn.create(scalar + t);
  const key = targetPublicKey(owner, name);
  const noncePrefix = sha512(NONCE_DOMAIN, prefix, scalarBytes(t)).subarray(0, 32);
  const r = scalarOf(sha512(noncePrefix, message));
  const R = ed25519.Point.BASE.multiply(r).toBytes();
  const k = scalarOf(sha512(R, key, message));
  return asSignature(concat(R, scalarBytes(Fn.create(r + k * blinded))));
}
