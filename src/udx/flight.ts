/**
 * The packets that are out and what ACKs say about them: delivered, held by the peer beyond a gap, or lost.
 * libudx src/udx.c process_packet, RFC 8985 section 6.2.
 */
import { RTO_MAX_COUNT } from "./constants.ts";
import { type Header, readU32 } from "./header.ts";
import type { PathMtu } from "./mtu.ts";
import { type Packet, PacketList, type PacketPool } from "./packet.ts";
import { Rack } from "./rack.ts";
import { RateSampler } from "./rate.ts";
import type { RttEstimator } from "./rtt.ts";
import { isSackBlockValid, SACK_BLOCK_SIZE, SACK_MAX_BLOCKS } from "./sack.ts";
import { SendQueue } from "./send-queue.ts";

/** Outcome of one round of loss detection. */
export interface Losses {
  /** Packets newly lost, and how many of them were MTU probes. */
  packets: number;
  probes: number;
  /** Wait until others may be lost, ms; 0 for none. */
  waitMs: number;
}

export class Flight {
  readonly queue: SendQueue;
  readonly rate: RateSampler = new RateSampler();
  /** Payload bytes in packets that have not arrived, as far as is known. */
  unackedBytes = 0;
  /** Payload bytes acknowledged in order since the start. */
  ackedBytes = 0;
  /** Packets the peer holds beyond a gap. */
  sacked = 0;
  /** RTT of the ACK being processed, ms; -1 without one. */
  ackRttMs = -1;

  private readonly sent = new PacketList();
  private readonly lost = new PacketList();
  private readonly rack: Rack;
  private readonly rtt: RttEstimator;
  private readonly mtu: PathMtu;
  private readonly pool: PacketPool;
  /** The last ACK says nothing about packets from here on: its list of blocks was full. */
  private sackHorizon: number;
  private readonly losses: Losses = { packets: 0, probes: 0, waitMs: 0 };

  constructor(pool: PacketPool, rtt: RttEstimator, mtu: PathMtu, initialSeq: number) {
    this.pool = pool;
    this.rtt = rtt;
    this.mtu = mtu;
    this.queue = new SendQueue(initialSeq);
    this.rack = new Rack(rtt, initialSeq);
    this.sackHorizon = initialSeq;
  }

  /** Packets in flight: sent, neither arrived nor lost. */
  get inflight(): number {
    return this.sent.length;
  }

  /** First packet to send again, in the order of their loss. */
  get firstLost(): Packet | null {
    return this.lost.head;
  }

  /** Notes a transmission, the first or another; `packet` is then in flight. */
  onSend(packet: Packet, nowMs: number): void {
    this.rate.onSend(packet, this.queue.outstanding, nowMs);
    if (packet.state === "lost") this.lost.remove(packet);
    else if (packet.state === "inflight") this.sent.remove(packet);
    if (packet.sends === 0) {
      this.queue.append(packet);
      this.unackedBytes += packet.payloadLength;
    } else {
      this.stripPadding(packet);
    }
    packet.sends++;
    packet.sentAt = nowMs;
    packet.state = "inflight";
    this.sent.append(packet);
  }

  /** Applies ack and SACK blocks. Returns whether anything was newly acknowledged. */
  onAck(header: Header, datagram: Uint8Array, nowMs: number, flushed: number): boolean {
    const { queue, rate } = this;
    rate.begin();
    this.ackRttMs = -1;
    const before = rate.delivered;
    while (queue.outstanding > 0 && ((header.ack - queue.una) | 0) > 0) {
      this.acknowledgeFirst(nowMs, flushed);
    }
    this.sackHorizon = queue.nxt;
    if (header.sackEnd > header.sackStart) this.acknowledgeBlocks(header, datagram, nowMs);
    return rate.delivered > before;
  }

  /** Runs RACK. The result is reused by the next call. */
  detectLosses(isOpen: boolean, nowMs: number, flushed: number): Losses {
    const { losses, rack } = this;
    losses.packets = 0;
    losses.probes = 0;
    const window = rack.reorderWindow(isOpen, this.sacked);
    losses.waitMs = rack.detect(this.sent, nowMs, window, flushed, this.sackHorizon, this);
    return losses;
  }

  /** Called by Rack.detect. */
  markLost(packet: Packet): void {
    this.sent.remove(packet);
    packet.state = "lost";
    this.lost.append(packet);
    this.rate.lost++;
    this.losses.packets++;
    if (this.stripPadding(packet)) this.losses.probes++;
  }

  /**
   * The retransmission timer fired: the first packet and all that are overdue count as lost. Returns false
   * when one of them has used up its time-outs.
   */
  onTimeout(nowMs: number): boolean {
    const { queue, rack } = this;
    const window = rack.reorderWindow(false, this.sacked);
    this.lost.clear();
    for (let seq = queue.una; seq !== queue.nxt; seq = (seq + 1) | 0) {
      const packet = queue.at(seq);
      if (packet === undefined || packet.state === "sacked") continue;
      if (packet.state === "lost") {
        this.lost.append(packet);
      } else if (seq === queue.una || rack.deadline(packet.sentAt, window) < nowMs) {
        if (packet.rtoCount === RTO_MAX_COUNT) return false;
        packet.rtoCount++;
        this.markLost(packet);
      }
    }
    return true;
  }

  /** The outstanding packets no longer belong to the socket that carried them, see UDXSocket.releaseQueued. */
  forgetMarks(): void {
    for (let seq = this.queue.una; seq !== this.queue.nxt; seq = (seq + 1) | 0) {
      const packet = this.queue.at(seq);
      if (packet !== undefined) packet.mark = 0;
    }
  }

  /** Drops everything. */
  clear(flushed: number): void {
    this.sent.clear();
    this.lost.clear();
    while (this.queue.outstanding > 0) {
      const packet = this.queue.shift();
      if (packet !== undefined) this.release(packet, flushed);
    }
    this.unackedBytes = 0;
  }

  private acknowledgeFirst(nowMs: number, flushed: number): void {
    const packet = this.queue.shift();
    if (packet === undefined) return;
    if (packet.state === "sacked") this.sacked--;
    else this.acknowledge(packet, nowMs);
    this.ackedBytes += packet.payloadLength;
    this.release(packet, flushed);
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
    const isFull = header.sackEnd - header.sackStart >= SACK_MAX_BLOCKS * SACK_BLOCK_SIZE;
    if (isFull) this.sackHorizon = lowest;
  }

  /** Bookkeeping of a packet that arrived, once per packet. */
  private acknowledge(packet: Packet, nowMs: number): void {
    const rttMs = nowMs - packet.sentAt;
    // Of a packet given up for lost it was the ACK that was lost: when this one comes says nothing (Karn).
    const isTimed = packet.sends === 1 && packet.state === "inflight";
    if (packet.state === "inflight") this.sent.remove(packet);
    else this.lost.remove(packet);
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

  /** A probe that must be sent again goes out plain: its size may be what killed it. */
  private stripPadding(packet: Packet): boolean {
    if (packet.padding === 0) return false;
    packet.padding = 0;
    this.mtu.onProbeLost();
    return true;
  }

  /** Back to the pool, unless a blocked socket still points at its memory. */
  private release(packet: Packet, flushed: number): void {
    if (packet.mark <= flushed) this.pool.give(packet);
    else this.pool.letGo();
  }
}
