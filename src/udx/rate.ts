/**
 * Delivery-rate sampling (draft-cheng-iccrg-delivery-rate-estimation; libudx src/udx_rate.c): each packet
 * remembers how much had been delivered when it left, so that its ACK tells the rate in between.
 * Packets and milliseconds.
 */
import type { Packet } from "./packet.ts";
import { seqDiff } from "./seq.ts";

/** What one processed ACK tells a congestion controller. Reused: valid until the next ACK. */
export interface AckSample {
  /** Time of the ACK, ms. */
  nowMs: number;
  /** Packets newly acknowledged, in order and by SACK. */
  acked: number;
  /** Packets newly declared lost. */
  losses: number;
  /** Packets delivered in `intervalMs`; meaningless while `isVoid`. */
  delivered: number;
  intervalMs: number;
  isVoid: boolean;
  /** `delivered` counter when the sampled packet left: a round trip ends when it passes a mark. */
  priorDelivered: number;
  /** The application, not the network, limited this sample. */
  isAppLimited: boolean;
  /** RTT of the ACK, ms; -1 when it has none. */
  rttMs: number;
  /** Total of packets delivered, and when the last was. */
  deliveredTotal: number;
  deliveredAt: number;
  /** Packets in flight after this ACK. */
  inflight: number;
  /** Smoothed RTT, ms, and payload bytes of a full packet. */
  srttMs: number;
  maxPayload: number;
}

/** One record serves all streams: from `begin` to the controller's return nothing else runs. */
const sample: AckSample = {
  nowMs: 0,
  acked: 0,
  losses: 0,
  delivered: 0,
  intervalMs: 0,
  isVoid: true,
  priorDelivered: 0,
  isAppLimited: false,
  rttMs: -1,
  deliveredTotal: 0,
  deliveredAt: 0,
  inflight: 0,
  srttMs: 0,
  maxPayload: 0,
};

export class RateSampler {
  /** Packets delivered so far. */
  delivered = 0;
  /** Packets declared lost so far. */
  lost = 0;
  private deliveredAt = 0;
  private firstSentAt = 0;
  /** 0, or the `delivered` count at which the bubble of an idle application has drained. */
  private appLimitedUntil = 0;

  private sampled = false;
  private sampleSentAt = 0;
  private sampleSeq = 0;
  private sendSpan = 0;
  private priorDeliveredAt = 0;
  private lostBefore = 0;
  private deliveredBefore = 0;

  readonly sample: AckSample = sample;

  get isAppLimited(): boolean {
    return this.appLimitedUntil !== 0;
  }

  /** The application has nothing to send although the window would let it. */
  markAppLimited(inflight: number): void {
    this.appLimitedUntil = this.delivered + inflight || 1;
  }

  /** Stamps a packet that is about to leave. `inflight` counts the others. */
  onSend(packet: Packet, inflight: number, nowMs: number): void {
    if (inflight === 0) {
      this.firstSentAt = nowMs;
      this.deliveredAt = nowMs;
    }
    packet.rateFirstSentAt = this.firstSentAt;
    packet.rateDeliveredAt = this.deliveredAt;
    packet.rateDelivered = this.delivered;
    packet.rateAppLimited = this.appLimitedUntil;
  }

  /** Starts the sample of one ACK. */
  begin(): void {
    this.sampled = false;
    this.lostBefore = this.lost;
    this.deliveredBefore = this.delivered;
    sample.rttMs = -1;
    sample.priorDelivered = 0;
    sample.isAppLimited = false;
  }

  /** Counts a packet newly acknowledged; the latest-sent one of an ACK supplies the sample. */
  onAcked(packet: Packet): void {
    this.delivered++;
    if (this.sampled) {
      if (packet.sentAt < this.sampleSentAt) return;
      if (packet.sentAt === this.sampleSentAt && seqDiff(packet.seq, this.sampleSeq) < 0) return;
    }
    this.sampled = true;
    this.sampleSentAt = packet.sentAt;
    this.sampleSeq = packet.seq;
    this.sendSpan = packet.sentAt - packet.rateFirstSentAt;
    this.priorDeliveredAt = packet.rateDeliveredAt;
    this.sample.priorDelivered = packet.rateDelivered;
    this.sample.isAppLimited = packet.rateAppLimited !== 0;
    this.firstSentAt = packet.sentAt;
  }

  /** Completes the sample. An interval shorter than the path's RTT is no rate but ACK compression. */
  finish(nowMs: number, inflight: number, minRttMs: number): AckSample {
    const sample = this.sample;
    if (this.appLimitedUntil !== 0 && this.delivered > this.appLimitedUntil)
      this.appLimitedUntil = 0;
    sample.acked = this.delivered - this.deliveredBefore;
    if (sample.acked > 0) this.deliveredAt = nowMs;
    sample.nowMs = nowMs;
    sample.losses = this.lost - this.lostBefore;
    sample.delivered = this.delivered - sample.priorDelivered;
    sample.intervalMs = Math.max(this.sendSpan, nowMs - this.priorDeliveredAt);
    sample.isVoid = !this.sampled || sample.intervalMs <= 0 || sample.intervalMs < minRttMs;
    sample.deliveredTotal = this.delivered;
    sample.deliveredAt = this.deliveredAt;
    sample.inflight = inflight;
    return sample;
  }
}
