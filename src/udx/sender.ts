/**
 * The sending half of a stream: what may leave when, what was lost, when to give up. No I/O and no clock of
 * its own; every entry point takes the time. Follows libudx src/udx.c (send_data_packets, process_packet,
 * udx_rto_timeout) and RFC 8985.
 */
import type { CongestionController } from "./congestion.ts";
import {
  RECV_WINDOW_MAX,
  REORDER_LIMIT,
  RTO_MAX_COUNT,
  TIMER_GRANULARITY_MS,
  WRITE_HIGH_WATER,
} from "./constants.ts";
import { type Header, readU32, TYPE_DATA, TYPE_END } from "./header.ts";
import { PathMtu } from "./mtu.ts";
import { Pacer } from "./pacer.ts";
import { Packet, PacketList, type PacketPool } from "./packet.ts";
import { Rack } from "./rack.ts";
import { RateSampler } from "./rate.ts";
import { RttEstimator } from "./rtt.ts";
import { isSackBlockValid, SACK_BLOCK_SIZE } from "./sack.ts";
import { SendQueue, WriteQueue } from "./send-queue.ts";
import { seqDiff } from "./seq.ts";
import { TailProbe } from "./tail-probe.ts";

/** What the sender needs from the endpoint around it. */
export interface SenderPort {
  /** Counts of datagrams the socket has passed on; a packet whose `mark` is above still waits there. */
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

export class Sender {
  readonly queue: SendQueue;
  readonly writes: WriteQueue = new WriteQueue();
  readonly rtt: RttEstimator = new RttEstimator();
  readonly mtu: PathMtu = new PathMtu();
  readonly congestion: CongestionController;
  /** Payload bytes in packets that are not acknowledged. */
  unackedBytes = 0;
  /** Payload bytes acknowledged in order since the start. */
  ackedBytes = 0;
  /** The peer has acknowledged our END. */
  isEnded = false;
  /** Pacing holds packets back: call `pump` again in a millisecond. */
  isPaced = false;
  /** No MTU probe while the remote is changing: its loss would say nothing about the new path. */
  isProbingAllowed = true;
  /** When the one timer of the stream is due, ms; Infinity for never. */
  timerAt: number = Number.POSITIVE_INFINITY;
  keepaliveMs = 0;

  rtoCount = 0;
  retransmits = 0;
  fastRecoveries = 0;

  private readonly port: SenderPort;
  private readonly pool: PacketPool;
  private readonly inflightList = new PacketList();
  private readonly lostList = new PacketList();
  private readonly rack: Rack;
  private readonly rate = new RateSampler();
  private readonly pacer = new Pacer();
  private readonly tail = new TailProbe();
  private timer: TimerKind = "none";
  private rtoAt = 0;
  private state: RecoveryState = "open";
  /** SND.NXT when the current recovery began; an ACK above it ends the recovery. */
  private highSeq = 0;
  private sacked = 0;
  private probesLost = 0;
  private isEnding = false;
  private isEndSent = false;
  private endSeq = 0;
  private peerWindow: number = RECV_WINDOW_MAX;
  private windowSeq: number;
  private windowAck: number;
  private ackRttMs = -1;

  constructor(
    port: SenderPort,
    pool: PacketPool,
    congestion: CongestionController,
    initialSeq: number,
    initialAck: number,
  ) {
    this.port = port;
    this.pool = pool;
    this.congestion = congestion;
    this.queue = new SendQueue(initialSeq);
    this.rack = new Rack(this.rtt, initialSeq);
    this.windowSeq = initialAck;
    this.windowAck = initialSeq;
  }

  get inflight(): number {
    return this.inflightList.length;
  }

  /** Bytes or END that no packet carries yet. */
  get hasUnsent(): boolean {
    return this.writes.bytes > 0 || (this.isEnding && !this.isEndSent);
  }

  /** Whether the writer should wait. libudx udx_stream_write's return value. */
  get isBackpressured(): boolean {
    const window = Math.min(this.congestion.cwnd * this.mtu.maxPayload, this.peerWindow);
    return this.writes.bytes + this.unackedBytes > WRITE_HIGH_WATER + window;
  }

  /** The peer's first expected packet differs from 0. Only before anything was received. */
  setInitialAck(ack: number): void {
    this.windowSeq = ack;
  }

  /** Takes bytes to send; the buffer must not change until acknowledged. */
  write(chunk: Buffer): void {
    this.writes.push(chunk);
  }

  end(): void {
    this.isEnding = true;
  }

  /** Sends what recovery, windows and pacing let through, then sees to the timer. */
  pump(nowMs: number): void {
    const { congestion, pacer } = this;
    pacer.refill(nowMs, congestion.pacingRate);
    this.isPaced = false;

    while (this.lostList.head !== null && this.inflight < congestion.cwnd) {
      if (!pacer.ready) {
        this.isPaced = true;
        break;
      }
      const packet = this.lostList.head;
      this.lostList.remove(packet);
      this.transmit(packet, nowMs);
    }

    const limit = Math.min(congestion.cwnd, this.windowPackets());
    let sentNew = false;
    while (!this.isPaced && this.hasUnsent && this.inflight < limit) {
      if (this.queue.outstanding >= REORDER_LIMIT) break;
      if (!pacer.ready) {
        this.isPaced = true;
        break;
      }
      this.sendNew(nowMs, this.isProbingAllowed);
      sentNew = true;
    }

    if (!this.hasUnsent && this.lostList.length === 0 && this.inflight < congestion.cwnd) {
      this.rate.markAppLimited(this.inflight);
    }
    if (sentNew && this.timer !== "reorder") this.armTail(nowMs);
    if (this.queue.outstanding === 0) this.armIdle(nowMs);
  }

  /**
   * Processes ack, window and SACK blocks of a packet whose `ack` does not exceed SND.NXT. The caller pumps
   * afterwards.
   */
  onAck(header: Header, datagram: Uint8Array, nowMs: number): void {
    const { queue, rate } = this;
    const { ack } = header;
    const hadInflight = queue.outstanding > 0;
    this.updateWindow(header);
    if (!hadInflight) return;

    this.tail.onAck(ack);
    if (this.state !== "open" && seqDiff(ack, this.highSeq) > 0) {
      this.state = "open";
      this.congestion.onRecovery(false);
    }

    rate.begin();
    this.ackRttMs = -1;
    const deliveredBefore = rate.delivered;
    while (seqDiff(ack, queue.una) > 0) this.acknowledgeFirst(nowMs);
    if (header.sackEnd > header.sackStart) this.acknowledgeBlocks(header, datagram, nowMs);

    if (rate.delivered > deliveredBefore) {
      if (this.ackRttMs >= 0) {
        this.rtt.update(this.ackRttMs, nowMs);
        this.tail.onRttSample();
      }
      this.afterProgress(nowMs);
    }

    const sample = rate.finish(nowMs, this.inflight, this.rtt.min);
    sample.srttMs = this.rtt.srtt;
    sample.maxPayload = this.mtu.maxPayload;
    this.congestion.onAck(sample);
    if (this.congestion.isHoldingBack) rate.markAppLimited(this.inflight);
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
        this.timerAt = Number.POSITIVE_INFINITY;
        break;
    }
  }

  /** An idle stream whose peer had closed its window asks at once instead of after a time-out. */
  probeWindow(nowMs: number): void {
    if (this.queue.outstanding > 0 || this.peerWindow > 0 || this.timer === "window-probe") return;
    this.port.heartbeat();
    this.setTimer("window-probe", nowMs + this.rtt.rto);
  }

  setKeepalive(ms: number): void {
    this.keepaliveMs = ms;
    if (this.timer === "keepalive") this.setTimer("none", Number.POSITIVE_INFINITY);
  }

  /** Packets outstanding no longer belong to the socket that carried them, see UDXSocket.releaseQueued. */
  forgetMarks(): void {
    for (let seq = this.queue.una; seq !== this.queue.nxt; seq = (seq + 1) | 0) {
      const packet = this.queue.at(seq);
      if (packet !== undefined) packet.mark = 0;
    }
  }

  /** Drops everything; the stream is closed. */
  close(): void {
    this.writes.clear();
    this.inflightList.clear();
    this.lostList.clear();
    while (this.queue.outstanding > 0) {
      const packet = this.queue.shift();
      if (packet !== undefined) this.release(packet);
    }
    this.unackedBytes = 0;
    this.setTimer("none", Number.POSITIVE_INFINITY);
  }

  private windowPackets(): number {
    if (this.peerWindow === 0) return 0;
    return Math.max(1, Math.floor(this.peerWindow / this.mtu.maxPayload));
  }

  /** RFC 9293 section 3.10.7.4, SND.WL1 and SND.WL2: an old packet must not undo a newer window. */
  private updateWindow(header: Header): void {
    if (seqDiff(header.ack, this.queue.una) < 0) return;
    const newer = seqDiff(header.seq, this.windowSeq);
    if (newer < 0 || (newer === 0 && seqDiff(header.ack, this.windowAck) < 0)) return;
    this.peerWindow = header.window;
    this.windowSeq = header.seq;
    this.windowAck = header.ack;
  }

  private sendNew(nowMs: number, mayProbe: boolean): void {
    const packet = this.pool.take();
    const { queue, writes, mtu } = this;
    packet.seq = queue.nxt;
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
    this.unackedBytes += packet.payloadLength;
    this.transmit(packet, nowMs);
    queue.append(packet);
  }

  private transmit(packet: Packet, nowMs: number): void {
    const { rate } = this;
    if (packet.sends === 0) this.congestion.onSend(nowMs, this.inflight, rate.isAppLimited);
    else this.retransmits++;
    rate.onSend(packet, this.queue.outstanding, nowMs);
    packet.sends++;
    packet.sentAt = nowMs;
    packet.state = "inflight";
    this.inflightList.append(packet);
    this.pacer.spend(packet.size);
    this.port.transmit(packet);
    if (this.timer === "none" || this.timer === "window-probe" || this.timer === "keepalive") {
      this.rtoAt = nowMs + this.rtt.rto;
      this.setTimer("rto", this.rtoAt);
    }
  }

  private acknowledgeFirst(nowMs: number): void {
    const packet = this.queue.shift();
    if (packet === undefined) return;
    if (packet.state === "sacked") this.sacked--;
    else this.acknowledge(packet, nowMs);
    this.ackedBytes += packet.payloadLength;
    if (this.isEndSent && packet.seq === this.endSeq) this.isEnded = true;
    this.release(packet);
  }

  private acknowledgeBlocks(header: Header, datagram: Uint8Array, nowMs: number): void {
    const { queue } = this;
    let lowest = queue.una;
    for (let at = header.sackStart; at < header.sackEnd; at += SACK_BLOCK_SIZE) {
      const start = readU32(datagram, at);
      const end = readU32(datagram, at + 4);
      if (!isSackBlockValid(start, end, lowest, queue.nxt)) continue;
      for (let seq = start; seq !== end; seq = (seq + 1) | 0) {
        const packet = queue.at(seq);
        if (packet === undefined || packet.state === "sacked") continue;
        this.acknowledge(packet, nowMs);
        packet.state = "sacked";
        this.sacked++;
      }
      lowest = end;
    }
  }

  /** Bookkeeping of a packet that arrived, once per packet. */
  private acknowledge(packet: Packet, nowMs: number): void {
    if (packet.state === "inflight") this.inflightList.remove(packet);
    else this.lostList.remove(packet);
    const rttMs = nowMs - packet.sentAt;
    const isTimed = packet.sends === 1;
    // The latest-sent packet of an ACK waited least for it: its time is the path's.
    if (isTimed && (this.ackRttMs < 0 || rttMs < this.ackRttMs)) this.ackRttMs = rttMs;
    this.rack.onAcked(packet, rttMs);
    this.rate.onAcked(packet);
    if (isTimed || rttMs >= this.rtt.min) this.rate.sample.rttMs = rttMs;
    this.unackedBytes -= packet.payloadLength;
    if (this.rate.delivered === 1) this.mtu.onFirstAck();
    if (packet.padding > 0) {
      packet.padding = 0;
      this.mtu.onProbeAcked();
    }
  }

  /** Loss detection and timer after an ACK that acknowledged something new. libudx process_packet. */
  private afterProgress(nowMs: number): void {
    if (this.queue.outstanding === 0) {
      this.setTimer("none", Number.POSITIVE_INFINITY);
      return;
    }
    this.rtoAt = nowMs + this.rtt.rto;
    const wait = this.detectLoss(nowMs);
    if (wait === 0) this.armTail(nowMs);
  }

  /** Runs RACK and arms the reorder timer when packets may still be late rather than lost. */
  private detectLoss(nowMs: number): number {
    const lostBefore = this.rate.lost;
    this.probesLost = 0;
    const window = this.rack.reorderWindow(this.state === "open", this.sacked);
    const wait = this.rack.detect(this.inflightList, nowMs, window, this.port.flushed, this);
    const lost = this.rate.lost - lostBefore;
    // A lost probe says the packet was too big, not that the path is congested.
    if (lost > this.probesLost && this.state === "open") {
      this.state = "recovery";
      this.highSeq = this.queue.nxt;
      this.fastRecoveries++;
      this.tail.cancel();
      this.congestion.onRecovery(true);
    }
    if (wait > 0) this.setTimer("reorder", nowMs + wait);
    return wait;
  }

  /** Called by Rack.detect. */
  markLost(packet: Packet): void {
    this.inflightList.remove(packet);
    packet.state = "lost";
    this.lostList.append(packet);
    this.rate.lost++;
    if (packet.padding > 0) {
      packet.padding = 0;
      this.probesLost++;
      this.mtu.onProbeLost();
    }
  }

  private onRto(nowMs: number): void {
    const { queue } = this;
    this.state = "loss";
    this.highSeq = queue.nxt;
    this.rtoCount++;
    this.tail.cancel();
    this.rtoAt = nowMs + 2 * this.rtt.rto;
    this.setTimer("rto", this.rtoAt);

    const window = this.rack.reorderWindow(false, this.sacked);
    this.lostList.clear();
    for (let seq = queue.una; seq !== queue.nxt; seq = (seq + 1) | 0) {
      const packet = queue.at(seq);
      if (packet === undefined || packet.state === "sacked") continue;
      if (packet.state === "lost") {
        this.lostList.append(packet);
      } else if (seq === queue.una || this.rack.deadline(packet.sentAt, window) < nowMs) {
        if (packet.rtoCount === RTO_MAX_COUNT) {
          this.port.timedOut();
          return;
        }
        packet.rtoCount++;
        this.markLost(packet);
      }
    }
    this.congestion.onRto(this.inflight);
  }

  private onTail(nowMs: number): void {
    this.setTimer("rto", Math.max(this.rtoAt, nowMs + TIMER_GRANULARITY_MS));
    if (!this.tail.isAllowed || this.queue.outstanding === 0) return;
    if (this.hasUnsent) {
      this.tail.onSent(this.queue.nxt, false);
      this.sendNew(nowMs, false);
    } else {
      const seq = (this.queue.nxt - 1) | 0;
      const packet = this.queue.at(seq);
      if (packet === undefined || packet.state !== "inflight") return;
      this.tail.onSent(seq, true);
      this.inflightList.remove(packet);
      this.transmit(packet, nowMs);
    }
    this.rtoAt = nowMs + this.rtt.rto;
    this.setTimer("rto", this.rtoAt);
  }

  /** RFC 8985 section 7.2: a probe only in the open state with nothing SACKed, and never later than the RTO. */
  private armTail(nowMs: number): void {
    if (this.state === "open" && this.sacked === 0 && this.tail.isAllowed) {
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
    if (this.peerWindow === 0 && this.hasUnsent) {
      if (this.timer !== "window-probe") this.setTimer("window-probe", nowMs + this.rtt.rto);
    } else if (this.keepaliveMs > 0) {
      if (this.timer !== "keepalive") this.setTimer("keepalive", nowMs + this.keepaliveMs);
    } else {
      this.setTimer("none", Number.POSITIVE_INFINITY);
    }
  }

  private setTimer(kind: TimerKind, at: number): void {
    this.timer = kind;
    this.timerAt = at;
  }

  /** Back to the pool, unless a blocked socket still points at its memory. */
  private release(packet: Packet): void {
    if (packet.mark <= this.port.flushed) this.pool.give(packet);
  }
}
