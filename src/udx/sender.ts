/**
 * The sending half of a stream: what may leave when, and when to give up. No I/O and no clock of its own;
 * every entry point takes the time. Follows libudx src/udx.c (send_data_packets, process_packet,
 * udx_rto_timeout) and RFC 8985.
 */
import type { CongestionController } from "./congestion.ts";
import {
  PACKETS_GUARANTEED,
  PACKETS_IN_USE_MAX,
  REORDER_LIMIT,
  TIMER_GRANULARITY_MS,
  WRITE_HIGH_WATER,
} from "./constants.ts";
import { Flight } from "./flight.ts";
import { type Header, TYPE_DATA, TYPE_END } from "./header.ts";
import { PathMtu } from "./mtu.ts";
import { Pacer } from "./pacer.ts";
import { Packet, type PacketPool } from "./packet.ts";
import { PeerWindow } from "./peer-window.ts";
import { RttEstimator } from "./rtt.ts";
import { type SendQueue, WriteQueue } from "./send-queue.ts";
import { seqDiff } from "./seq.ts";
import { TailProbe } from "./tail-probe.ts";

/** What the sender needs from the endpoint around it. */
export interface SenderPort {
  /** Count of datagrams the socket has passed on; a packet whose `mark` is above still waits there. */
  readonly flushed: number;
  /** Completes the header of `packet` and queues its datagram. */
  transmit(packet: Packet): void;
  /** Sends a HEARTBEAT: an ACK comes back. */
  heartbeat(): void;
  /** A packet used up its time-outs. */
  timedOut(): void;
}

type TimerKind = "none" | "rto" | "reorder" | "tail-probe" | "window-probe" | "keepalive";
type RecoveryState = "open" | "recovery" | "loss";

const NEVER = Number.POSITIVE_INFINITY;

export class Sender {
  readonly writes: WriteQueue = new WriteQueue();
  readonly rtt: RttEstimator = new RttEstimator();
  readonly mtu: PathMtu = new PathMtu();
  readonly flight: Flight;
  readonly congestion: CongestionController;
  /** Pacing holds packets back: call `pump` again in a millisecond. */
  isPaced = false;
  /** No MTU probe while the remote is changing: its loss would say nothing about the new path. */
  isProbingAllowed = true;
  /** When the one timer of the stream is due, ms; Infinity for never. */
  timerAt: number = NEVER;

  rtoCount = 0;
  retransmits = 0;
  fastRecoveries = 0;

  private readonly port: SenderPort;
  private readonly pool: PacketPool;
  private readonly window: PeerWindow;
  private readonly pacer = new Pacer();
  private readonly tail = new TailProbe();
  private timer: TimerKind = "none";
  private rtoAt = 0;
  private keepaliveMs = 0;
  private state: RecoveryState = "open";
  /** SND.NXT when the current recovery began; an ACK above it ends the recovery. */
  private highSeq = 0;
  private isEnding = false;
  private isEndSent = false;
  private endSeq = 0;

  constructor(
    port: SenderPort,
    pool: PacketPool,
    congestion: CongestionController,
    initialSeq: number,
  ) {
    this.port = port;
    this.pool = pool;
    this.congestion = congestion;
    this.flight = new Flight(pool, this.rtt, this.mtu, initialSeq);
    this.window = new PeerWindow(0, initialSeq);
  }

  get queue(): SendQueue {
    return this.flight.queue;
  }

  /** Bytes or END that no packet carries yet. */
  get hasUnsent(): boolean {
    return this.writes.bytes > 0 || (this.isEnding && !this.isEndSent);
  }

  /** The peer has acknowledged our END. */
  get isEnded(): boolean {
    return this.isEndSent && seqDiff(this.queue.una, this.endSeq) > 0;
  }

  /** Whether the writer should wait. libudx udx_stream_write's return value. */
  get isBackpressured(): boolean {
    const limit = Math.min(this.congestion.cwnd * this.mtu.maxPayload, this.window.bytes);
    return this.writes.bytes + this.flight.unackedBytes > WRITE_HIGH_WATER + limit;
  }

  /** The peer takes nothing at present. */
  get isWindowClosed(): boolean {
    return this.window.isClosed;
  }

  /** The peer's first sequence number is not 0. Only before anything was received. */
  setInitialAck(ack: number): void {
    this.window.setInitialSeq(ack);
  }

  /** Takes bytes to send; the buffer must not change until it is cut into packets. */
  write(chunk: Buffer): void {
    this.writes.push(chunk);
  }

  end(): void {
    this.isEnding = true;
  }

  /** Sends what recovery, windows and pacing let through, then sees to the timer. */
  pump(nowMs: number): void {
    const { congestion, flight, pacer } = this;
    pacer.refill(nowMs, congestion.pacingRate);
    this.isPaced = false;

    while (flight.firstLost !== null && flight.inflight < congestion.cwnd && this.isBudgetLeft()) {
      this.transmit(flight.firstLost, nowMs);
    }
    const limit = Math.min(congestion.cwnd, this.window.packets(this.mtu.maxPayload));
    let sentNew = false;
    while (this.hasUnsent && flight.inflight < limit && this.isBudgetLeft()) {
      if (this.isFull) break;
      this.sendNew(nowMs, this.isProbingAllowed);
      sentNew = true;
    }

    if (!this.hasUnsent && flight.firstLost === null && flight.inflight < congestion.cwnd) {
      flight.rate.markAppLimited(flight.inflight);
    }
    if (sentNew && this.timer !== "reorder") this.armTail(nowMs);
    if (this.queue.outstanding === 0) this.armIdle(nowMs);
  }

  /**
   * Processes ack, window and SACK blocks of a packet whose `ack` does not exceed SND.NXT. The caller pumps
   * afterwards.
   */
  onAck(header: Header, datagram: Uint8Array, nowMs: number): void {
    const { congestion, flight, queue } = this;
    this.window.update(header.window, header.seq, header.ack, queue.una);
    if (queue.outstanding === 0) return;

    this.tail.onAck(header.ack);
    if (this.state !== "open" && seqDiff(header.ack, this.highSeq) > 0) {
      this.state = "open";
      congestion.onRecovery(false);
    }
    const hasProgress = flight.onAck(header, datagram, nowMs, this.port.flushed);
    if (flight.ackRttMs >= 0) {
      this.rtt.update(flight.ackRttMs, nowMs);
      this.tail.onRttSample();
    }
    if (hasProgress) this.afterProgress(nowMs);

    const sample = flight.rate.finish(nowMs, flight.inflight, this.rtt.min);
    sample.srttMs = this.rtt.srtt;
    sample.maxPayload = this.mtu.maxPayload;
    congestion.onAck(sample);
    if (congestion.isHoldingBack) flight.rate.markAppLimited(flight.inflight);
  }

  /** The timer set by `timerAt` is due. The caller pumps afterwards. */
  onTimer(nowMs: number): void {
    switch (this.timer) {
      case "rto":
        this.onRto(nowMs);
        break;
      case "reorder":
        this.setTimer("rto", Math.max(this.rtoAt, nowMs + TIMER_GRANULARITY_MS));
        this.detectLoss(nowMs);
        break;
      case "tail-probe":
        this.onTail(nowMs);
        break;
      case "window-probe":
        this.port.heartbeat();
        this.setTimer("window-probe", nowMs + 2 * this.rtt.rto);
        break;
      case "keepalive":
        this.port.heartbeat();
        this.setTimer("keepalive", nowMs + this.keepaliveMs);
        break;
      case "none":
        this.timerAt = NEVER;
        break;
    }
  }

  /** An idle stream whose peer had closed its window asks at once instead of after a time-out. */
  probeWindow(nowMs: number): void {
    if (!this.window.isClosed || this.queue.outstanding > 0 || this.timer === "window-probe")
      return;
    this.port.heartbeat();
    this.setTimer("window-probe", nowMs + this.rtt.rto);
  }

  /** HEARTBEAT after `ms` without anything outstanding; 0 for never. */
  setKeepalive(ms: number): void {
    this.keepaliveMs = ms;
    if (this.timer === "keepalive") this.setTimer("none", NEVER);
  }

  /** Drops everything; the stream is closed. */
  close(): void {
    this.writes.clear();
    this.flight.clear(this.port.flushed);
    this.setTimer("none", NEVER);
  }

  /** So much waits for an ACK in order that no more may join it. */
  private get isFull(): boolean {
    const { outstanding } = this.queue;
    if (outstanding >= REORDER_LIMIT) return true;
    return outstanding >= PACKETS_GUARANTEED && this.pool.inUse >= PACKETS_IN_USE_MAX;
  }

  private isBudgetLeft(): boolean {
    this.isPaced = !this.pacer.ready;
    return !this.isPaced;
  }

  private sendNew(nowMs: number, mayProbe: boolean): void {
    const packet = this.pool.take();
    const { mtu, writes } = this;
    packet.seq = this.queue.nxt;
    packet.payloadLength = writes.take(packet.memory, Packet.payloadAt, mtu.maxPayload);
    packet.type = packet.payloadLength > 0 ? TYPE_DATA : 0;
    if (this.isEnding && writes.bytes === 0) {
      packet.type |= TYPE_END;
      this.isEndSent = true;
      this.endSeq = packet.seq;
    } else if (mayProbe) {
      packet.padding = mtu.paddingFor(packet.payloadLength);
      if (packet.padding > 0) mtu.onProbeSent();
    }
    this.transmit(packet, nowMs);
  }

  private transmit(packet: Packet, nowMs: number): void {
    const { flight } = this;
    if (packet.sends > 0) this.retransmits++;
    else this.congestion.onSend(nowMs, flight.inflight, flight.rate.isAppLimited);
    flight.onSend(packet, nowMs);
    this.pacer.spend(packet.size);
    this.port.transmit(packet);
    if (this.timer === "none" || this.timer === "window-probe" || this.timer === "keepalive") {
      this.rtoAt = nowMs + this.rtt.rto;
      this.setTimer("rto", this.rtoAt);
    }
  }

  /** Loss detection and timer after an ACK that acknowledged something new. */
  private afterProgress(nowMs: number): void {
    if (this.queue.outstanding === 0) {
      this.setTimer("none", NEVER);
      return;
    }
    this.rtoAt = nowMs + this.rtt.rto;
    this.armTail(nowMs);
    this.detectLoss(nowMs);
  }

  /** Runs RACK; arms the reorder timer when packets may still be late rather than lost. */
  private detectLoss(nowMs: number): void {
    const { packets, probes, waitMs } = this.flight.detectLosses(
      this.state === "open",
      nowMs,
      this.port.flushed,
    );
    // A lost probe says the packet was too big, not that the path is congested.
    if (packets > probes && this.state === "open") {
      this.state = "recovery";
      this.highSeq = this.queue.nxt;
      this.fastRecoveries++;
      this.tail.cancel();
      this.congestion.onRecovery(true);
      if (this.timer === "tail-probe") this.setTimer("rto", this.rtoAt);
    }
    if (waitMs > 0) this.setTimer("reorder", nowMs + waitMs);
  }

  private onRto(nowMs: number): void {
    this.state = "loss";
    this.highSeq = this.queue.nxt;
    this.rtoCount++;
    this.tail.cancel();
    // The estimate itself is not doubled: a packet is sent at 0, 1, 3, 5, … times the RTO.
    this.rtoAt = nowMs + 2 * this.rtt.rto;
    this.setTimer("rto", this.rtoAt);
    if (this.flight.onTimeout(nowMs)) this.congestion.onRto(this.flight.inflight);
    else this.port.timedOut();
  }

  /** Sends new data if there is any, whatever the windows say, else the last packet again. */
  private onTail(nowMs: number): void {
    this.setTimer("rto", Math.max(this.rtoAt, nowMs + TIMER_GRANULARITY_MS));
    if (!this.tail.isAllowed || this.queue.outstanding === 0) return;
    if (this.hasUnsent) {
      this.tail.onSent(this.queue.nxt, false);
      this.sendNew(nowMs, false);
    } else {
      const last = this.queue.at((this.queue.nxt - 1) | 0);
      if (last === undefined || last.state !== "inflight") return;
      this.tail.onSent(last.seq, true);
      this.transmit(last, nowMs);
    }
    this.rtoAt = nowMs + this.rtt.rto;
    this.setTimer("rto", this.rtoAt);
  }

  /** RFC 8985 section 7.2: a probe only in the open state with nothing SACKed, and never later than the RTO. */
  private armTail(nowMs: number): void {
    if (this.state === "open" && this.flight.sacked === 0 && this.tail.isAllowed) {
      const at = nowMs + this.tail.delay(this.rtt, this.queue.outstanding);
      if (at < this.rtoAt) {
        this.setTimer("tail-probe", at);
        return;
      }
    }
    this.setTimer("rto", this.rtoAt);
  }

  /** Nothing is outstanding: probe a closed window, keep the path alive, or rest. */
  private armIdle(nowMs: number): void {
    if (this.window.isClosed && this.hasUnsent) {
      if (this.timer !== "window-probe") this.setTimer("window-probe", nowMs + this.rtt.rto);
    } else if (this.keepaliveMs > 0) {
      if (this.timer !== "keepalive") this.setTimer("keepalive", nowMs + this.keepaliveMs);
    } else {
      this.setTimer("none", NEVER);
    }
  }

  private setTimer(kind: TimerKind, at: number): void {
    this.timer = kind;
    this.timerAt = at;
  }
}
