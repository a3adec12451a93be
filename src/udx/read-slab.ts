/**
 * In-order bytes on their way to the reader. Each payload is copied out of its datagram at once, so that the
 * datagram, which Bun allocates one by one, is garbage before it gets old, and the payloads of a turn reach
 * the reader as one chunk. Memory is carved from slabs, as udx-native does; a chunk keeps its slab alive. Only a
 * payload that stays alone in its turn is passed on where it is, if it is not a short one: the first view of a datagram
 * takes five times as long as copying a keepalive.
 */
import { READ_CHUNK_MAX } from "./constants.ts";
import { isJoined } from "./joined.ts";
import { ReadLease } from "./read-slabs.ts";

/** Smallest slab, bytes. The first of a turn fits what the turn before brought; each further one doubles. */
const SLAB_MIN = 512;
/** A turn that brings less than this ends its slab: streams that hardly talk hold no memory in between. */
const BUSY_TURN_BYTES = 8192;
/** What is copied rather than viewed when it is alone. */
const SHORT_BYTES = 256;

export class ReadSlab {
  /** Bytes not read yet. */
  bytes = 0;
  private slab: Buffer | null = null;
  /** Of a slab that can be used again. */
  private lease: ReadLease | null = null;
  private start = 0;
  private end = 0;
  private size: number = SLAB_MIN;
  private turnBytes = 0;
  /** The first payload of a turn without a slab. */
  private alone: Buffer | null = null;
  private aloneFrom = 0;
  private full: Buffer[] = [];

  /**
   * Appends `source` from `from` to `to`. Owns it from here on where it is one packet, and keeps nothing of it where it is
   * several.
   */
  push(source: Buffer, from: number, to: number = source.length): void {
    const length = to - from;
    if (length <= 0) return;
    this.bytes += length;
    this.turnBytes += length;
    if (this.slab === null && this.alone === null && !isJoined(source)) {
      this.alone = source;
      this.aloneFrom = from;
      return;
    }
    this.copyAlone();
    this.copy(source, from, length);
  }

  /**
   * Next chunk, at most READ_CHUNK_MAX bytes unless one payload is longer; undefined ends the turn. The caller
   * owns it.
   */
  read(): Buffer | undefined {
    const chunk = this.full.length > 0 ? this.full.shift() : (this.cut() ?? this.takeAlone());
    if (chunk === undefined) this.endTurn();
    else this.bytes -= chunk.length;
    return chunk;
  }

  clear(): void {
    this.slab = null;
    this.lease = null;
    this.alone = null;
    this.full = [];
    this.bytes = 0;
    this.start = 0;
    this.end = 0;
  }

  private takeAlone(): Buffer | undefined {
    const { alone, aloneFrom } = this;
    if (alone === null) return undefined;
    this.alone = null;
    const length = alone.length - aloneFrom;
    if (length > SHORT_BYTES) return alone.subarray(aloneFrom);
    const chunk = Buffer.allocUnsafe(length);
    alone.copy(chunk, 0, aloneFrom);
    return chunk;
  }

  private copyAlone(): void {
    const { alone, aloneFrom } = this;
    if (alone === null) return;
    this.alone = null;
    this.copy(alone, aloneFrom, alone.length - aloneFrom);
  }

  private copy(source: Buffer, from: number, length: number): void {
    if (this.slab === null || this.end + length > this.slab.length) this.renew(length);
    if (this.slab === null) return;
    source.copy(this.slab, this.end, from, from + length);
    this.end += length;
  }

  private endTurn(): void {
    const { turnBytes } = this;
    if (turnBytes === 0) return;
    this.turnBytes = 0;
    this.size = Math.min(Math.max(2 ** Math.ceil(Math.log2(turnBytes)), SLAB_MIN), READ_CHUNK_MAX);
    if (turnBytes >= BUSY_TURN_BYTES) return;
    this.closeLease();
    this.slab = null;
    this.start = 0;
    this.end = 0;
  }

  private cut(): Buffer | undefined {
    if (this.slab === null || this.end === this.start) return undefined;
    const { start, end } = this;
    const chunk = this.lease?.cut(start, end) ?? this.slab.subarray(start, end);
    this.start = this.end;
    return chunk;
  }

  private closeLease(): void {
    this.lease?.close();
    this.lease = null;
  }

  private renew(length: number): void {
    const rest = this.cut();
    if (rest !== undefined) this.full.push(rest);
    this.closeLease();
    const size = Math.max(this.size, length);
    if (size === READ_CHUNK_MAX) this.lease = new ReadLease();
    this.slab = this.lease?.slab ?? Buffer.allocUnsafeSlow(size);
    this.size = Math.min(this.size * 2, READ_CHUNK_MAX);
    this.start = 0;
    this.end = 0;
  }
}
