/**
 * The record of one sequence number in flight: its datagram, kept until acknowledged, and what loss
 * detection (RFC 8985 section 5.2) and rate sampling need to know about it. Records and their memory are
 * pooled, because a fast stream uses a hundred thousand per second.
 */
import { MTU_MAX, OVERHEAD_IPV4, PACKET_POOL_MAX } from "./constants.ts";
import { DATA_OFFSET_MAX, HEADER_SIZE } from "./header.ts";

/** Room before the header, so that an MTU probe's padding can be added and stripped without moving the payload. */
const HEADROOM = DATA_OFFSET_MAX;
const PAYLOAD_AT = HEADROOM + HEADER_SIZE;
const MEMORY_SIZE = PAYLOAD_AT + MTU_MAX - OVERHEAD_IPV4;
const SLAB_PACKETS = 32;

/** Where a packet stands: `sacked` is acknowledged out of order, `lost` waits to be sent again. */
export type PacketState = "idle" | "inflight" | "lost" | "sacked";

export class Packet {
  /** Payload bytes start at `Packet.payloadAt` in here. */
  readonly memory: Buffer;
  static readonly payloadAt: number = PAYLOAD_AT;

  state: PacketState = "idle";
  seq = 0;
  type = 0;
  payloadLength = 0;
  /** Zero bytes between header and payload: above 0 the packet is an MTU probe. */
  padding = 0;
  /** Times handed to the socket. */
  sends = 0;
  /** Retransmission time-outs it took part in. */
  rtoCount = 0;
  /** Time of the last transmission, ms. */
  sentAt = 0;
  /** The socket's counter after the last transmission; tells whether the datagram still waits there. */
  mark = 0;
  /** Where it was sent first: a retransmission keeps id and address across a change of remote. */
  remoteId = 0;
  remotePort = 0;
  remoteHost = "";

  /** Snapshot of the rate sampler at the last transmission, see rate.ts. */
  rateDelivered = 0;
  rateDeliveredAt = 0;
  rateFirstSentAt = 0;
  rateAppLimited = 0;

  /** Links of the one PacketList that holds it. */
  prev: Packet | null = null;
  next: Packet | null = null;

  private view: Buffer;
  private viewStart = 0;
  private viewEnd = 0;

  constructor(memory: Buffer) {
    this.memory = memory;
    this.view = memory;
    this.viewEnd = memory.length;
  }

  /** The datagram as it goes out; the header must have been written at its start. Shares `memory`. */
  get datagram(): Buffer {
    const start = HEADROOM - this.padding;
    const end = PAYLOAD_AT + this.payloadLength;
    // Full packets follow each other, so the same view usually fits the next use of this memory.
    if (this.viewStart !== start || this.viewEnd !== end) {
      this.view = this.memory.subarray(start, end);
      this.viewStart = start;
      this.viewEnd = end;
    }
    return this.view;
  }

  /** Bytes counted against budgets and counters: header and payload, without padding. */
  get size(): number {
    return HEADER_SIZE + this.payloadLength;
  }
}

/** Free list of packet records, shared by the streams of one UDX instance. */
export class PacketPool {
  /** Packets taken and not given back or let go. */
  inUse = 0;
  private readonly free: Packet[] = [];
  private slab: Buffer | undefined;
  private slabUsed = 0;

  /** A record with all fields as in a fresh one; its memory holds old bytes. */
  take(): Packet {
    this.inUse++;
    return this.free.pop() ?? new Packet(this.carve());
  }

  /** Returns a record. The caller guarantees that no socket still holds its datagram. */
  give(packet: Packet): void {
    this.inUse--;
    if (this.free.length >= PACKET_POOL_MAX) return;
    packet.state = "idle";
    packet.padding = 0;
    packet.sends = 0;
    packet.rtoCount = 0;
    packet.prev = null;
    packet.next = null;
    this.free.push(packet);
  }

  /** As `give` of a packet whose datagram still waits in a socket: the record is left to the garbage collector. */
  letGo(): void {
    this.inUse--;
  }

  private carve(): Buffer {
    if (this.slab === undefined || this.slabUsed === SLAB_PACKETS) {
      this.slab = Buffer.allocUnsafeSlow(MEMORY_SIZE * SLAB_PACKETS);
      this.slabUsed = 0;
    }
    const at = this.slabUsed++ * MEMORY_SIZE;
    return this.slab.subarray(at, at + MEMORY_SIZE);
  }
}

/** Doubly linked list through the packets themselves; a packet is in at most one. */
export class PacketList {
  head: Packet | null = null;
  tail: Packet | null = null;
  length = 0;

  append(packet: Packet): void {
    packet.prev = this.tail;
    packet.next = null;
    if (this.tail === null) this.head = packet;
    else this.tail.next = packet;
    this.tail = packet;
    this.length++;
  }

  remove(packet: Packet): void {
    if (packet.prev === null) this.head = packet.next;
    else packet.prev.next = packet.next;
    if (packet.next === null) this.tail = packet.prev;
    else packet.next.prev = packet.prev;
    packet.prev = null;
    packet.next = null;
    this.length--;
  }

  clear(): void {
    this.head = null;
    this.tail = null;
    this.length = 0;
  }
}
