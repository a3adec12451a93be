/**
 * The receiving half of a stream: order, the peer's END, what to acknowledge and which window to advertise.
 * No I/O and no clock.
 */
import {
  RECV_HARD_LIMIT,
  RECV_WINDOW_MAX,
  REORDER_BYTES_MAX,
  WINDOW_REOPEN_SHARE,
} from "./constants.ts";
import { TYPE_DATA, TYPE_END } from "./header.ts";
import { ownBytes } from "./joined.ts";
import { ReadSlab } from "./read-slab.ts";
import { RecvBuffer, type ReorderBudget } from "./recv-buffer.ts";
import { seqDiff } from "./seq.ts";

const EMPTY = Buffer.alloc(0);

export class Receiver {
  /** Next expected sequence number. TCP RCV.NXT. */
  nxt: number;
  /** Everything up to the peer's END has arrived. */
  isEnded = false;
  /** DATA or END packets that wait for an ACK. */
  unacknowledged = 0;
  /** No larger window is advertised, bytes; see windowLimit. */
  windowLimit: number = RECV_WINDOW_MAX;
  /** The next ACK must not be replaced by a DATA packet: it tells of a gap or answers a HEARTBEAT. */
  isAckForced = false;

  private readonly buffer: RecvBuffer;
  private readonly ready = new ReadSlab();
  private hasRemoteEnd = false;
  private remoteEnd = 0;
  private advertised: number = RECV_WINDOW_MAX;

  constructor(initialAck: number, budget: ReorderBudget) {
    this.nxt = initialAck;
    this.buffer = new RecvBuffer(budget);
  }

  get hasGap(): boolean {
    return this.buffer.count > 0;
  }

  /**
   * Takes a DATA or END packet whose payload goes from `start` to `end` in `datagram`. `unread` is what the reader has not
   * taken yet, bytes. Owns a datagram that ends there from here on, and keeps nothing of one that goes on.
   */
  accept(
    seq: number,
    type: number,
    datagram: Buffer,
    start: number,
    end: number,
    unread: number,
  ): void {
    const distance = seqDiff(seq, this.nxt);
    if (distance < 0 || this.isEnded) {
      this.acknowledgeNow();
      return;
    }
    if (distance === 0 && type === TYPE_DATA && this.buffer.count === 0) {
      if (unread + this.ready.bytes > RECV_HARD_LIMIT) return;
      this.nxt = (seq + 1) | 0;
      this.ready.push(datagram, start, end);
      this.unacknowledged++;
      return;
    }
    this.acceptSlow(seq, type, ownBytes(datagram, start, end), unread);
  }

  /** An ACK is owed even if nothing new arrived: the peer's timers rely on it. */
  acknowledgeNow(): void {
    this.unacknowledged++;
    this.isAckForced = true;
  }

  /** Next chunk for the reader, in order; undefined when there is none. */
  read(): Buffer | undefined {
    return this.ready.read();
  }

  /** Window to put into a packet that leaves now, bytes. Notes it as advertised. */
  window(unread: number): number {
    this.advertised = this.room(unread);
    return this.advertised;
  }

  /** Whether the reader has taken so much that the peer should hear of it unasked. */
  hasReopened(unread: number): boolean {
    return this.room(unread) - this.advertised >= this.windowLimit * WINDOW_REOPEN_SHARE;
  }

  /** SACK blocks of what is held beyond the gap; returns the bytes written at `at`. */
  encodeSack(target: Uint8Array, at: number): number {
    return this.buffer.encodeSack(target, at, this.nxt);
  }

  close(): void {
    this.buffer.clear();
    this.ready.clear();
  }

  private acceptSlow(seq: number, type: number, payload: Buffer, unread: number): void {
    // The peer is waiting for news of exactly this packet, or of the gap before it.
    this.isAckForced = true;
    const isBeyondEnd = this.hasRemoteEnd && seqDiff(seq, this.remoteEnd) > 0;
    if (isBeyondEnd || !this.buffer.accepts(seq, this.nxt, payload.length)) {
      // A duplicate is acknowledged again. The ACK does not cover a packet that did not fit.
      if (this.hasGap) this.unacknowledged++;
      return;
    }
    if (seq === this.nxt && unread + this.ready.bytes > RECV_HARD_LIMIT) return;
    if ((type & TYPE_END) !== 0 && !this.hasRemoteEnd) {
      this.hasRemoteEnd = true;
      this.remoteEnd = seq;
    }
    this.unacknowledged++;
    this.buffer.put(seq, this.nxt, (type & TYPE_DATA) === 0 ? EMPTY : payload);
    this.drain();
  }

  private drain(): void {
    for (;;) {
      const payload = this.buffer.take(this.nxt);
      if (payload === undefined) return;
      if (this.hasRemoteEnd && this.nxt === this.remoteEnd) this.isEnded = true;
      this.nxt = (this.nxt + 1) | 0;
      this.ready.push(payload, 0);
    }
  }

  private room(unread: number): number {
    const forReader = RECV_WINDOW_MAX - unread - this.ready.bytes;
    const forGaps = REORDER_BYTES_MAX - this.buffer.bytes;
    return Math.max(0, Math.min(forReader, forGaps, this.windowLimit));
  }
}
