/** Key agreement on Curve25519 and Ed25519, key pairs for it, and SHA-512. */
import { sized, succeeded, view } from "./check.ts";
import {
  crypto_hash_sha512_BYTES,
  crypto_kx_PUBLICKEYBYTES,
  crypto_kx_SECRETKEYBYTES,
  crypto_kx_SEEDBYTES,
  crypto_scalarmult_BYTES,
  crypto_scalarmult_SCALARBYTES,
  crypto_scalarmult_ed25519_BYTES,
  crypto_scalarmult_ed25519_SCALARBYTES,
} from "./constants.ts";
import { Scalar } from "./edwards-dh.ts";
import { begin, put, room, take, wipe } from "./heap.ts";
import { fillRandom } from "./memory.ts";

/** `q` = clamped `n` · `p` on Curve25519. @throws {AliasError} FAILED for a point of small order. */
export function crypto_scalarmult(q: unknown, n: unknown, p: unknown): void {
  const out = sized(q, "q", crypto_scalarmult_BYTES, "crypto_scalarmult_BYTES");
  const scalar = sized(n, "n", crypto_scalarmult_SCALARBYTES, "crypto_scalarmult_SCALARBYTES");
  const point = sized(p, "p", crypto_scalarmult_BYTES, "crypto_scalarmult_BYTES");
  const libsodium = begin(3 * crypto_scalarmult_BYTES, 3);
  const outPointer = put(libsodium, out);
  const status = libsodium._crypto_scalarmult(
    outPointer,
    put(libsodium, scalar),
    put(libsodium, point),
  );
  take(libsodium, outPointer, out);
  wipe(libsodium);
  succeeded(status);
}

/** `q` = clamped `n` · base point of Curve25519. */
export function crypto_scalarmult_base(q: unknown, n: unknown): void {
  const out = sized(q, "q", crypto_scalarmult_BYTES, "crypto_scalarmult_BYTES");
  const scalar = sized(n, "n", crypto_scalarmult_SCALARBYTES, "crypto_scalarmult_SCALARBYTES");
  const libsodium = begin(2 * crypto_scalarmult_BYTES, 2);
  const outPointer = put(libsodium, out);
  const status = libsodium._crypto_scalarmult_base(outPointer, put(libsodium, scalar));
  take(libsodium, outPointer, out);
  wipe(libsodium);
  succeeded(status);
}

/**
 * `q` = `n` · `p` on edwards25519, the scalar taken as it is.
 * @throws {AliasError} FAILED when `p` is not a point of the prime-order subgroup, or the result is zero.
 */
export function crypto_scalarmult_ed25519_noclamp(q: unknown, n: unknown, p: unknown): void {
  const pointRule = "crypto_scalarmult_ed25519_BYTES";
  const out = sized(q, "q", crypto_scalarmult_ed25519_BYTES, pointRule);
  const scalarRule = "crypto_scalarmult_ed25519_SCALARBYTES";
  const scalar = sized(n, "n", crypto_scalarmult_ed25519_SCALARBYTES, scalarRule);
  const point = sized(p, "p", crypto_scalarmult_ed25519_BYTES, pointRule);
  const product = new Scalar(scalar).multiply(point);
  if (product !== undefined) {
    out.set(product);
    return;
  }
  const libsodium = begin(3 * crypto_scalarmult_ed25519_BYTES, 3);
  const outPointer = put(libsodium, out);
  const status = libsodium._crypto_scalarmult_ed25519_noclamp(
    outPointer,
    put(libsodium, scalar),
    put(libsodium, point),
  );
  take(libsodium, outPointer, out);
  wipe(libsodium);
  succeeded(status);
}

/** A random X25519 key pair. */
export function crypto_kx_keypair(pk: unknown, sk: unknown): void {
  const seed = fillRandom(new Uint8Array(crypto_kx_SEEDBYTES));
  crypto_kx_seed_keypair(pk, sk, seed);
  seed.fill(0);
}

/** The X25519 key pair of `seed`. */
export function crypto_kx_seed_keypair(pk: unknown, sk: unknown, seed: unknown): void {
  const publicKey = sized(pk, "pk", crypto_kx_PUBLICKEYBYTES, "crypto_kx_PUBLICKEYBYTES");
  const secretKey = sized(sk, "sk", crypto_kx_SECRETKEYBYTES, "crypto_kx_SECRETKEYBYTES");
  const seedBytes = sized(seed, "seed", crypto_kx_SEEDBYTES, "crypto_kx_SEEDBYTES");
  const libsodium = begin(
    crypto_kx_PUBLICKEYBYTES + crypto_kx_SECRETKEYBYTES + crypto_kx_SEEDBYTES,
    3,
  );
  const pkPointer = room(crypto_kx_PUBLICKEYBYTES);
  const skPointer = room(crypto_kx_SECRETKEYBYTES);
  succeeded(libsodium._crypto_kx_seed_keypair(pkPointer, skPointer, put(libsodium, seedBytes)));
  take(libsodium, pkPointer, publicKey);
  take(libsodium, skPointer, secretKey);
  wipe(libsodium);
}

/** SHA-512 of `input` into `out`. */
export function crypto_hash_sha512(out: unknown, input: unknown): void {
  const digest = sized(out, "out", crypto_hash_sha512_BYTES, "crypto_hash_sha512_BYTES");
  const data = view(input, "input");
  new Bun.CryptoHasher("sha512").update(data).digest(digest);
}
