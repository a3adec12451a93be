/**
 * One end of a UDX stream without its public face: takes datagrams, gives datagrams, keeps the timer and
 * decides when the stream is over. libudx src/udx.c process_packet and the udx_stream_* functions.
 */
import type { Clock } from "../core/clock.ts";
import { Bbr } from "./bbr.ts";
import { REORDER_LIMIT, TIMER_GRANULARITY_MS } from "./constants.ts";
import { connectionReset, connectionTimedOut, type UdxError } from "./error.ts";
import {
  encodeHeader,
  Header,
  HEADER_SIZE,
  tryDecodeHeader,
  TYPE_ACK,
  TYPE_DATA,
  TYPE_DESTROY,
  TYPE_END,
  TYPE_HEARTBEAT,
  TYPE_MESSAGE,
  TYPE_SACK,
} from "./header.ts";
import type { Packet, PacketPool } from "./packet.ts";
import { PendingAck } from "./pending-ack.ts";
import { Receiver } from "./receiver.ts";
import { SACK_BLOCK_SIZE, SACK_MAX_BLOCKS } from "./sack.ts";
import { Sender, type SenderPort } from "./sender.ts";
import { seqDiff } from "./seq.ts";
import type { Turn, TurnTask } from "./turn.ts";

/** What the endpoint tells the stream object. Any of these may destroy the stream. */
export interface EndpointEvents {
  /** Bytes the reader has been given but has not taken. */
  unread(): number;
  onChunk(chunk: Buffer): void;
  /** The peer's END and everything before it has been delivered and acknowledged. */
  onRemoteEnd(): void;
  onMessage(payload: Buffer): void;
  /** Back-pressure is over. */
  onWritable(): void;
  /** More bytes were acknowledged in order. */
  onAcked(): void;
  onRemoteChanged(): void;
  /** The protocol is over; `error` is null after a clean end or a local destroy. Comes once. */
  onClosed(error: UdxError | null, isClean: boolean): void;
}

/** The socket as an endpoint sees it. */
export interface Outlet {
  /** Datagrams passed on so far; compare with what `queue` returned. */
  readonly flushed: number;
  /** Queues a datagram for the end of the turn and returns its number. Keeps the buffer until then. */
  queue(datagram: Buffer, port: number, host: string): number;
  /** Sends what is queued now. */
  flush(): void;
  /** Counts a stream packet as transmitted. */
  countTransmitted(bytes: number): void;
}

export interface Remote {
  readonly outlet: Outlet;
  readonly id: number;
  readonly port: number;
  readonly host: string;
  /** Family of the socket: an IPv4 peer on an IPv6 socket costs IPv6 headers. */
  readonly family: 4 | 6;
  /** Largest IP packet size to search for, see PathMtu.reset. */
  readonly mtuCeiling: number;
}

/** One record serves all endpoints: decoding and use happen within one call. */
const header = new Header();
const NO_BLOCKS = new Uint8Array(0);

export class Endpoint implements SenderPort, TurnTask {
  isMarked = false;
  isClosed = false;
  bytesTransmitted = 0;
  packetsTransmitted = 0;
  bytesReceived = 0;
  packetsReceived = 0;

  readonly sender: Sender;
  readonly receiver: Receiver;
  remote: Remote | null = null;

  private readonly events: EndpointEvents;
  private readonly turn: Turn;
  private readonly clock: Clock;
  private isRemoteEnded = false;
  private isBackpressured = false;
  private isAckCarried = false;
  private failure: UdxError | null = null;
  private window = 0;
  private reportedAcked = 0;
  private changeEnd = 0;
  private isChanging = false;
  private readonly pendingAck = new PendingAck();
  private armedAt: number = Number.POSITIVE_INFINITY;
  private disarm: (() => void) | null = null;

  constructor(
    events: EndpointEvents,
    turn: Turn,
    clock: Clock,
    pool: PacketPool,
    initialSeq: number,
  ) {
    this.events = events;
    this.turn = turn;
    this.clock = clock;
    this.receiver = new Receiver(0);
    this.sender = new Sender(this, pool, new Bbr(), initialSeq);
    this.window = this.receiver.window(0);
  }

  get flushed(): number {
    return this.remote?.outlet.flushed ?? 0;
  }

  /** Sets where packets go. `initialAck` is the peer's first sequence number when it is not 0. */
  connect(remote: Remote, initialAck: number): void {
    this.remote = remote;
    this.sender.mtu.reset(remote.family, remote.mtuCeiling);
    if (initialAck !== 0 && this.receiver.nxt === 0) {
      this.receiver.nxt = initialAck;
      this.sender.setInitialAck(initialAck);
    }
    this.turn.mark(this);
  }

  /** Sends everything from now on to another remote; see onRemoteChanged. */
  changeRemote(remote: Remote): void {
    this.applyAck();
    const previous = this.remote;
    this.remote = remote;
    this.sender.mtu.reset(remote.family, remote.mtuCeiling);
    // Marks count the datagrams of one socket and mean nothing to another.
    if (previous !== null && previous.outlet !== remote.outlet) this.sender.flight.forgetMarks();
    this.isChanging = true;
    this.sender.isProbingAllowed = false;
    this.changeEnd = this.sender.queue.nxt;
    this.turn.mark(this);
    this.checkRemoteChange();
  }

  /** Takes bytes to send. Returns whether the writer must wait for onWritable. */
  write(chunks: readonly Buffer[]): boolean {
    for (const chunk of chunks) this.sender.write(chunk);
    return this.afterWrite();
  }

  /** No more writes follow. */
  end(): boolean {
    this.sender.end();
    return this.afterWrite();
  }

  /** Sends one unordered, unreliable message; the buffer is copied. Returns its socket number. */
  sendMessage(payload: Uint8Array): number {
    if (this.remote === null) return 0;
    const datagram = Buffer.allocUnsafe(HEADER_SIZE + payload.length);
    this.encode(datagram, TYPE_MESSAGE);
    datagram.set(payload, HEADER_SIZE);
    return this.remote.outlet.queue(datagram, this.remote.port, this.remote.host);
  }

  /** Aborts: one DESTROY to the peer, at once, and the end. `isSilent` for relays, which speak for others. */
  destroy(isSilent: boolean): void {
    if (this.isClosed) return;
    if (this.remote !== null && !isSilent && this.failure === null) {
      this.transmitControl(TYPE_DESTROY);
      this.remote.outlet.flush();
    }
    this.close(null, false);
  }

  /** Closes with an error and without a packet. */
  fail(error: UdxError | null): void {
    this.close(error, false);
  }

  setKeepalive(ms: number): void {
    this.sender.setKeepalive(ms);
    this.turn.mark(this);
  }

  /** The reader took bytes: tell a peer that waits for the window. */
  onRead(): void {
    if (this.isClosed || !this.receiver.hasReopened(this.events.unread())) return;
    this.receiver.acknowledgeNow();
    this.turn.mark(this);
  }

  /** Processes a datagram addressed to this stream. Owns `datagram` from here on. */
  receive(datagram: Buffer, nowMs: number): void {
    if (this.failure !== null || !tryDecodeHeader(datagram, header)) return;
    const { type, seq } = header;
    if ((type & TYPE_HEARTBEAT) !== 0) {
      this.receiver.acknowledgeNow();
      this.turn.mark(this);
      return;
    }

    const isSequenced = (type & (TYPE_DATA | TYPE_END)) !== 0;
    const isAckUsable = seqDiff(header.ack, this.sender.queue.nxt) <= 0;
    if (isSequenced) {
      const owed = this.receiver.unacknowledged;
      const kind = type & (TYPE_DATA | TYPE_END);
      this.receiver.accept(seq, kind, datagram, header.payloadStart, this.events.unread());
      // An ACK for packets we never sent: the peer is confused or forged, do not confirm its data either.
      if (!isAckUsable) this.receiver.unacknowledged = owed;
    }
    if ((type & TYPE_DESTROY) !== 0) {
      const distance = seqDiff(seq, this.receiver.nxt);
      // A genuine DESTROY carries the peer's next number; libudx takes half of the number space for one.
      if (distance >= 0 && distance < REORDER_LIMIT) {
        this.onDestroyed();
        return;
      }
    }
    if (isAckUsable) this.takeAck(datagram, nowMs);
    this.turn.mark(this);
    if ((type & TYPE_MESSAGE) !== 0) {
      this.events.onMessage(datagram.subarray(header.payloadStart));
    }
  }

  /** The end of a turn in which something happened: deliver, send, acknowledge, then see what ended. */
  endTurn(nowMs: number): void {
    if (this.isClosed || this.failure !== null) return;
    this.deliver();
    this.window = this.receiver.window(this.events.unread());
    this.applyAck();
    if (this.remote !== null) {
      this.isAckCarried = false;
      this.sender.pump(nowMs);
      if (this.isClosed) return;
      if (this.sender.isPaced) this.turn.markPaced(this);
      this.acknowledge();
    }
    this.report();
    this.finish();
    if (!this.isClosed) this.arm(nowMs);
  }

  /** The sender hears of an ACK at the end of the turn, or before anything that depends on it. */
  private takeAck(datagram: Buffer, nowMs: number): void {
    if (this.pendingAck.folds(header)) {
      this.pendingAck.set(header, nowMs);
      return;
    }
    this.applyAck();
    this.sender.onAck(header, datagram, nowMs);
  }

  private applyAck(): void {
    const { pendingAck } = this;
    if (!pendingAck.isSet) return;
    pendingAck.isSet = false;
    this.sender.onAck(pendingAck.header, NO_BLOCKS, pendingAck.atMs);
  }

  /** SenderPort */
  transmit(packet: Packet): void {
    const { remote } = this;
    if (remote === null) return;
    if (packet.sends === 1) {
      packet.remoteId = remote.id;
      packet.remotePort = remote.port;
      packet.remoteHost = remote.host;
    }
    const { padding } = packet;
    const { datagram } = packet;
    encodeHeader(
      datagram,
      0,
      packet.type,
      padding,
      packet.remoteId,
      this.window,
      packet.seq,
      this.receiver.nxt,
    );
    if (padding > 0) datagram.fill(0, HEADER_SIZE, HEADER_SIZE + padding);
    packet.mark = remote.outlet.queue(datagram, packet.remotePort, packet.remoteHost);
    this.isAckCarried = true;
    this.count(packet.size);
  }

  /** SenderPort */
  heartbeat(): void {
    this.transmitControl(TYPE_HEARTBEAT);
  }

  /** SenderPort */
  timedOut(): void {
    this.close(connectionTimedOut(), false);
  }

  private afterWrite(): boolean {
    this.applyAck();
    this.sender.probeWindow(this.clock.monotonicMs());
    this.turn.mark(this);
    this.isBackpressured = this.sender.isBackpressured;
    return this.isBackpressured;
  }

  private deliver(): void {
    for (;;) {
      const chunk = this.receiver.read();
      if (chunk === undefined) return;
      this.events.onChunk(chunk);
    }
  }

  /** The peer aborted. What it sent before goes to the reader, whose handlers run before the stream closes. */
  private onDestroyed(): void {
    const failure = connectionReset();
    this.failure = failure;
    this.deliver();
    this.turn.afterHandlers(() => this.close(failure, false));
  }

  /** A pure ACK, unless a DATA packet of this turn carries the same. */
  private acknowledge(): void {
    const { receiver } = this;
    if (receiver.unacknowledged === 0) return;
    const isCarried = this.isAckCarried && !receiver.isAckForced && !receiver.hasGap;
    receiver.unacknowledged = 0;
    receiver.isAckForced = false;
    if (isCarried) return;
    if (receiver.hasGap) this.transmitSack();
    else this.transmitControl(TYPE_ACK);
  }

  private transmitSack(): void {
    const datagram = Buffer.allocUnsafe(HEADER_SIZE + SACK_MAX_BLOCKS * SACK_BLOCK_SIZE);
    const size = this.receiver.encodeSack(datagram, HEADER_SIZE);
    this.transmitControl(TYPE_ACK | TYPE_SACK, datagram.subarray(0, HEADER_SIZE + size));
  }

  private transmitControl(type: number, datagram: Buffer = Buffer.allocUnsafe(HEADER_SIZE)): void {
    const { remote } = this;
    if (remote === null) return;
    this.encode(datagram, type);
    remote.outlet.queue(datagram, remote.port, remote.host);
    this.count(datagram.length);
  }

  /** seq is SND.NXT in everything that uses no number: the peer orders our window updates by it. */
  private encode(datagram: Buffer, type: number): void {
    const id = this.remote?.id ?? 0;
    const { nxt } = this.sender.queue;
    encodeHeader(datagram, 0, type, 0, id, this.window, nxt, this.receiver.nxt);
  }

  private count(bytes: number): void {
    this.bytesTransmitted += bytes;
    this.packetsTransmitted++;
    this.remote?.outlet.countTransmitted(bytes);
  }

  private report(): void {
    if (this.sender.flight.ackedBytes !== this.reportedAcked) {
      this.reportedAcked = this.sender.flight.ackedBytes;
      this.events.onAcked();
    }
    if (this.isBackpressured && !this.isClosed && !this.sender.isBackpressured) {
      this.isBackpressured = false;
      this.events.onWritable();
    }
    if (this.isChanging && !this.isClosed) this.checkRemoteChange();
  }

  private checkRemoteChange(): void {
    if (seqDiff(this.sender.queue.una, this.changeEnd) < 0) return;
    this.isChanging = false;
    this.sender.isProbingAllowed = true;
    this.events.onRemoteChanged();
  }

  private finish(): void {
    if (this.isClosed || this.remote === null) return;
    if (this.receiver.isEnded && !this.isRemoteEnded) {
      this.isRemoteEnded = true;
      this.events.onRemoteEnd();
    }
    if (!this.isClosed && this.isRemoteEnded && this.sender.isEnded) this.close(null, true);
  }

  private close(error: UdxError | null, isClean: boolean): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.disarm?.();
    this.disarm = null;
    this.sender.close();
    this.receiver.close();
    this.events.onClosed(error, isClean);
  }

  /** Arms the timer only when it must fire earlier than it would: ACKs move the deadline later all the time. */
  private arm(nowMs: number): void {
    const at = this.sender.timerAt;
    if (at >= this.armedAt) return;
    this.disarm?.();
    this.armedAt = at;
    this.disarm = this.clock.after(Math.max(at - nowMs, TIMER_GRANULARITY_MS), this.onTimer);
  }

  private readonly onTimer = (): void => {
    this.armedAt = Number.POSITIVE_INFINITY;
    this.disarm = null;
    if (this.isClosed) return;
    this.applyAck();
    const nowMs = this.clock.monotonicMs();
    if (nowMs >= this.sender.timerAt) {
      this.window = this.receiver.window(this.events.unread());
      this.sender.onTimer(nowMs);
      this.turn.mark(this);
    } else {
      this.arm(nowMs);
    }
  };
}
