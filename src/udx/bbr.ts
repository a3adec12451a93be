/**
 * BBR version 1 (draft-cardwell-iccrg-bbr-congestion-control-00; Linux net/ipv4/tcp_bbr.c; libudx
 * src/udx_bbr.c): sends at the measured bottleneck rate and keeps about one bandwidth-delay product in
 * flight, so a random loss costs one packet instead of a share of the window. Packets and milliseconds.
 */
import { INITIAL_CWND, MTU_BASE, OVERHEAD_IPV4 } from "./constants.ts";
import type { CongestionController } from "./congestion.ts";
import { ForeignQueue } from "./foreign-queue.ts";
import type { AckSample } from "./rate.ts";
import { WindowedFilter } from "./windowed-filter.ts";

/** 2 / ln 2: the smallest gain that doubles the rate per round. */
const HIGH_GAIN = 2 / Math.LN2;
const DRAIN_GAIN = 1 / HIGH_GAIN;
const CWND_GAIN = 2;
const PROBE_BW_GAINS: readonly number[] = [1.25, 0.75, 1, 1, 1, 1, 1, 1];
/** Phase PROBE_BW starts in. The draft draws it; libudx does not. */
const FIRST_PHASE = 4;
/** Pacing a little below the estimate keeps the queue from growing. */
const PACING_MARGIN = 0.99;
const BANDWIDTH_ROUNDS = 10;
const MIN_RTT_WINDOW_MS = 10_000;
const PROBE_RTT_MS = 200;
const MIN_CWND = 4;
const FULL_PIPE_GROWTH = 1.25;
const FULL_PIPE_ROUNDS = 3;
/** For so many rounds after a loss one sees what its round of packet conservation delivered. */
const CONSERVATION_SEEN_ROUNDS = 2;
/** Round trips above the shortest by this factor have waited in a queue. */
const QUEUE_RTT_GAIN = 1.25;
/** Rounds after which an ACK-aggregation slot is forgotten, and how much bandwidth it may claim at most. */
const AGGREGATION_ROUNDS = 5;
const AGGREGATION_MAX_MS = 100;
/** RTT assumed before there is a sample, ms. */
const INITIAL_RTT_MS = 1;
/** Paths shorter than an event-loop turn still need a turn's worth in flight, ms. libudx counts whole ms. */
const MIN_RTT_MS = 1;

/** Values of udx-native's `bbrState`. */
const STARTUP = 0;
const DRAIN = 1;
const PROBE_BW = 2;
const PROBE_RTT = 3;

export class Bbr implements CongestionController {
  cwnd: number = INITIAL_CWND;
  pacingRate: number =
    (HIGH_GAIN * INITIAL_CWND * (MTU_BASE - OVERHEAD_IPV4) * PACING_MARGIN) / INITIAL_RTT_MS;
  state: number = STARTUP;

  private readonly bandwidthFilter = new WindowedFilter("max");
  private readonly foreignQueue = new ForeignQueue();
  private minRttMs = 0;
  private minRttAt = 0;
  private hasRtt = false;
  private maxPayload: number = MTU_BASE - OVERHEAD_IPV4;

  private rounds = 0;
  private nextRound = 0;
  private isRoundStart = false;

  private bestBandwidth = 0;
  private flatRounds = 0;
  private isPipeFull = false;

  private phase = 0;
  private phaseAt = 0;
  private probeRttUntil = 0;
  private isProbeRttRound = false;
  private isIdleRestart = false;

  private recovery: "none" | "entering" | "active" | "leaving" = "none";
  private isConserving = false;
  /** Round of the last conservation. */
  private conservedAt: number = Number.NEGATIVE_INFINITY;
  private savedCwnd = 0;

  private readonly extraAcked: [number, number] = [0, 0];
  private slot: 0 | 1 = 0;
  private slotRounds = 0;
  private epochAt = 0;
  private epochAcked = 0;

  /** Packets per ms. */
  get bandwidth(): number {
    return this.bandwidthFilter.value;
  }

  onSend(nowMs: number, inflight: number, isAppLimited: boolean): void {
    if (inflight > 0 || !isAppLimited) return;
    this.isIdleRestart = true;
    this.epochAt = nowMs;
    this.epochAcked = 0;
    // The pipe is empty: full speed at once, but no probing above it.
    if (this.state === PROBE_BW) this.setPacingRate(1);
  }

  onAck(sample: AckSample): void {
    this.maxPayload = sample.maxPayload;
    this.isRoundStart = false;
    if (!sample.isVoid) {
      this.updateBandwidth(sample);
      this.updateAggregation(sample);
    }
    if (this.state === PROBE_BW) this.updatePhase(sample);
    this.checkFullPipe(sample);
    this.checkDrain(sample);
    this.updateMinRtt(sample);
    this.updatePacing(sample);
    this.updateCwnd(sample);
  }

  onRto(inflight: number): void {
    this.bestBandwidth = 0;
    this.flatRounds = 0;
    this.saveCwnd();
    this.recovery = "active";
    this.isConserving = false;
    // Everything in flight is gone: one packet asks whether the path still lives.
    this.cwnd = inflight + 1;
  }

  onRecovery(entered: boolean): void {
    if (entered) {
      this.saveCwnd();
      this.recovery = "entering";
    } else {
      this.recovery = "leaving";
    }
  }

  /** In PROBE_RTT: the sender marks itself limited, so that the low rate is no bandwidth sample. */
  get isHoldingBack(): boolean {
    return this.state === PROBE_RTT;
  }

  private updateBandwidth(sample: AckSample): void {
    if (sample.priorDelivered >= this.nextRound) {
      this.nextRound = sample.deliveredTotal;
      this.rounds++;
      this.isRoundStart = true;
      this.isConserving = false;
    }
    const rate = sample.delivered / sample.intervalMs;
    if (!sample.isAppLimited || rate >= this.bandwidth) {
      this.bandwidthFilter.update(BANDWIDTH_ROUNDS, this.rounds, rate);
    }
  }

  /** ACKs come in bunches; what they bring beyond the rate is allowed as extra window. */
  private updateAggregation(sample: AckSample): void {
    if (this.isRoundStart && ++this.slotRounds >= AGGREGATION_ROUNDS) {
      this.slotRounds = 0;
      this.slot = this.slot === 0 ? 1 : 0;
      this.extraAcked[this.slot] = 0;
    }
    let expected = this.bandwidth * (sample.deliveredAt - this.epochAt);
    if (this.epochAcked <= expected) {
      this.epochAcked = 0;
      this.epochAt = sample.deliveredAt;
      expected = 0;
    }
    this.epochAcked += sample.acked;
    const extra = Math.min(this.epochAcked - expected, this.cwnd);
    if (extra > this.extraAcked[this.slot]) this.extraAcked[this.slot] = extra;
  }

  private updatePhase(sample: AckSample): void {
    const gain = PROBE_BW_GAINS[this.phase] ?? 1;
    const isFull = sample.deliveredAt - this.phaseAt > this.minRttMs;
    let isOver = isFull;
    if (gain > 1) isOver = isFull && (sample.losses > 0 || sample.inflight > this.bdp(gain));
    else if (gain < 1) isOver = isFull || sample.inflight <= this.bdp(1);
    if (!isOver) return;
    this.phase = (this.phase + 1) % PROBE_BW_GAINS.length;
    this.phaseAt = sample.deliveredAt;
  }

  /**
   * The pipe is full when three rounds in a row did not raise the bandwidth by a quarter. Unlike libudx's, those after a loss count
   * half while round trips show no queue: they sent no more than arrived, and one loss in a hundred ended some starts at a tenth of
   * the path's rate.
   */
  private checkFullPipe(sample: AckSample): void {
    if (this.isPipeFull || !this.isRoundStart || sample.isAppLimited) return;
    if (this.bandwidth >= this.bestBandwidth * FULL_PIPE_GROWTH) {
      this.bestBandwidth = this.bandwidth;
      this.flatRounds = 0;
      return;
    }
    const wasConserving = this.rounds - this.conservedAt <= CONSERVATION_SEEN_ROUNDS;
    const hasQueue = sample.srttMs > this.minRttMs * QUEUE_RTT_GAIN;
    this.flatRounds += wasConserving && !hasQueue ? 1 / 2 : 1;
    this.isPipeFull = this.flatRounds >= FULL_PIPE_ROUNDS;
  }

  private checkDrain(sample: AckSample): void {
    if (this.state === STARTUP && this.isPipeFull) this.state = DRAIN;
    if (this.state === DRAIN && sample.inflight <= this.bdp(1)) this.enterProbeBw(sample.nowMs);
  }

  private enterProbeBw(nowMs: number): void {
    this.state = PROBE_BW;
    this.phase = FIRST_PHASE;
    this.phaseAt = nowMs;
  }

  private updateMinRtt(sample: AckSample): void {
    const { nowMs, rttMs } = sample;
    if (rttMs >= 0) this.foreignQueue.onRtt(rttMs);
    if (this.isRoundStart) this.foreignQueue.onRound(this.minRttMs);
    const isOld = nowMs > this.minRttAt + MIN_RTT_WINDOW_MS || this.foreignQueue.isStanding;
    const isExpired = this.hasRtt && isOld;
    if (rttMs >= 0 && (!this.hasRtt || rttMs < this.minRttMs || isExpired)) {
      this.minRttMs = Math.max(rttMs, MIN_RTT_MS);
      this.minRttAt = nowMs;
      this.hasRtt = true;
    }
    if (isExpired && !this.isIdleRestart && this.state !== PROBE_RTT) {
      this.saveCwnd();
      this.foreignQueue.reset();
      this.state = PROBE_RTT;
      this.probeRttUntil = 0;
    }
    if (this.state === PROBE_RTT) this.updateProbeRtt(sample);
    if (!sample.isVoid && sample.delivered > 0) this.isIdleRestart = false;
  }

  private updateProbeRtt(sample: AckSample): void {
    const { nowMs } = sample;
    if (this.probeRttUntil === 0) {
      if (sample.inflight > MIN_CWND) return;
      this.probeRttUntil = nowMs + PROBE_RTT_MS;
      this.isProbeRttRound = false;
      this.nextRound = sample.deliveredTotal;
      return;
    }
    if (this.isRoundStart) this.isProbeRttRound = true;
    if (!this.isProbeRttRound || nowMs <= this.probeRttUntil) return;
    this.minRttAt = nowMs;
    this.restoreCwnd();
    if (this.isPipeFull) this.enterProbeBw(nowMs);
    else this.state = STARTUP;
  }

  private updatePacing(sample: AckSample): void {
    if (!this.hasRtt || this.bandwidth === 0) {
      if (sample.rttMs < 0) return;
      const rtt = Math.max(sample.srttMs, INITIAL_RTT_MS);
      this.pacingRate = (HIGH_GAIN * this.cwnd * this.maxPayload * PACING_MARGIN) / rtt;
      return;
    }
    this.setPacingRate(this.pacingGain);
  }

  private get pacingGain(): number {
    switch (this.state) {
      case STARTUP:
        return HIGH_GAIN;
      case DRAIN:
        return DRAIN_GAIN;
      case PROBE_BW:
        return PROBE_BW_GAINS[this.phase] ?? 1;
      default:
        return 1;
    }
  }

  private setPacingRate(gain: number): void {
    const rate = Math.max(1, Math.floor(this.bandwidth * this.maxPayload * gain * PACING_MARGIN));
    if (this.isPipeFull || rate > this.pacingRate) this.pacingRate = rate;
  }

  private updateCwnd(sample: AckSample): void {
    if (sample.acked > 0) {
      const isFresh = this.updateRecovery(sample);
      if (isFresh || this.isConserving) {
        this.cwnd = Math.max(this.cwnd, sample.inflight + sample.acked);
      } else {
        this.growCwnd(sample);
      }
    }
    if (this.state === PROBE_RTT) this.cwnd = Math.min(this.cwnd, MIN_CWND);
  }

  /** Returns whether recovery began with this ACK: then one packet leaves for each that arrived. */
  private updateRecovery(sample: AckSample): boolean {
    if (sample.losses > 0) this.cwnd = Math.max(this.cwnd - sample.losses, 1);
    switch (this.recovery) {
      case "entering":
        this.recovery = "active";
        this.isConserving = true;
        this.conservedAt = this.rounds;
        this.nextRound = sample.deliveredTotal;
        // Not below MIN_CWND: with a handful in flight a single slot would leave the repair to time-outs.
        this.cwnd = Math.max(sample.inflight + sample.acked, MIN_CWND);
        return true;
      case "leaving":
        this.recovery = "none";
        this.isConserving = false;
        this.restoreCwnd();
        return false;
      case "none":
      case "active":
        return false;
    }
  }

  private growCwnd(sample: AckSample): void {
    const gain = this.state === STARTUP || this.state === DRAIN ? HIGH_GAIN : CWND_GAIN;
    const target = this.bdp(this.state === PROBE_RTT ? 1 : gain) + this.aggregationAllowance;
    if (this.isPipeFull) this.cwnd = Math.min(this.cwnd + sample.acked, target);
    else if (this.cwnd < target || sample.deliveredTotal < INITIAL_CWND) this.cwnd += sample.acked;
    this.cwnd = Math.max(this.cwnd, MIN_CWND);
  }

  private get aggregationAllowance(): number {
    if (!this.isPipeFull) return 0;
    return Math.min(
      Math.max(this.extraAcked[0], this.extraAcked[1]),
      this.bandwidth * AGGREGATION_MAX_MS,
    );
  }

  /** Bandwidth-delay product times `gain`, packets. */
  private bdp(gain: number): number {
    if (!this.hasRtt) return INITIAL_CWND;
    return Math.floor(this.bandwidth * this.minRttMs * gain);
  }

  private saveCwnd(): void {
    // In recovery and PROBE_RTT the window is low on purpose: only ever remember the higher one.
    const isLow = this.recovery !== "none" || this.state === PROBE_RTT;
    this.savedCwnd = isLow ? Math.max(this.savedCwnd, this.cwnd) : this.cwnd;
  }

  private restoreCwnd(): void {
    this.cwnd = Math.max(this.cwnd, this.savedCwnd);
  }
}
