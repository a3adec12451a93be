// What `noise-handshake` resolves to: the original, whose keys are derived by the run time's HMAC. Each end of a handshake
// derives five times, from three HMACs; in JavaScript each of those is two hashes and pads made byte by byte, which in a
// process that has not made many connections yet costs it a tenth of a millisecond.

interface SymmetricState {
  chainingKey: Buffer;
  readonly curve: { dh(remoteKey: Uint8Array, localKey: unknown): Buffer };
  initialiseKey(key: Buffer): void;
  mixKey(remoteKey: Uint8Array, localKey: unknown): void;
  split(): Buffer[];
}

const Original = require("../../node_modules/noise-handshake/noise.js") as new () => SymmetricState;

const KEY_BYTES = 32;
const EMPTY = Buffer.alloc(0);
const ONE = Buffer.of(1);
const TWO = Buffer.of(2);

function hmac(key: Uint8Array, ...parts: readonly Uint8Array[]): Buffer {
  const hasher = new Bun.CryptoHasher("blake2b512", key);
  for (const part of parts) hasher.update(part);
  return hasher.digest();
}

/** HKDF with HMAC-BLAKE2b and no info (RFC 5869): two times 64 bytes, which the caller owns. */
function derive(salt: Uint8Array, input: Uint8Array): [Buffer, Buffer] {
  const pseudoRandomKey = hmac(salt, input);
  const first = hmac(pseudoRandomKey, ONE);
  const second = hmac(pseudoRandomKey, first, TWO);
  pseudoRandomKey.fill(0);
  return [first, second];
}

module.exports = class NoiseState extends Original {
  override mixKey(remoteKey: Uint8Array, localKey: unknown): void {
    const [chainingKey, key] = derive(this.chainingKey, this.curve.dh(remoteKey, localKey));
    this.chainingKey = chainingKey;
    this.initialiseKey(key.subarray(0, KEY_BYTES));
  }

  override split(): Buffer[] {
    return derive(this.chainingKey, EMPTY).map((key) => key.subarray(0, KEY_BYTES));
  }
};
