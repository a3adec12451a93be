import { CoreError } from "./core-error.ts";

/**
 * A cursor over foreign bytes. Every read is checked against what is left before anything is sliced or
 * allocated; nothing else in the project may index into bytes a stranger chose.
 */
export class Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #offset = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get offset(): number {
    return this.#offset;
  }

  get remaining(): number {
    return this.#bytes.length - this.#offset;
  }

  #advance(sizeBytes: number): number {
    if (sizeBytes < 0 || sizeBytes > this.remaining) {
      throw new CoreError("TRUNCATED", "the data ends in the middle of a field", {
        blame: "peer",
        offset: this.#offset,
        wanted: sizeBytes,
        remaining: this.remaining,
      });
    }
    const at = this.#offset;
    this.#offset += sizeBytes;
    return at;
  }

  u8(): number {
    return this.#view.getUint8(this.#advance(1));
  }

  u16le(): number {
    return this.#view.getUint16(this.#advance(2), true);
  }

  u16be(): number {
    return this.#view.getUint16(this.#advance(2), false);
  }

  u32le(): number {
    return this.#view.getUint32(this.#advance(4), true);
  }

  u32be(): number {
    return this.#view.getUint32(this.#advance(4), false);
  }

  /** Stays a bigint until the caller has compared it with a limit. */
  u64le(): bigint {
    return this.#view.getBigUint64(this.#advance(8), true);
  }

  u64be(): bigint {
    return this.#view.getBigUint64(this.#advance(8), false);
  }

  /** The next `sizeBytes` bytes, sharing memory with the input. */
  bytes(sizeBytes: number): Uint8Array {
    const at = this.#advance(sizeBytes);
    return this.#bytes.subarray(at, at + sizeBytes);
  }

  skip(sizeBytes: number): void {
    this.#advance(sizeBytes);
  }

  /** @throws {CoreError} TRAILING_BYTES when the input is longer than what was read. */
  end(): void {
    if (this.remaining > 0) {
      throw new CoreError("TRAILING_BYTES", "there are bytes after the end of the data", {
        blame: "peer",
        offset: this.#offset,
        remaining: this.remaining,
      });
    }
  }
}
