/** One frame, item by item: an array in the strict form of core/cbor.ts, of nothing but numbers, strings and nulls. */
import { asContentRoot, asSignature, type ContentRoot, type Signature } from "../core/brand.ts";
import { readArgument } from "../core/cbor.ts";
import { RECORD_MAX_BYTES, ROOTS_MAX, UINT_MAX } from "../core/limits.ts";
import { Reader } from "../core/reader.ts";
import { HASH_BYTES } from "../content/merkle.ts";
import type { SignedRecord } from "../exe/extension.ts";
import { violation } from "./error.ts";

/** Major types (RFC 8949, section 3.1), and the one simple value in use. */
const UINT = 0;
const BYTES = 2;
const TEXT = 3;
const ARRAY = 4;
const NULL = 0xf6;

const PUBLIC_KEY_BYTES = 32;
const SIGNATURE_BYTES = 64;

/** Each item is taken once, in order. A length is compared with its cap before anything is made of it. */
export class FrameReader {
  readonly #frame: Uint8Array;
  readonly #reader: Reader;
  /** Items that are not taken. */
  #left: number;

  constructor(frame: Uint8Array) {
    // Not a Buffer, whose `slice` would share memory.
    this.#frame = new Uint8Array(frame.buffer, frame.byteOffset, frame.length);
    this.#reader = new Reader(this.#frame);
    this.#left = this.#head(ARRAY);
  }

  uint(max: number = UINT_MAX, min = 0): number {
    const value = this.#take(UINT);
    if (value < min || value > max) throw violation("a wrong number");
    return value;
  }

  /** Sharing memory with the frame. */
  view(max: number, min: number = max): Uint8Array {
    const sizeBytes = this.#take(BYTES);
    if (sizeBytes < min || sizeBytes > max) throw violation("a wrong byte string");
    return this.#reader.bytes(sizeBytes);
  }

  /** A new array. */
  bytes(max: number, min: number = max): Uint8Array {
    return this.view(max, min).slice();
  }

  root(): ContentRoot {
    return asContentRoot(this.bytes(HASH_BYTES));
  }

  optionalRoot(): ContentRoot | undefined {
    return this.#null() ? undefined : this.root();
  }

  /** Some of 32 bytes each, in one. */
  keys(max: number): Uint8Array {
    const bytes = this.bytes(max * PUBLIC_KEY_BYTES, 0);
    if (bytes.length % PUBLIC_KEY_BYTES !== 0) throw violation("half a key");
    return bytes;
  }

  roots(): ContentRoot[] {
    const bytes = this.bytes(ROOTS_MAX * HASH_BYTES, 0);
    const roots: ContentRoot[] = [];
    for (let at = 0; at < bytes.length; at += HASH_BYTES) {
      const root = bytes.subarray(at, at + HASH_BYTES);
      if (root.length < HASH_BYTES) throw violation("half a root");
      roots.push(asContentRoot(root));
    }
    return roots;
  }

  text(expected: string): void {
    const sizeBytes = this.#take(TEXT);
    if (sizeBytes !== expected.length) throw violation("another protocol");
    // In ASCII a byte is a character; what is not ASCII is not what is expected.
    const text = String.fromCharCode(...this.#reader.bytes(sizeBytes));
    if (text !== expected) throw violation("another protocol");
  }

  record(): SignedRecord {
    return { bytes: this.bytes(RECORD_MAX_BYTES, 1), signature: this.signature() };
  }

  signature(): Signature {
    return asSignature(this.bytes(SIGNATURE_BYTES));
  }

  /** A record and its signature, or two nulls. */
  optionalRecord(): SignedRecord | undefined {
    if (!this.#null()) return this.record();
    if (!this.#null()) throw violation("half a record");
    return undefined;
  }

  end(): void {
    if (this.#left !== 0 || this.#reader.remaining !== 0) {
      throw violation("a frame of another length");
    }
  }

  #null(): boolean {
    if (this.#left === 0 || this.#frame[this.#reader.offset] !== NULL) return false;
    this.#left--;
    this.#reader.skip(1);
    return true;
  }

  #take(major: number): number {
    if (this.#left === 0) throw violation("a frame with an item less");
    this.#left--;
    return this.#head(major);
  }

  #head(major: number): number {
    const initial = this.#reader.u8();
    if (initial >> 5 !== major) throw violation("an item of another kind");
    return readArgument(this.#reader, initial & 31);
  }
}
