/** NewReno in packets (RFC 5681, RFC 6582) with pacing: the plain controller BBR is measured against. */
import { INITIAL_CWND } from "./constants.ts";
import type { CongestionController } from "./congestion.ts";
import type { AckSample } from "./rate.ts";

/** Share of the window kept after a loss (RFC 9438 section 4.6). */
const BETA = 0.7;
/** Pacing gain over cwnd / srtt: slack, so that pacing never is what limits. */
const PACING_GAIN = 1.25;
const MIN_CWND = 2;
const INITIAL_RATE = 32_000;

export class Aimd implements CongestionController {
  cwnd: number = INITIAL_CWND;
  pacingRate: number = INITIAL_RATE;
  readonly state = 0;
  readonly bandwidth = 0;
  readonly isHoldingBack = false;
  private ssthresh: number = Number.POSITIVE_INFINITY;
  private isRecovering = false;
  private credit = 0;

  onSend(): void {
    // The window only reacts to ACKs and losses.
  }

  onAck(sample: AckSample): void {
    if (!this.isRecovering && !sample.isAppLimited) this.grow(sample.acked);
    const srtt = Math.max(sample.srttMs, 1);
    this.pacingRate = Math.max(1, (PACING_GAIN * this.cwnd * sample.maxPayload) / srtt);
  }

  onRto(): void {
    this.ssthresh = Math.max(this.cwnd * BETA, MIN_CWND);
    this.cwnd = 1;
    this.isRecovering = false;
  }

  onRecovery(entered: boolean): void {
    this.isRecovering = entered;
    if (!entered) return;
    this.ssthresh = Math.max(Math.floor(this.cwnd * BETA), MIN_CWND);
    this.cwnd = this.ssthresh;
  }

  private grow(acked: number): void {
    if (this.cwnd < this.ssthresh) {
      this.cwnd += acked;
      return;
    }
    this.credit += acked;
    while (this.credit >= this.cwnd) {
      this.credit -= this.cwnd;
      this.cwnd++;
    }
  }
}
