/** Ed25519 signatures. */
import { demand, sized, succeeded, view } from "./check.ts";
import {
  crypto_sign_BYTES,
  crypto_sign_PUBLICKEYBYTES,
  crypto_sign_SECRETKEYBYTES,
  crypto_sign_SEEDBYTES,
} from "./constants.ts";
import { begin, put, room, take, wipe } from "./heap.ts";
import { fillRandom } from "./memory.ts";
import { ed25519PublicKey } from "./x25519.ts";

/** A random key pair; `sk` is seed ‖ public key. */
export function crypto_sign_keypair(pk: unknown, sk: unknown): void {
  const seed = fillRandom(new Uint8Array(crypto_sign_SEEDBYTES));
  crypto_sign_seed_keypair(pk, sk, seed);
  seed.fill(0);
}

/** The key pair of `seed`. */
export function crypto_sign_seed_keypair(pk: unknown, sk: unknown, seed: unknown): void {
  const publicKey = publicKeyView(pk);
  const secretKey = secretKeyView(sk);
  const seedBytes = sized(seed, "seed", crypto_sign_SEEDBYTES, "crypto_sign_SEEDBYTES");
  // Copied, for the three may overlap.
  const seedCopy = Uint8Array.from(seedBytes);
  const computed = ed25519PublicKey(seedCopy);
  publicKey.set(computed);
  secretKey.set(seedCopy);
  secretKey.set(computed, crypto_sign_SEEDBYTES);
  seedCopy.fill(0);
}

/** Signature of `m` into `sig`. */
export function crypto_sign_detached(sig: unknown, m: unknown, sk: unknown): void {
  const signature = view(sig, "sig");
  const message = view(m, "m");
  const sigRule = "sig must be 'crypto_sign_BYTES' bytes";
  demand(signature.byteLength === crypto_sign_BYTES, sigRule);
  const secretKey = secretKeyView(sk);
  const libsodium = begin(crypto_sign_BYTES + message.byteLength + crypto_sign_SECRETKEYBYTES, 3);
  const pointer = room(crypto_sign_BYTES);
  const status = libsodium._crypto_sign_detached(
    pointer,
    0,
    put(libsodium, message),
    message.byteLength,
    0,
    put(libsodium, secretKey),
  );
  take(libsodium, pointer, signature);
  wipe(libsodium);
  succeeded(status);
}

/** Whether the first 64 bytes of `sig` sign `m` under `pk`. */
export function crypto_sign_verify_detached(sig: unknown, m: unknown, pk: unknown): boolean {
  const signature = view(sig, "sig");
  const message = view(m, "m");
  const rule = "sig must be at least 'crypto_sign_BYTES' bytes";
  demand(signature.byteLength >= crypto_sign_BYTES, rule);
  const publicKey = publicKeyView(pk);
  const libsodium = begin(crypto_sign_BYTES + message.byteLength + crypto_sign_PUBLICKEYBYTES, 3);
  return (
    libsodium._crypto_sign_verify_detached(
      put(libsodium, signature.subarray(0, crypto_sign_BYTES)),
      put(libsodium, message),
      message.byteLength,
      0,
      put(libsodium, publicKey),
    ) === 0
  );
}

/** The public key that `sk` carries. */
export function crypto_sign_ed25519_sk_to_pk(pk: unknown, sk: unknown): void {
  const publicKey = publicKeyView(pk);
  // libsodium stores seed ‖ public key and copies the second half, unchecked; so do we.
  publicKey.set(secretKeyView(sk).subarray(crypto_sign_SEEDBYTES));
}

function publicKeyView(pk: unknown): Uint8Array {
  return sized(pk, "pk", crypto_sign_PUBLICKEYBYTES, "crypto_sign_PUBLICKEYBYTES");
}

function secretKeyView(sk: unknown): Uint8Array {
  return sized(sk, "sk", crypto_sign_SECRETKEYBYTES, "crypto_sign_SECRETKEYBYTES");
}
