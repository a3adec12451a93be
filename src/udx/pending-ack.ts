/**
 * Pure ACKs of one receive batch, folded into the newest: libudx acknowledges every packet by itself, and what
 * the last of them says includes what the others said. An ACK that lists gaps is never folded.
 */
import { Header, TYPE_ACK } from "./header.ts";
import { seqDiff } from "./seq.ts";

export class PendingAck {
  isSet = false;
  /** When the newest one arrived, ms. */
  atMs = 0;
  /** Header of the newest one. */
  readonly header: Header = new Header();

  /** Whether `next` may take the place of what is held: it says no less, and nobody said anything newer. */
  folds(next: Header): boolean {
    if (next.type !== TYPE_ACK) return false;
    const { header } = this;
    return (
      !this.isSet || (seqDiff(next.ack, header.ack) >= 0 && seqDiff(next.seq, header.seq) >= 0)
    );
  }

  /** Holds a copy of an ACK that `folds` admitted. */
  set(next: Header, nowMs: number): void {
    const { header } = this;
    this.isSet = true;
    this.atMs = nowMs;
    header.ack = next.ack;
    header.seq = next.seq;
    header.window = next.window;
  }
}
