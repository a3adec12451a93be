/**
 * What `noise-curve-ed` resolves to: the same key agreement, by the same names. Each handshake uses two key pairs twice,
 * and the static one again in the next handshake, so what can be computed from a key pair alone, or from it and a peer's
 * public key, is kept as long as the key pair object, and no longer: an ephemeral one is gone with its handshake.
 */
import { systemClock } from "../../src/core/clock.ts";
import { AliasError } from "./error.ts";
import { sized } from "./sodium/check.ts";
import {
  crypto_hash_sha512_BYTES,
  crypto_scalarmult_ed25519_BYTES as DHLEN,
  crypto_sign_SECRETKEYBYTES as SKLEN,
  crypto_sign_SEEDBYTES,
} from "./sodium/constants.ts";
import { crypto_scalarmult_ed25519_noclamp } from "./sodium/curve.ts";
import { Scalar } from "./sodium/edwards-dh.ts";
import { crypto_sign_keypair, crypto_sign_seed_keypair } from "./sodium/sign.ts";

export const ALG = "Ed25519";
export const name: string = ALG;
export const PKLEN: number = DHLEN;
export const SCALARLEN: number = DHLEN;
export { DHLEN, SKLEN };

/** Products kept of one key pair: a server makes two for each client. */
const PRODUCTS_MAX = 16;
/** The message that a pair was taken for is on its way by then. */
const PREPARE_AFTER_MS = 1;

interface KeyPair {
  readonly publicKey: Uint8Array;
  /** Seed ‖ public key. Not to be changed while the pair is used. */
  readonly secretKey: Uint8Array;
  /** Of a tweaked key, which has no seed. */
  readonly scalar?: Uint8Array;
}

interface Known {
  readonly scalar: Scalar;
  /** Public key → product. */
  readonly products: Map<string, Buffer>;
}

const known = new WeakMap<KeyPair, Known>();

/** The next random key pair. */
let prepared: KeyPair | undefined;
let isPreparing = false;

/** A random key pair, or that of a secret key's seed. */
export function generateKeyPair(secretKey?: Uint8Array): KeyPair {
  if (secretKey === undefined) return takePrepared();
  const pair = emptyPair();
  crypto_sign_seed_keypair(pair.publicKey, pair.secretKey, seedOf(secretKey));
  return pair;
}

/**
 * A handshake waits for its ephemeral pair and for what `dh` needs of it, 0.15 ms at each end. So one is made while the
 * peer is waited for, for the next handshake.
 */
function takePrepared(): KeyPair {
  const pair = prepared ?? randomPair();
  prepared = undefined;
  if (!isPreparing) {
    isPreparing = true;
    systemClock.after(PREPARE_AFTER_MS, prepare);
  }
  return pair;
}

function prepare(): void {
  isPreparing = false;
  prepared = randomPair();
}

function randomPair(): KeyPair {
  const pair = emptyPair();
  crypto_sign_keypair(pair.publicKey, pair.secretKey);
  remember(pair);
  return pair;
}

function emptyPair(): KeyPair {
  return { secretKey: Buffer.alloc(SKLEN), publicKey: Buffer.alloc(PKLEN) };
}

/**
 * The secret that `keyPair` shares with whoever has `publicKey`, 32 bytes that the caller owns.
 * @throws {AliasError} FAILED for a point that is not of prime order, ARGUMENT for a wrong length.
 */
export function dh(publicKey: Uint8Array, keyPair: KeyPair): Buffer {
  const point = sized(publicKey, "publicKey", PKLEN, "PKLEN");
  const local = known.get(keyPair) ?? remember(keyPair);
  const key = Buffer.from(point.buffer, point.byteOffset, point.byteLength).toString("latin1");
  const product = local.products.get(key) ?? multiply(local, point, keyPair);
  // Last used last.
  local.products.delete(key);
  local.products.set(key, product);
  const [oldest] = local.products.keys();
  if (local.products.size > PRODUCTS_MAX && oldest !== undefined) local.products.delete(oldest);
  return Buffer.from(product);
}

function remember(keyPair: KeyPair): Known {
  const made = { scalar: withScalar(keyPair, (bytes) => new Scalar(bytes)), products: new Map() };
  known.set(keyPair, made);
  return made;
}

function multiply(local: Known, point: Uint8Array, keyPair: KeyPair): Buffer {
  const product = local.scalar.multiply(point);
  if (product !== undefined) return product;
  const asked = Buffer.alloc(DHLEN);
  withScalar(keyPair, (bytes) => crypto_scalarmult_ed25519_noclamp(asked, bytes, point));
  return asked;
}

/** Gives `use` the key pair's scalar, clamped unless it is a tweaked key's own (RFC 8032 section 5.1.5). */
function withScalar<T>(keyPair: KeyPair, use: (scalar: Uint8Array) => T): T {
  if (keyPair.scalar) return use(sized(keyPair.scalar, "scalar", SCALARLEN, "SCALARLEN"));
  const digest = Buffer.allocUnsafeSlow(crypto_hash_sha512_BYTES);
  try {
    new Bun.CryptoHasher("sha512").update(seedOf(keyPair.secretKey)).digest(digest);
    const scalar = digest.subarray(0, SCALARLEN);
    scalar[0] = (scalar[0] ?? 0) & 0xf8;
    scalar[31] = ((scalar[31] ?? 0) & 0x7f) | 0x40;
    return use(scalar);
  } finally {
    digest.fill(0);
  }
}

function seedOf(secretKey: Uint8Array): Uint8Array {
  if (secretKey.byteLength < crypto_sign_SEEDBYTES) {
    throw new AliasError("ARGUMENT", "secretKey must hold a seed", { argument: "secretKey" });
  }
  return secretKey.subarray(0, crypto_sign_SEEDBYTES);
}
