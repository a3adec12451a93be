/**
 * Which chunks of a release somebody has who is still fetching it, as a bitmap: the lowest bit of a byte stands
 * for the first of its eight chunks. Told whole at first, then by the bytes in which something was added.
 */
import { CHUNK_MIN_BYTES, EXECUTABLE_MAX_BYTES } from "../core/limits.ts";

/** More than the largest executable has. */
export const CHUNKS_MAX: number = EXECUTABLE_MAX_BYTES / CHUNK_MIN_BYTES + 1;
/** 400 bytes for 110 MB. */
export const HAVE_MAX_BYTES: number = Math.ceil(CHUNKS_MAX / 8);

export interface HaveStep {
  /** Chunk, a multiple of 8. */
  readonly first: number;
  readonly bits: Uint8Array;
}

export class Have {
  #bits: Uint8Array;

  constructor(chunks = 0) {
    this.#bits = new Uint8Array(Math.ceil(chunks / 8));
  }

  has(chunk: number): boolean {
    return ((this.#bits[chunk >>> 3] ?? 0) & (1 << (chunk & 7))) !== 0;
  }

  add(chunk: number): void {
    this.#bits[chunk >>> 3] = (this.#bits[chunk >>> 3] ?? 0) | (1 << (chunk & 7));
  }

  get isEmpty(): boolean {
    return this.#bits.every((byte) => byte === 0);
  }

  /** As somebody told it: a claim. Never forgets. What is outside of a release's chunks is left out. */
  merge({ first, bits }: HaveStep): void {
    const start = first >>> 3;
    const end = Math.min(start + bits.length, HAVE_MAX_BYTES);
    if (end > this.#bits.length) {
      const grown = new Uint8Array(end);
      grown.set(this.#bits);
      this.#bits = grown;
    }
    for (let at = start; at < end; at++) {
      this.#bits[at] = (this.#bits[at] ?? 0) | (bits[at - start] ?? 0);
    }
  }

  /** What was added since `told`, which is brought up to date; undefined when nothing was. */
  since(told: Have): HaveStep | undefined {
    const [now, then] = [this.#bits, told.#bits];
    let start = 0;
    while (start < now.length && (now[start] ?? 0) === (then[start] ?? 0)) start++;
    if (start === now.length) return undefined;
    let end = now.length;
    while ((now[end - 1] ?? 0) === (then[end - 1] ?? 0)) end--;
    const step = { first: start * 8, bits: now.slice(start, end) };
    told.merge(step);
    return step;
  }
}
