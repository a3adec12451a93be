/**
 * RACK: a packet is lost when one sent sufficiently later has arrived (RFC 8985 section 6.2, libudx
 * rack_detect_loss). Counts packets; milliseconds.
 */
import { RACK_DUP_THRESHOLD } from "./constants.ts";
import type { Packet, PacketList } from "./packet.ts";
import type { RttEstimator } from "./rtt.ts";
import { seqDiff, seqNext } from "./seq.ts";

export class Rack {
  /** Send time and end of the latest-sent packet known to have arrived. RACK.xmit_ts, RACK.end_seq. */
  private time = -1;
  private end = 0;
  /** RTT of that packet. RACK.rtt. */
  private rtt = 0;
  /** Highest sequence number acknowledged so far, plus one. RACK.fack. */
  private fack: number;
  private reorderingSeen = false;
  private readonly estimator: RttEstimator;

  constructor(estimator: RttEstimator, initialSeq: number) {
    this.estimator = estimator;
    this.fack = initialSeq;
  }

  /** Steps 2 and 3: notes a packet that was newly acknowledged, in order or by SACK. */
  onAcked(packet: Packet, rttMs: number): void {
    const end = seqNext(packet.seq);
    if (seqDiff(end, this.fack) > 0) this.fack = end;
    else if (packet.sends === 1) this.reorderingSeen = true;

    // An ACK faster than the path belongs to the first transmission, not to the one just timed.
    if (packet.sends > 1 && rttMs < this.estimator.min) return;
    this.rtt = rttMs;
    if (this.isAfter(packet.sentAt, end)) {
      this.time = packet.sentAt;
      this.end = end;
    }
  }

  /** Step 4: how long to allow for reordering. */
  reorderWindow(isOpen: boolean, sacked: number): number {
    if (!this.reorderingSeen && (!isOpen || sacked >= RACK_DUP_THRESHOLD)) return 0;
    return Math.min(this.estimator.min / 4, this.estimator.srtt);
  }

  /** The instant from which a packet sent at `sentAt` counts as lost. */
  deadline(sentAt: number, reorderWindow: number): number {
    return sentAt + this.rtt + reorderWindow;
  }

  /**
   * Step 5: calls `markLost` for every packet of `inflight` (in send order) whose deadline has passed, and
   * returns the time to wait for the others, 0 when there is nothing to wait for. Packets a blocked socket
   * still holds (`mark` above `flushed`) cannot be lost, and of packets at or above `horizon` the peer had
   * no room to report.
   */
  detect(
    inflight: PacketList,
    nowMs: number,
    reorderWindow: number,
    flushed: number,
    horizon: number,
    sink: { markLost(packet: Packet): void },
  ): number {
    let wait = 0;
    let packet = inflight.head;
    while (packet !== null && packet.sentAt <= this.time) {
      const next = packet.next;
      const isReported = seqDiff(packet.seq, horizon) < 0;
      if (isReported && packet.mark <= flushed && this.isAcknowledgedAfter(packet)) {
        const left = this.deadline(packet.sentAt, reorderWindow) - nowMs;
        if (left <= 0) sink.markLost(packet);
        else if (left > wait) wait = left;
      }
      packet = next;
    }
    return wait;
  }

  private isAfter(sentAt: number, end: number): boolean {
    return sentAt > this.time || (sentAt === this.time && seqDiff(end, this.end) > 0);
  }

  private isAcknowledgedAfter(packet: Packet): boolean {
    if (packet.sentAt !== this.time) return packet.sentAt < this.time;
    return seqDiff(this.end, seqNext(packet.seq)) > 0;
  }
}
