/** What a program has verified, through all its kills, and what of that was lost. */
import type { ChunkTable } from "../../src/content/table.ts";

export class VerifiedChunks {
  readonly #table: ChunkTable;
  readonly #verified = new Set<number>();
  readonly #lost = new Set<number>();
  /** Of all runs. */
  bytes = 0;
  /** Verified more than once. */
  againBytes = 0;
  /** Pieces that were verified while one before them was not written. */
  unordered = 0;
  /** In this run. */
  readonly #unwritten = new Set<number>();

  constructor(table: ChunkTable) {
    this.#table = table;
  }

  verified(first: number, count: number): void {
    if (this.#unwritten.size > 0) this.unordered++;
    for (let chunk = first; chunk < first + count; chunk++) {
      const { sizeBytes } = this.#table.rangeOf(chunk);
      this.bytes += sizeBytes;
      if (this.#verified.has(chunk)) this.againBytes += sizeBytes;
      this.#verified.add(chunk);
      this.#lost.delete(chunk);
      this.#unwritten.add(chunk);
    }
  }

  /** Whole chunks, from this offset of the stream on. */
  written(offset: number, sizeBytes: number): void {
    const last = this.#table.indexAt(offset + sizeBytes - 1);
    for (let chunk = this.#table.indexAt(offset); chunk <= last; chunk++) {
      this.#unwritten.delete(chunk);
    }
  }

  /** Bytes that this kill has cost: verified before, and not there. */
  killed(isThere: (chunk: number) => boolean): number {
    this.#unwritten.clear();
    const gone = [...this.#verified].filter((chunk) => !this.#lost.has(chunk) && !isThere(chunk));
    for (const chunk of gone) this.#lost.add(chunk);
    return gone.reduce((sum, chunk) => sum + this.#table.rangeOf(chunk).sizeBytes, 0);
  }
}
