/** The window the peer advertises (RFC 9293 section 3.10.7.4: SND.WND, SND.WL1, SND.WL2). */
import { RECV_WINDOW_MAX } from "./constants.ts";
import { seqDiff } from "./seq.ts";

export class PeerWindow {
  /** Bytes the peer will still buffer. Until it says something, what libudx starts with. */
  bytes: number = RECV_WINDOW_MAX;
  private seq: number;
  private ack: number;

  /** `seq` is the peer's first sequence number, `ack` ours. */
  constructor(seq: number, ack: number) {
    this.seq = seq;
    this.ack = ack;
  }

  /** The peer's first sequence number became known. Only before anything was received. */
  setInitialSeq(seq: number): void {
    this.seq = seq;
  }

  get isClosed(): boolean {
    return this.bytes === 0;
  }

  /** Packets that may be outstanding; an open window always admits one. */
  packets(maxPayload: number): number {
    return this.isClosed ? 0 : Math.max(1, Math.floor(this.bytes / maxPayload));
  }

  /** Takes the window of a packet, unless a newer packet spoke before: reordering must not undo it. */
  update(window: number, seq: number, ack: number, una: number): void {
    if (seqDiff(ack, una) < 0) return;
    const newer = seqDiff(seq, this.seq);
    if (newer < 0 || (newer === 0 && seqDiff(ack, this.ack) < 0)) return;
    this.bytes = window;
    this.seq = seq;
    this.ack = ack;
  }
}
