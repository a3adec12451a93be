/**
 * UDX for Bun: reliable, multiplexed, congestion-controlled streams over UDP, compatible with libudx on the
 * wire and with the npm package udx-native in its surface. This class is what `udx-native` resolves to.
 */
import { ACK_EVERY, ACK_EVERY_JOINED } from "./constants.ts";
import type { Shared } from "./endpoint.ts";
import { throwUncaught } from "./error.ts";
import { isUdxPacket, readStreamId } from "./header.ts";
import { spareHotPaths } from "./hot-paths.ts";
import { listNetworkInterfaces, type NetworkInterface, NetworkInterfaces } from "./interfaces.ts";
import { isIP, isIPv4, isIPv6 } from "./ip.ts";
import { ownBytes } from "./joined.ts";
import { type LookupOptions, type LookupResult, lookupHost } from "./lookup.ts";
import { PacketPool } from "./packet.ts";
import { ReorderBudget } from "./recv-buffer.ts";
import { bunRuntime, type Runtime } from "./runtime.ts";
import { type SocketOptions, UDXSocket } from "./socket.ts";
import { StreamFacts } from "./stream-facts.ts";
import { type StreamOptions, UDXStream } from "./stream.ts";
import { TimeWait } from "./time-wait.ts";
import { Turn } from "./turn.ts";

const OFFSET_TYPE = 2;
const GONE_MAX = 256;
/** Packets received before the hot paths are looked after: it takes 1.5 ms, which an app's start should not wait for. */
const SPARE_AFTER = 64;

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
  /** Ids of the streams that ended last. */
  private readonly gone = new Set<number>();
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
    for (const oldest of this.gone) {
      if (this.gone.size < GONE_MAX) break;
      this.gone.delete(oldest);
    }
    this.gone.add(id);
    if (isClean && stream.remoteHost !== null) this.timeWait.add(id, stream.lastState());
  }

  /** A datagram from a socket: to its stream, or to the socket's `message` event. */
  receive(socket: UDXSocket, datagram: Buffer, port: number, host: string): void {
    this.handOn(socket, datagram, port, host, 0, datagram.length);
    this.endBatch(1, ACK_EVERY);
  }

  /** Several packets that came as one datagram, `size` bytes each but the last. Keeps nothing of it. */
  receiveJoined(
    socket: UDXSocket,
    datagram: Buffer,
    port: number,
    host: string,
    size: number,
  ): void {
    const { length } = datagram;
    for (let start = 0; start < length && !socket.isClosed; start += size) {
      this.handOn(socket, datagram, port, host, start, Math.min(start + size, length));
    }
    this.endBatch(Math.ceil(length / size), ACK_EVERY_JOINED);
  }

  private handOn(
    socket: UDXSocket,
    datagram: Buffer,
    port: number,
    host: string,
    start: number,
    end: number,
  ): void {
    this.bytesReceived += end - start;
    if (++this.packetsReceived === SPARE_AFTER) {
      spareHotPaths([UDX, UDXSocket, UDXStream, StreamFacts]);
    }
    const isPacket = isUdxPacket(datagram, start);
    const stream = isPacket ? this.streams.get(readStreamId(datagram, start)) : undefined;
    try {
      if (stream !== undefined) stream.receive(socket, datagram, port, host, start, end);
      else this.receiveOther(socket, ownBytes(datagram, start, end), port, host);
    } catch (error) {
      throwUncaught(error);
    }
  }

  /** A sender faster than we are would otherwise keep the event loop in a socket's callback, without ACKs. */
  private endBatch(packets: number, every: number): void {
    this.received += packets;
    if (this.received < every) return;
    this.received = 0;
    this.turn.run();
  }

  /** Whether a stream has, or had a moment ago, that id: there may be more for it on the way. */
  isOurs(id: number): boolean {
    return this.streams.has(id) || this.gone.has(id);
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
