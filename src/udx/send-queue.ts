/**
 * The two halves of what a stream has to send: bytes that are not in a packet yet, and packets that are not
 * acknowledged yet (RFC 9293 section 3.3.1: SND.NXT and SND.UNA, counted in packets).
 */
import type { Packet } from "./packet.ts";
import { seqDiff } from "./seq.ts";
import { giveBack } from "./write-slabs.ts";

/** An idle stream has one packet out now and then. */
const RING_INITIAL = 8;

/** Up to this many bytes are copied one by one: a call costs more. */
const SHORT_BYTES = 64;

function copyShort(from: Buffer, at: number, to: Buffer, toAt: number, count: number): void {
  for (let i = 0; i < count; i++) to[toAt + i] = from[at + i] ?? 0;
}

/** FIFO of written buffers, cut into packets across their boundaries. Holds references, copies once. */
export class WriteQueue {
  /** Bytes waiting. */
  bytes = 0;
  private chunks: (Buffer | undefined)[] = [];
  private head = 0;
  private offset = 0;

  push(chunk: Buffer): void {
    if (chunk.length === 0) return;
    this.chunks.push(chunk);
    this.bytes += chunk.length;
  }

  /** Moves up to `max` bytes to `target` at `at`; returns how many. */
  take(target: Buffer, at: number, max: number): number {
    let copied = 0;
    while (copied < max) {
      const chunk = this.chunks[this.head];
      if (chunk === undefined) break;
      const count = Math.min(max - copied, chunk.length - this.offset);
      if (count > SHORT_BYTES) chunk.copy(target, at + copied, this.offset, this.offset + count);
      else copyShort(chunk, this.offset, target, at + copied, count);
      copied += count;
      this.offset += count;
      if (this.offset === chunk.length) this.drop();
    }
    this.bytes -= copied;
    return copied;
  }

  clear(): void {
    this.chunks = [];
    this.head = 0;
    this.offset = 0;
    this.bytes = 0;
  }

  private drop(): void {
    // Not left to the compaction below: a writer that is always ahead would keep a thousand chunks in memory.
    const chunk = this.chunks[this.head];
    if (chunk !== undefined) giveBack(chunk);
    this.chunks[this.head] = undefined;
    this.head++;
    this.offset = 0;
    if (this.head === this.chunks.length) {
      this.chunks.length = 0;
      this.head = 0;
    } else if (this.head >= 1024 && this.head * 2 >= this.chunks.length) {
      this.chunks = this.chunks.slice(this.head);
      this.head = 0;
    }
  }
}

/** Unacknowledged packets by sequence number, in a ring that doubles when the flight outgrows it. */
export class SendQueue {
  /** Lowest unacknowledged. TCP SND.UNA. */
  una: number;
  /** Next to use. TCP SND.NXT. */
  nxt: number;
  private ring: (Packet | undefined)[];
  private mask: number;

  constructor(initialSeq: number) {
    this.una = initialSeq;
    this.nxt = initialSeq;
    this.mask = RING_INITIAL - 1;
    this.ring = Array.from({ length: RING_INITIAL });
  }

  /** Packets between `una` and `nxt`. */
  get outstanding(): number {
    return seqDiff(this.nxt, this.una);
  }

  /** Appends a packet whose `seq` is `nxt`. */
  append(packet: Packet): void {
    if (this.outstanding > this.mask) this.grow();
    this.ring[this.nxt & this.mask] = packet;
    this.nxt = (this.nxt + 1) | 0;
  }

  /** The packet with that number; only for `una` ≤ seq < `nxt`. */
  at(seq: number): Packet | undefined {
    return this.ring[seq & this.mask];
  }

  /** Removes the packet at `una` and advances. */
  shift(): Packet | undefined {
    const index = this.una & this.mask;
    const packet = this.ring[index];
    this.ring[index] = undefined;
    this.una = (this.una + 1) | 0;
    return packet;
  }

  private grow(): void {
    const size = (this.mask + 1) * 2;
    const ring: (Packet | undefined)[] = Array.from({ length: size });
    for (let seq = this.una; seq !== this.nxt; seq = (seq + 1) | 0) {
      ring[seq & (size - 1)] = this.ring[seq & this.mask];
    }
    this.ring = ring;
    this.mask = size - 1;
  }
}
