/** A polynomial hash modulo 2^32 over a fixed number of bytes, which moves on by one byte at a time. */

/** Odd, so that no byte is lost; otherwise of no meaning. */
const BASE = 0x2c9277b5;

export class RollingHash {
  readonly sizeBytes: number;
  readonly #leaving: number;

  constructor(sizeBytes: number) {
    this.sizeBytes = sizeBytes;
    let power = 1;
    for (let i = 1; i < sizeBytes; i++) power = Math.imul(power, BASE);
    this.#leaving = power;
  }

  /** The hash of the bytes at `at`; a signed 32-bit number, as all of them. */
  of(bytes: Uint8Array, at: number): number {
    let hash = 0;
    for (let i = at; i < at + this.sizeBytes; i++) {
      hash = (Math.imul(hash, BASE) + (bytes[i] ?? 0)) | 0;
    }
    return hash;
  }

  /** From the hash of the bytes at `at` to the one at `at + 1`. */
  next(hash: number, bytes: Uint8Array, at: number): number {
    const rest = (hash - Math.imul(bytes[at] ?? 0, this.#leaving)) | 0;
    return (Math.imul(rest, BASE) + (bytes[at + this.sizeBytes] ?? 0)) | 0;
  }
}
