/**
 * UDX for Bun: reliable, multiplexed, congestion-controlled streams over UDP, compatible with libudx on the
 * wire and with the npm package udx-native in its surface. This class is what `udx-native` resolves to.
 */
import { ACK_EVERY } from "./constants.ts";
import type { Shared } from "./endpoint.ts";
import { throwUncaught } from "./error.ts";
import { isUdxPacket, readStreamId } from "./header.ts";
import { listNetworkInterfaces, type NetworkInterface, NetworkInterfaces } from "./interfaces.ts";
import { isIP, isIPv4, isIPv6 } from "./ip.ts";
import { type LookupOptions, type LookupResult, lookupHost } from "./lookup.ts";
import { PacketPool } from "./packet.ts";
import { ReorderBudget } from "./recv-buffer.ts";
import { bunRuntime, type Runtime } from "./runtime.ts";
import { type SocketOptions, UDXSocket } from "./socket.ts";
import { type StreamOptions, UDXStream } from "./stream.ts";
import { TimeWait } from "./time-wait.ts";
import { Turn } from "./turn.ts";

const OFFSET_TYPE = 2;

export class UDX {
  bytesTransmitted = 0;
  packetsTransmitted = 0;
  bytesReceived = 0;
  packetsReceived = 0;
  /** udx-native's counter has no meaningful value either. */
  readonly packetsDroppedByKernel = 0;

  readonly runtime: Runtime;
  readonly turn: Turn;
  readonly shared: Shared = { pool: new PacketPool(), reorder: new ReorderBudget() };
  private readonly streams = new Map<number, UDXStream>();
  private readonly timeWait: TimeWait;
  private readonly watchers = new Set<NetworkInterfaces>();
  private received = 0;

  /** `runtime` is for tests; everyone else takes the default. */
  constructor(runtime: Runtime = bunRuntime) {
    this.runtime = runtime;
    this.turn = new Turn(runtime);
    this.timeWait = new TimeWait(runtime.clock);
  }

  static isIPv4(host: string): boolean {
    return isIPv4(host);
  }

  static isIPv6(host: string): boolean {
    return isIPv6(host);
  }

  /** 4, 6, or 0 when `host` is no IP literal. */
  static isIP(host: string): 0 | 4 | 6 {
    return isIP(host);
  }

  /** A socket; it binds on `bind` or on first use. */
  createSocket(options?: SocketOptions): UDXSocket {
    return new UDXSocket(this, options);
  }

  /**
   * A stream that answers to the local id `id` from now on. Ids are the only secret on the wire: draw them
   * at random.
   */
  createStream(id: number, options?: StreamOptions): UDXStream {
    return new UDXStream(this, id, options);
  }

  networkInterfaces(): NetworkInterface[] {
    const [watcher] = this.watchers;
    return watcher === undefined ? listNetworkInterfaces() : watcher.interfaces;
  }

  /** Watches until destroyed; `onchange` gets the new list. */
  watchNetworkInterfaces(onchange?: (interfaces: NetworkInterface[]) => void): NetworkInterfaces {
    const watcher = new NetworkInterfaces();
    this.watchers.add(watcher);
    watcher.on("close", () => this.watchers.delete(watcher));
    if (onchange !== undefined) watcher.on("change", onchange);
    return watcher.watch();
  }

  /** First address of a name. @throws the resolver's error, with `code`. */
  lookup(host: string, options?: LookupOptions): Promise<LookupResult> {
    return lookupHost(host, options);
  }

  /** A new stream takes its id over from whatever had it. */
  addStream(stream: UDXStream): void {
    const id = stream.id >>> 0;
    this.streams.set(id, stream);
    this.timeWait.delete(id);
  }

  /** The protocol stream is over; after a clean end a repeated END is still answered for a while. */
  removeStream(stream: UDXStream, isClean: boolean): void {
    const id = stream.id >>> 0;
    if (this.streams.get(id) !== stream) return;
    this.streams.delete(id);
    if (isClean && stream.remoteHost !== null) this.timeWait.add(id, stream.lastState());
  }

  /** A datagram from a socket: to its stream, or to the socket's `message` event. */
  receive(socket: UDXSocket, datagram: Buffer, port: number, host: string): void {
    this.bytesReceived += datagram.length;
    this.packetsReceived++;
    const stream = isUdxPacket(datagram) ? this.streams.get(readStreamId(datagram)) : undefined;
    try {
      if (stream === undefined) this.receiveOther(socket, datagram, port, host);
      else stream.receive(socket, datagram, port, host);
    } catch (error) {
      throwUncaught(error);
    }
    // A sender faster than we are would otherwise keep the event loop in this callback, without ACKs.
    if (++this.received >= ACK_EVERY) {
      this.received = 0;
      this.turn.run();
    }
  }

  private receiveOther(socket: UDXSocket, datagram: Buffer, port: number, host: string): void {
    if (isUdxPacket(datagram)) {
      const type = datagram[OFFSET_TYPE] ?? 0;
      const answer = this.timeWait.answer(readStreamId(datagram), type);
      if (answer !== undefined) {
        socket.queue(answer.datagram, answer.port, answer.host);
        return;
      }
    }
    socket.emit("message", datagram, { host, family: host.includes(":") ? 6 : 4, port });
  }
}
