/** Round-trip time and retransmission time-out (RFC 6298 section 2, libudx update_rtt). Milliseconds, fractional. */
import {
  RACK_MIN_RTT_WINDOW_MS,
  RTO_MAX_MS,
  RTO_MIN_MS,
  RTT_FIRST_MAX_MS,
  RTT_SUSPECT_MS,
} from "./constants.ts";
import { WindowedFilter } from "./windowed-filter.ts";

export class RttEstimator {
  srtt = 0;
  rttvar = 0;
  rto: number = RTO_MIN_MS;
  /** An explicit flag: on loopback a real sample can round to 0. */
  hasSample = false;
  private readonly minimum = new WindowedFilter("min");

  /** Minimum of the last five minutes; 0 before the first sample. */
  get min(): number {
    return this.minimum.value;
  }

  /** Adds a sample of a packet that was sent exactly once (Karn's rule). */
  update(sampleMs: number, nowMs: number): void {
    const r = this.plausible(Math.max(sampleMs, 0));
    if (this.hasSample) {
      this.rttvar = (3 * this.rttvar + Math.abs(this.srtt - r)) / 4;
      this.srtt = (7 * this.srtt + r) / 8;
    } else {
      this.srtt = r;
      this.rttvar = r / 2;
      this.hasSample = true;
    }
    this.rto = Math.min(Math.max(this.srtt + 4 * this.rttvar, RTO_MIN_MS), RTO_MAX_MS);
    this.minimum.update(RACK_MIN_RTT_WINDOW_MS, nowMs, r);
  }

  /** A host that slept sees one absurd sample; it must not set the time-out to minutes. */
  private plausible(r: number): number {
    if (!this.hasSample) return Math.min(r, RTT_FIRST_MAX_MS);
    const expected = this.srtt + 5 * this.rttvar;
    return r > RTT_SUSPECT_MS && r > expected ? Math.min(expected, RTT_FIRST_MAX_MS) : r;
  }
}
