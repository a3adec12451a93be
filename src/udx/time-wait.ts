/**
 * What remains of a cleanly closed stream: if the peer lost our last ACK it repeats its END, and without an
 * answer it would fail with ETIMEDOUT although everything arrived (RFC 9293 section 3.6.1; libudx has none).
 */
import type { Clock } from "../core/clock.ts";
import { RECV_WINDOW_MAX, TIME_WAIT_MAX, TIME_WAIT_MS } from "./constants.ts";
import { encodeHeader, HEADER_SIZE, TYPE_ACK, TYPE_DATA, TYPE_END } from "./header.ts";

export interface ClosedStream {
  /** The peer's id for the stream, and its address: answers go nowhere else. */
  readonly remoteId: number;
  readonly port: number;
  readonly host: string;
  readonly sndNxt: number;
  readonly rcvNxt: number;
}

interface Entry extends ClosedStream {
  readonly expiresAt: number;
}

export class TimeWait {
  private readonly entries = new Map<number, Entry>();
  private readonly clock: Clock;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  add(id: number, closed: ClosedStream): void {
    const nowMs = this.clock.monotonicMs();
    this.entries.delete(id);
    // A Map iterates in insertion order, so the first entries are the oldest.
    for (const [oldest, entry] of this.entries) {
      if (entry.expiresAt > nowMs && this.entries.size < TIME_WAIT_MAX) break;
      this.entries.delete(oldest);
    }
    this.entries.set(id, { ...closed, expiresAt: nowMs + TIME_WAIT_MS });
  }

  /** The id is used again. */
  delete(id: number): void {
    this.entries.delete(id);
  }

  /** The ACK to send for a packet to a closed stream, or undefined when it deserves none. */
  answer(id: number, type: number): { datagram: Buffer; port: number; host: string } | undefined {
    if (this.entries.size === 0 || (type & (TYPE_DATA | TYPE_END)) === 0) return undefined;
    const entry = this.entries.get(id);
    if (entry === undefined) return undefined;
    if (entry.expiresAt <= this.clock.monotonicMs()) {
      this.entries.delete(id);
      return undefined;
    }
    const datagram = Buffer.allocUnsafe(HEADER_SIZE);
    const { remoteId, sndNxt, rcvNxt } = entry;
    encodeHeader(datagram, 0, TYPE_ACK, 0, remoteId, RECV_WINDOW_MAX, sndNxt, rcvNxt);
    return { datagram, port: entry.port, host: entry.host };
  }
}
