/**
 * Runs of datagrams of one size to one address as one system call on Linux, at a quarter of what each costs in sendmmsg.
 * Everything works without: where the C library, the kernel or the path refuses, datagrams go as before.
 */
import { isUdxPacket } from "./header.ts";
import type { DatagramBatch } from "./runtime.ts";
import {
  FIELDS,
  loadSegmentCalls,
  type SegmentCalls,
  SEGMENTS_MAX,
  SegmentMessage,
} from "./segment-message.ts";

/** Datagrams below which a run does not pay for a system call of its own. */
const RUN_MIN = 4;
/** What an IPv4 packet holds besides its headers, bytes. */
const RUN_BYTES_MAX: number = 65_535 - 20 - 8;
/** Datagrams in runs after which it is worth loading: a node that hardly sends pays nothing. */
const LOAD_AFTER = 256;
/** Runs in a row that were refused whole and taken one by one: a single one may be an ICMP error about another datagram. */
const REFUSALS_MAX = 3;

type SendMany = (batch: DatagramBatch) => number;

/** The sending side of one socket. */
export class Segments {
  private readonly fd: number;
  private readonly family: 4 | 6;
  private readonly sendMany: SendMany;
  private readonly load: () => SegmentCalls | null;
  /** Undefined until enough was sent, null where the kernel is not to be asked again. */
  private message: SegmentMessage | null | undefined;
  private seen = 0;
  private refusals = 0;

  /** `sendMany` is the ordinary way, as in UdpHandle; `family` is the socket's. */
  constructor(
    fd: number,
    family: 4 | 6,
    sendMany: SendMany,
    load: () => SegmentCalls | null = loadSegmentCalls,
  ) {
    this.fd = fd;
    this.family = family;
    this.sendMany = sendMany;
    this.load = load;
  }

  /** As UdpHandle.sendMany; a short count may also mean that what follows is sent another way. */
  send(batch: DatagramBatch): number {
    const run = runLength(batch, 0);
    if (run >= RUN_MIN) this.prepare(run);
    if (!this.message) return this.sendMany(batch);
    return run >= RUN_MIN ? this.sendRuns(this.message, batch) : this.sendOthers(batch);
  }

  /** The runs that `batch` begins with. */
  private sendRuns(message: SegmentMessage, batch: DatagramBatch): number {
    let at = 0;
    for (;;) {
      const run = at < batch.length ? runLength(batch, at) : 0;
      if (run < RUN_MIN) return at / FIELDS;
      if (!message.send(batch, at, run)) {
        // The next call begins with what was refused.
        return at > 0 ? at / FIELDS : this.sendRefused(batch, run);
      }
      this.refusals = 0;
      at += run * FIELDS;
    }
  }

  /** What comes before the next run. */
  private sendOthers(batch: DatagramBatch): number {
    let end = FIELDS;
    while (end < batch.length && runLength(batch, end) < RUN_MIN) end += FIELDS;
    return this.sendMany(first(batch, end));
  }

  private sendRefused(batch: DatagramBatch, run: number): number {
    const sent = this.sendMany(first(batch, run * FIELDS));
    // A full kernel, or one with an error to report, takes the parts no more than the whole.
    if (sent === run && ++this.refusals === REFUSALS_MAX) this.message = null;
    return sent;
  }

  private prepare(run: number): void {
    if (this.message !== undefined) return;
    this.seen += run;
    if (this.seen < LOAD_AFTER) return;
    const calls = this.load();
    const isUsable = calls !== null && calls.hasSegments(this.fd);
    this.message = isUsable ? new SegmentMessage(calls, this.fd, this.family) : null;
  }
}

/**
 * Datagrams from `at` on that can be segments of one message. Packets only: where the receiver's kernel does not take them apart
 * again (joining.ts), nobody else could.
 */
function runLength(batch: DatagramBatch, at: number): number {
  if (!isPacketAt(batch, at)) return 1;
  const size = sizeAt(batch, at);
  const port = batch[at + 1];
  const host = batch[at + 2];
  let bytes = size;
  let count = 1;
  for (let i = at + FIELDS; i < batch.length && count < SEGMENTS_MAX; i += FIELDS) {
    const length = sizeAt(batch, i);
    bytes += length;
    if (length > size || bytes > RUN_BYTES_MAX || !isPacketAt(batch, i)) break;
    if (batch[i + 1] !== port || batch[i + 2] !== host) break;
    count++;
    if (length < size) break;
  }
  return count;
}

function isPacketAt(batch: DatagramBatch, at: number): boolean {
  const datagram = batch[at];
  return datagram instanceof Uint8Array && isUdxPacket(datagram);
}

function sizeAt(batch: DatagramBatch, at: number): number {
  const datagram = batch[at];
  return datagram instanceof Uint8Array ? datagram.length : 0;
}

function first(batch: DatagramBatch, fields: number): DatagramBatch {
  return fields === batch.length ? batch : batch.slice(0, fields);
}
