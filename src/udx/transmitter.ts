/** Writes the headers of everything a stream sends, and knows where it goes. */
import { encodeHeader, HEADER_SIZE, TYPE_ACK, TYPE_MESSAGE, TYPE_SACK } from "./header.ts";
import type { Packet } from "./packet.ts";
import type { Receiver } from "./receiver.ts";
import { SACK_BLOCK_SIZE, SACK_MAX_BLOCKS } from "./sack.ts";
import type { SendQueue } from "./send-queue.ts";

/** The socket as a stream sees it. */
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
  /** The host is this one. */
  readonly isLoopback: boolean;
  /** The kernel's receive buffer of the socket, bytes. */
  readonly recvBufferBytes: number;
  /** Largest IP packet size to search for, see PathMtu.reset. */
  readonly mtuCeiling: number;
}

export class Transmitter {
  /** Null before connect: then nothing is sent. */
  remote: Remote | null = null;
  /** Advertised in every packet, bytes. */
  window: number;
  bytesTransmitted = 0;
  packetsTransmitted = 0;

  private readonly receiver: Receiver;
  private readonly sent: SendQueue;
  /** A DATA packet of this turn has said what an ACK would say. */
  private isAckCarried = false;

  constructor(receiver: Receiver, sent: SendQueue) {
    this.receiver = receiver;
    this.sent = sent;
    this.window = receiver.window(0);
  }

  beginTurn(): void {
    this.isAckCarried = false;
  }

  /** Completes the header of a packet with a sequence number and queues its datagram. */
  transmit(packet: Packet): void {
    const { remote } = this;
    if (remote === null) return;
    if (packet.sends === 1) {
      packet.remoteId = remote.id;
      packet.remotePort = remote.port;
      packet.remoteHost = remote.host;
    }
    const { datagram, padding, remoteId, seq } = packet;
    encodeHeader(datagram, 0, packet.type, padding, remoteId, this.window, seq, this.receiver.nxt);
    if (padding > 0) datagram.fill(0, HEADER_SIZE, HEADER_SIZE + padding);
    packet.mark = remote.outlet.queue(datagram, packet.remotePort, packet.remoteHost);
    this.isAckCarried = true;
    this.count(packet.size);
  }

  /** Sends one unordered message; the buffer is copied. Returns its socket number. */
  message(payload: Uint8Array): number {
    const { remote } = this;
    if (remote === null) return 0;
    const datagram = Buffer.allocUnsafe(HEADER_SIZE + payload.length);
    this.encode(datagram, TYPE_MESSAGE, remote.id);
    datagram.set(payload, HEADER_SIZE);
    return remote.outlet.queue(datagram, remote.port, remote.host);
  }

  /** The ACK that is owed, if any, unless a DATA packet of this turn carries the same. */
  acknowledge(): void {
    const { receiver } = this;
    if (receiver.unacknowledged === 0) return;
    const isCarried = this.isAckCarried && !receiver.isAckForced && !receiver.hasGap;
    receiver.unacknowledged = 0;
    receiver.isAckForced = false;
    if (isCarried) return;
    if (receiver.hasGap) this.sack();
    else this.control(TYPE_ACK);
  }

  /** Sends a packet that uses no sequence number. `datagram` has room for the header. */
  control(type: number, datagram: Buffer = Buffer.allocUnsafe(HEADER_SIZE)): void {
    const { remote } = this;
    if (remote === null) return;
    this.encode(datagram, type, remote.id);
    remote.outlet.queue(datagram, remote.port, remote.host);
    this.count(datagram.length);
  }

  private sack(): void {
    const datagram = Buffer.allocUnsafe(HEADER_SIZE + SACK_MAX_BLOCKS * SACK_BLOCK_SIZE);
    const size = this.receiver.encodeSack(datagram, HEADER_SIZE);
    this.control(TYPE_ACK | TYPE_SACK, datagram.subarray(0, HEADER_SIZE + size));
  }

  /** seq is SND.NXT in everything that uses no number: the peer orders our window updates by it. */
  private encode(datagram: Buffer, type: number, id: number): void {
    encodeHeader(datagram, 0, type, 0, id, this.window, this.sent.nxt, this.receiver.nxt);
  }

  private count(bytes: number): void {
    this.bytesTransmitted += bytes;
    this.packetsTransmitted++;
    this.remote?.outlet.countTransmitted(bytes);
  }
}
