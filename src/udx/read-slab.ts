/**
 * In-order bytes on their way to the reader. Each payload is copied out of its datagram at once, so that the
 * datagram, which Bun allocates one by one, is garbage before it gets old, and the payloads of a turn reach
 * the reader as one chunk. Memory is carved from slabs, as udx-native does; a chunk keeps its slab alive.
 */
import { READ_CHUNK_MAX } from "./constants.ts";

/** First slab of a stream; each further one doubles, so that streams that hardly talk stay small. */
const SLAB_INITIAL = 4096;

export class ReadSlab {
  /** Bytes not read yet. */
  bytes = 0;
  private slab: Buffer | null = null;
  private start = 0;
  private end = 0;
  private size: number = SLAB_INITIAL;
  private full: Buffer[] = [];

  /** Appends `source` from `from` on; the bytes are copied. */
  push(source: Buffer, from: number): void {
    const length = source.length - from;
    if (length <= 0) return;
    if (this.slab === null || this.end + length > this.slab.length) this.renew(length);
    if (this.slab === null) return;
    source.copy(this.slab, this.end, from);
    this.end += length;
    this.bytes += length;
  }

  /** Next chunk, at most READ_CHUNK_MAX bytes unless one payload is longer. The caller owns it. */
  read(): Buffer | undefined {
    const chunk = this.full.length > 0 ? this.full.shift() : this.cut();
    if (chunk !== undefined) this.bytes -= chunk.length;
    return chunk;
  }

  clear(): void {
    this.slab = null;
    this.full = [];
    this.bytes = 0;
    this.start = 0;
    this.end = 0;
  }

  private cut(): Buffer | undefined {
    if (this.slab === null || this.end === this.start) return undefined;
    const chunk = this.slab.subarray(this.start, this.end);
    this.start = this.end;
    return chunk;
  }

  private renew(length: number): void {
    const rest = this.cut();
    if (rest !== undefined) this.full.push(rest);
    this.slab = Buffer.allocUnsafeSlow(Math.max(this.size, length));
    this.size = Math.min(this.size * 2, READ_CHUNK_MAX);
    this.start = 0;
    this.end = 0;
  }
}
