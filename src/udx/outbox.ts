/**
 * Datagrams on their way to the kernel. One system call takes a whole turn's worth; what the kernel refuses
 * for an error is dropped, as UDP may, and what it refuses for lack of room waits.
 */
import type { UdpHandle } from "./runtime.ts";

const FIELDS = 3;
/** A refusal may report an ICMP error about an older datagram; only the second one in a row is about this one. */
const ATTEMPTS = 2;

type Refusal = "error" | "full";

export class Outbox {
  /** Datagrams ever queued, and passed on or dropped. */
  queued = 0;
  flushed = 0;
  private batch: (Buffer | number | string)[] = [];

  /** Queues a datagram; the buffer must stay as it is until `flushed` reaches the returned number. */
  push(datagram: Buffer, port: number, host: string): number {
    this.batch.push(datagram, port, host);
    return ++this.queued;
  }

  /** Datagrams that wait. */
  get length(): number {
    return this.batch.length / FIELDS;
  }

  /** Sends as much as the kernel takes. Returns false when it is full: flush again when it is writable. */
  flush(handle: UdpHandle): boolean {
    let at = 0;
    let refusals = 0;
    let sendOne = false;
    while (at < this.batch.length) {
      const end = sendOne ? at + FIELDS : this.batch.length;
      const part = at === 0 && !sendOne ? this.batch : this.batch.slice(at, end);
      const sent = trySend(handle, part);
      if (typeof sent === "number") {
        at += sent * FIELDS;
        refusals = 0;
        sendOne = false;
        continue;
      }
      refusals++;
      if (refusals < ATTEMPTS) continue;
      if (sent === "full") break;
      refusals = 0;
      // Only alone does the refusal name the culprit.
      if (sendOne) at += FIELDS;
      sendOne = !sendOne;
    }
    this.drop(at);
    return this.batch.length === 0;
  }

  /** Copies what is still queued, so that its owners may reuse their buffers. */
  detach(): void {
    for (const [index, field] of this.batch.entries()) {
      if (typeof field === "object") this.batch[index] = Buffer.from(field);
    }
  }

  clear(): void {
    this.drop(this.batch.length);
  }

  private drop(fields: number): void {
    this.flushed += fields / FIELDS;
    if (fields === this.batch.length) this.batch.length = 0;
    else if (fields > 0) this.batch = this.batch.slice(fields);
  }
}

function trySend(handle: UdpHandle, batch: (Buffer | number | string)[]): number | Refusal {
  try {
    const sent = handle.sendMany(batch);
    return sent > 0 ? sent : "full";
  } catch {
    // Unreachable, too long, wrong family, refused by a firewall: UDP loses datagrams, so may we.
    return "error";
  }
}
