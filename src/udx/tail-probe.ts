/** Tail-loss probe bookkeeping (RFC 8985 section 7, libudx udx_tlp). */
import { TLP_ACK_DELAY_MS, TLP_DEFAULT_MS, TLP_MIN_MS } from "./constants.ts";
import type { RttEstimator } from "./rtt.ts";
import { seqDiff } from "./seq.ts";

export class TailProbe {
  private isOut = false;
  private isResend = false;
  private end = 0;
  /** One probe per RTT sample: without this a silent peer would be probed instead of timed out. */
  private rttSinceProbe = true;

  get isAllowed(): boolean {
    return !this.isOut && this.rttSinceProbe;
  }

  /** Milliseconds from now to the probe. */
  delay(rtt: RttEstimator, outstanding: number): number {
    if (!rtt.hasSample) return TLP_DEFAULT_MS;
    const slack = outstanding === 1 ? TLP_ACK_DELAY_MS : 0;
    return Math.max(2 * rtt.srtt + slack, TLP_MIN_MS);
  }

  onSent(seq: number, isResend: boolean): void {
    this.isOut = true;
    this.isResend = isResend;
    this.end = seq;
    this.rttSinceProbe = false;
  }

  onRttSample(): void {
    this.rttSinceProbe = true;
  }

  /** A resent probe needs an ACK above it: the one at it may answer the original. */
  onAck(ack: number): void {
    if (!this.isOut) return;
    const past = seqDiff(ack, this.end);
    if (this.isResend ? past > 0 : past >= 0) this.isOut = false;
  }

  cancel(): void {
    this.isOut = false;
  }
}
