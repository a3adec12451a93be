/** Unsigned LEB128 numbers below 2^32, and zigzag for signed ones: only inside of pages and deltas. */
import type { Reader } from "../core/reader.ts";
import { ContentError } from "./error.ts";

const MORE = 0x80;
const LAST_SHIFT = 28;
const VARINT_MAX_BYTES = 5;

export class VarintWriter {
  #buffer = new Uint8Array(64);
  #sizeBytes = 0;

  /** What was written; shares memory with the writer. */
  get bytes(): Uint8Array {
    return this.#buffer.subarray(0, this.#sizeBytes);
  }

  push(value: number): void {
    if (this.#sizeBytes + VARINT_MAX_BYTES > this.#buffer.length) {
      const larger = new Uint8Array(2 * this.#buffer.length);
      larger.set(this.#buffer);
      this.#buffer = larger;
    }
    let rest = value;
    for (; rest >= MORE; rest = Math.floor(rest / MORE)) {
      this.#buffer[this.#sizeBytes++] = (rest % MORE) | MORE;
    }
    this.#buffer[this.#sizeBytes++] = rest;
  }
}

/** @throws {ContentError} DELTA_INVALID above `max` @throws {CoreError} TRUNCATED */
export function readVarint(reader: Reader, max: number): number {
  let value = 0;
  for (let shift = 0; shift <= LAST_SHIFT; shift += 7) {
    const byte = reader.u8();
    value += (byte % MORE) * 2 ** shift;
    if (byte < MORE) {
      if (value <= max) return value;
      break;
    }
  }
  throw new ContentError("DELTA_INVALID", "a number is larger than it can be", {
    blame: "peer",
    max,
  });
}

export const zigzag = (value: number): number => (value < 0 ? -2 * value - 1 : 2 * value);
export const unzigzag = (value: number): number => (value % 2 === 0 ? value / 2 : -(value + 1) / 2);
