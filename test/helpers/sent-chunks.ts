/** What of a release was sent, and what of that is in somebody's unfinished file. */
import { existsSync, readFileSync } from "node:fs";
import { ANSWER_MAX_BYTES } from "../../src/core/limits.ts";
import { memorySource, without, type ByteSource } from "../../src/core/source.ts";
import { REGION_BYTES } from "../../src/exe/region.ts";
import type { Holding } from "../../src/swarm/holdings.ts";

const SETTLE_MS = 300;

/** Chunks. */
export interface Found {
  readonly complete: number;
  readonly completeBytes: number;
  readonly lost: number;
}

/** How often each chunk was sent, by what was read of the stream for it. */
export class Sent {
  readonly counts: Uint32Array;
  #seen: Uint32Array;
  #pieceChunks = 0;
  readonly holding: Holding;

  constructor(holding: Holding) {
    const { table, stream } = holding;
    this.counts = new Uint32Array(table.count);
    this.#seen = this.counts.slice();
    const counted: ByteSource = {
      sizeBytes: stream.sizeBytes,
      read: (offset, sizeBytes) => {
        // A larger piece of noise fits no answer: it is asked for again in halves.
        if (sizeBytes > ANSWER_MAX_BYTES) return stream.read(offset, sizeBytes);
        const first = table.indexAt(offset);
        const last = table.indexAt(offset + sizeBytes - 1);
        for (let index = first; index <= last; index++) this.#count(index);
        this.#pieceChunks = Math.max(this.#pieceChunks, last - first + 1);
        return stream.read(offset, sizeBytes);
      },
    };
    this.holding = { ...holding, stream: counted };
  }

  get pieceChunks(): number {
    return this.#pieceChunks;
  }

  get twice(): number {
    return this.counts.reduce((sum, count) => sum + Math.max(0, count - 1), 0);
  }

  get distinct(): number {
    return this.counts.reduce((sum, count) => sum + (count > 0 ? 1 : 0), 0);
  }

  /**
   * A provider learns of a kill by nothing but silence, and sends what was asked for before: resolves when nothing
   * was sent for a while.
   */
  async settled(): Promise<void> {
    for (let before = -1; before !== this.#total; await Bun.sleep(SETTLE_MS)) before = this.#total;
  }

  get #total(): number {
    return this.counts.reduce((sum, count) => sum + count, 0);
  }

  /** Of the chunks that were ever sent, those in the file; and those that were sent since the last look and are not. */
  compare(path: string): Found {
    const isThere = this.inFile(path);
    const { table } = this.holding;
    let complete = 0;
    let completeBytes = 0;
    let lost = 0;
    for (const [index, count] of this.counts.entries()) {
      if (count === 0) continue;
      if (isThere(index)) {
        complete++;
        completeBytes += table.rangeOf(index).sizeBytes;
      } else lost += count - (this.#seen[index] ?? 0);
    }
    this.#seen = this.counts.slice();
    return { complete, completeBytes, lost };
  }

  /** Is a chunk in somebody's unfinished file? */
  inFile(path: string): (chunk: number) => boolean {
    const stream = this.#streamOf(path);
    const { table } = this.holding;
    return (chunk) => {
      const { offset, sizeBytes } = table.rangeOf(chunk);
      return stream !== undefined && table.isChunk(chunk, stream.read(offset, sizeBytes));
    };
  }

  #streamOf(path: string): ByteSource | undefined {
    if (!existsSync(path)) return undefined;
    const file = memorySource(readFileSync(path));
    const { regionOffset, lengthBytes } = this.holding.record.record;
    if (file.sizeBytes !== lengthBytes + REGION_BYTES) return undefined;
    return without(file, regionOffset, REGION_BYTES);
  }

  #count(index: number): void {
    this.counts[index] = (this.counts[index] ?? 0) + 1;
  }
}
