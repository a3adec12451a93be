/**
 * One end of a UDX stream without its public face: takes datagrams, gives datagrams, keeps the timer and
 * decides when the stream is over. libudx src/udx.c process_packet and the udx_stream_* functions.
 */
import type { Clock } from "../core/clock.ts";
import { Bbr } from "./bbr.ts";
import { REORDER_LIMIT } from "./constants.ts";
import type { Timed } from "./deadlines.ts";
import { connectionReset, connectionTimedOut, type UdxError } from "./error.ts";
import {
  Header,
  tryDecodeHeader,
  TYPE_DATA,
  TYPE_DESTROY,
  TYPE_END,
  TYPE_HEARTBEAT,
  TYPE_MESSAGE,
} from "./header.ts";
import { ownBytes } from "./joined.ts";
import type { Packet, PacketPool } from "./packet.ts";
import { PendingAck } from "./pending-ack.ts";
import { Receiver } from "./receiver.ts";
import type { ReorderBudget } from "./recv-buffer.ts";
import { Sender, type SenderPort } from "./sender.ts";
import { seqDiff } from "./seq.ts";
import { type Remote, Transmitter } from "./transmitter.ts";
import type { Turn, TurnTask } from "./turn.ts";
import { windowLimit } from "./window-limit.ts";

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

/** What the streams of an instance share, and are limited by together. */
export interface Shared {
  readonly pool: PacketPool;
  readonly reorder: ReorderBudget;
}

/** One record serves all endpoints: decoding and use happen within one call. */
const header = new Header();
const NO_BLOCKS = new Uint8Array(0);

export class Endpoint implements SenderPort, TurnTask, Timed {
  isMarked = false;
  isWaiting = false;
  isListed = false;
  isClosed = false;
  bytesReceived = 0;
  packetsReceived = 0;

  readonly sender: Sender;
  readonly receiver: Receiver;
  readonly transmitter: Transmitter;

  private readonly events: EndpointEvents;
  private readonly turn: Turn;
  private readonly clock: Clock;
  private isRemoteEnded = false;
  /** The writer waits for onWritable. */
  isBackpressured = false;
  private failure: UdxError | null = null;
  private reportedAcked = 0;
  private changeEnd = 0;
  private isChanging = false;
  private readonly pendingAck = new PendingAck();

  constructor(
    events: EndpointEvents,
    turn: Turn,
    clock: Clock,
    { pool, reorder }: Shared,
    initialSeq: number,
  ) {
    this.events = events;
    this.turn = turn;
    this.clock = clock;
    this.receiver = new Receiver(0, reorder);
    this.sender = new Sender(this, pool, new Bbr(), initialSeq);
    this.transmitter = new Transmitter(this.receiver, this.sender.queue);
  }

  /** SenderPort */
  get flushed(): number {
    return this.transmitter.remote?.outlet.flushed ?? 0;
  }

  /** Timed */
  get dueAt(): number {
    return this.sender.timerAt;
  }

  /** Sets where packets go. `initialAck` is the peer's first sequence number when it is not 0. */
  connect(remote: Remote, initialAck: number): void {
    this.transmitter.remote = remote;
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
    const previous = this.transmitter.remote;
    this.transmitter.remote = remote;
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

  /** Aborts: one DESTROY to the peer, at once, and the end. `isSilent` for relays, which speak for others. */
  destroy(isSilent: boolean): void {
    if (this.isClosed) return;
    const { remote } = this.transmitter;
    if (remote !== null && !isSilent && this.failure === null) {
      this.transmitter.control(TYPE_DESTROY);
      remote.outlet.flush();
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

  /**
   * Processes a packet addressed to this stream, from `start` to `end` in `datagram`. Owns a datagram that is one packet
   * from here on, and keeps nothing of one that is several.
   */
  receive(datagram: Buffer, nowMs: number, start = 0, end: number = datagram.length): void {
    if (this.failure !== null || !tryDecodeHeader(datagram, header, start, end)) return;
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
      this.receiver.accept(seq, kind, datagram, header.payloadStart, end, this.events.unread());
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
      this.events.onMessage(ownBytes(datagram, header.payloadStart, end));
    }
  }

  /** The end of a turn in which something happened: deliver, send, acknowledge, then see what ended. */
  endTurn(nowMs: number): void {
    if (this.isClosed || this.failure !== null) return;
    this.deliver();
    // What the reader has answered leaves below.
    this.isMarked = false;
    if (this.isClosed) return;
    const { transmitter } = this;
    this.updateWindow();
    this.applyAck();
    if (transmitter.remote !== null) {
      transmitter.beginTurn();
      this.sender.pump(nowMs);
      if (this.isClosed) return;
      if (this.sender.isPaced) this.turn.markPaced(this);
      transmitter.acknowledge();
    }
    this.report();
    this.finish();
    if (!this.isClosed) this.turn.deadlines.watch(this, nowMs);
  }

  /** Timed */
  onDue(nowMs: number): void {
    this.applyAck();
    // The ACK may have been what the timer waited for.
    if (nowMs < this.sender.timerAt) return;
    this.updateWindow();
    this.sender.onTimer(nowMs);
    if (!this.isClosed) this.turn.mark(this);
  }

  /** SenderPort */
  transmit(packet: Packet): void {
    this.transmitter.transmit(packet);
  }

  /** SenderPort */
  heartbeat(): void {
    this.transmitter.control(TYPE_HEARTBEAT);
  }

  /** SenderPort */
  timedOut(): void {
    this.close(connectionTimedOut(), false);
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

  private afterWrite(): boolean {
    this.applyAck();
    if (this.sender.isWindowClosed) this.sender.probeWindow(this.clock.monotonicMs());
    this.turn.mark(this);
    this.isBackpressured = this.sender.isBackpressured;
    return this.isBackpressured;
  }

  private updateWindow(): void {
    const { receiver, sender, transmitter } = this;
    const { remote } = transmitter;
    if (remote !== null) {
      receiver.windowLimit = windowLimit(remote.recvBufferBytes, remote.isLoopback, sender.rtt);
    }
    transmitter.window = receiver.window(this.events.unread());
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
    if (this.isClosed || this.transmitter.remote === null) return;
    if (this.receiver.isEnded && !this.isRemoteEnded) {
      this.isRemoteEnded = true;
      this.events.onRemoteEnd();
    }
    if (!this.isClosed && this.isRemoteEnded && this.sender.isEnded) this.close(null, true);
  }

  private close(error: UdxError | null, isClean: boolean): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.turn.deadlines.forget(this);
    this.sender.close();
    this.receiver.close();
    this.events.onClosed(error, isClean);
  }
}
