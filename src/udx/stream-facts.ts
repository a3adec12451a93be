/** What a stream tells about itself: its remote, its counters and the state of its path, as udx-native names them. */
import { Duplex, type DuplexEvents } from "streamx";
import type { Endpoint } from "./endpoint.ts";
import type { UDXSocket } from "./socket.ts";

interface StreamEvents extends DuplexEvents {
  connect: [];
  message: [payload: Buffer];
  "remote-changed": [];
}

export abstract class StreamFacts extends Duplex<StreamEvents> {
  readonly id: number;
  /** Socket of the connected stream; null before connect and after the protocol is over. */
  socket: UDXSocket | null = null;
  remoteId = 0;
  remoteHost: string | null = null;
  remoteFamily: 0 | 4 | 6 = 0;
  remotePort = 0;
  userData: unknown = null;

  protected abstract readonly endpoint: Endpoint;

  constructor(id: number, options: ConstructorParameters<typeof Duplex>[0]) {
    super(options);
    this.id = id;
  }

  get connected(): boolean {
    return this.socket !== null;
  }

  /** The protocol stream has ended, although the reader may still have bytes to take. */
  get isProtocolClosed(): boolean {
    return this.endpoint.isClosed;
  }

  /** IP packet size, bytes. */
  get mtu(): number {
    return this.endpoint.sender.mtu.current;
  }

  /** Smoothed round trip, ms. */
  get rtt(): number {
    return Math.round(this.endpoint.sender.rtt.srtt);
  }

  /** Packets. */
  get cwnd(): number {
    return Math.floor(this.endpoint.sender.congestion.cwnd);
  }

  get inflight(): number {
    return this.endpoint.sender.flight.inflight;
  }

  get rtoCount(): number {
    return this.endpoint.sender.rtoCount;
  }

  get retransmits(): number {
    return this.endpoint.sender.retransmits;
  }

  get fastRecoveries(): number {
    return this.endpoint.sender.fastRecoveries;
  }

  get bbrState(): number {
    return this.endpoint.sender.congestion.state;
  }

  get bbrBandwidth(): number {
    return this.endpoint.sender.congestion.bandwidth;
  }

  get bytesTransmitted(): number {
    return this.endpoint.transmitter.bytesTransmitted;
  }

  get packetsTransmitted(): number {
    return this.endpoint.transmitter.packetsTransmitted;
  }

  get bytesReceived(): number {
    return this.endpoint.bytesReceived;
  }

  get packetsReceived(): number {
    return this.endpoint.packetsReceived;
  }

  get localHost(): string | null {
    return this.socket?.address()?.host ?? null;
  }

  get localFamily(): 0 | 4 | 6 {
    return this.socket?.address()?.family ?? 0;
  }

  get localPort(): number {
    return this.socket?.address()?.port ?? 0;
  }

  toJSON(): Record<string, unknown> {
    return {
      id: this.id,
      connected: this.connected,
      destroying: this.destroying,
      destroyed: this.destroyed,
      remoteId: this.remoteId,
      remoteHost: this.remoteHost,
      remoteFamily: this.remoteFamily,
      remotePort: this.remotePort,
      mtu: this.mtu,
      rtt: this.rtt,
      cwnd: this.cwnd,
      inflight: this.inflight,
      socket: this.socket?.toJSON() ?? null,
    };
  }
}
