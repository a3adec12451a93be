/**
 * A UDP socket that carries UDX streams and plain datagrams side by side, with the surface of udx-native's
 * lib/socket.js.
 */
import { EventEmitter } from "node:events";
import { DATAGRAM_MAX, DEFAULT_TTL, OUTBOX_MAX, SEND_RETRY_MS } from "./constants.ts";
import { usageError } from "./error.ts";
import { Inbox } from "./inbox.ts";
import { familyOf, isIP, isPort, normalizeHost } from "./ip.ts";
import { Outbox } from "./outbox.ts";
import type { UdpEvents, UdpHandle } from "./runtime.ts";
import { getBufferSize, setBufferSize } from "./socket-options.ts";
import type { UDXStream } from "./stream.ts";
import type { Outlet } from "./transmitter.ts";
import type { TurnTask } from "./turn.ts";
import type { UDX } from "./udx.ts";

export interface SocketOptions {
  /** A socket on `::` does not talk IPv4. */
  readonly ipv6Only?: boolean;
  readonly reuseAddress?: boolean;
}

export interface SocketAddress {
  readonly host: string;
  readonly family: 4 | 6;
  readonly port: number;
}

interface SocketEvents {
  message: [datagram: Buffer, from: SocketAddress];
  listening: [];
  busy: [];
  idle: [];
  close: [];
}

interface Waiter {
  readonly mark: number;
  readonly resolve: (isSent: boolean) => void;
}

const TTL_MAX = 255;

export class UDXSocket extends EventEmitter<SocketEvents> implements Outlet, TurnTask, UdpEvents {
  readonly udx: UDX;
  /** Connected streams. */
  readonly streams: Set<UDXStream> = new Set();
  userData: unknown = null;
  bytesTransmitted = 0;
  packetsTransmitted = 0;
  bytesReceived = 0;
  packetsReceived = 0;
  /** udx-native's counter has no meaningful value either. */
  readonly packetsDroppedByKernel = 0;
  /** TurnTask */
  isMarked = false;

  private readonly ipv6Only: boolean;
  private readonly reuseAddress: boolean;
  private readonly outbox = new Outbox();
  private readonly inbox = new Inbox(this, (isOn) => this.handle?.joinReceived(isOn) ?? false);
  private handle: UdpHandle | null = null;
  private bindHost: string | null = null;
  private bindFamily: 4 | 6 = 4;
  private bindPort = 0;
  private ttl: number = DEFAULT_TTL;
  private closingPromise: Promise<void> | null = null;
  isClosed = false;
  private isBlocked = false;
  private waiters: Waiter[] = [];

  constructor(udx: UDX, options: SocketOptions = {}) {
    super();
    this.udx = udx;
    this.ipv6Only = options.ipv6Only === true;
    this.reuseAddress = options.reuseAddress === true;
  }

  get bound(): boolean {
    return this.bindPort !== 0;
  }

  get closing(): boolean {
    return this.closingPromise !== null;
  }

  get idle(): boolean {
    return this.streams.size === 0;
  }

  get busy(): boolean {
    return this.streams.size > 0;
  }

  /** Whether a path MTU may be searched for through this socket. */
  get isUnfragmented(): boolean {
    return this.handle?.isUnfragmented ?? false;
  }

  /** The kernel's receive buffer, bytes; 0 before bind. */
  get recvBufferBytes(): number {
    return this.handle?.recvBufferBytes ?? 0;
  }

  /** Outlet */
  get flushed(): number {
    return this.outbox.flushed;
  }

  /** Where the socket is bound; null before. Stays after close. */
  address(): SocketAddress | null {
    if (this.bindHost === null) return null;
    return { host: this.bindHost, family: this.bindFamily, port: this.bindPort };
  }

  toJSON(): Record<string, unknown> {
    return {
      bound: this.bound,
      closing: this.closing,
      streams: this.streams.size,
      address: this.address(),
      ipv6Only: this.ipv6Only,
      reuseAddress: this.reuseAddress,
      idle: this.idle,
      busy: this.busy,
    };
  }

  /**
   * Binds at once: `address()` is final on return. Without a host to `::`, or `0.0.0.0` where that fails.
   * @throws the operating system's error with `code` (EADDRINUSE, EADDRNOTAVAIL, EACCES).
   */
  bind(port?: number, host?: string | null): void {
    if (this.bound) throw usageError("EALREADY", "Already bound");
    if (this.closing) throw usageError("EPIPE", "Socket is closed");
    if (host) {
      this.open(port ?? 0, host, familyOf(host));
    } else {
      try {
        this.open(port ?? 0, "::", 6);
      } catch {
        // No IPv6 here, or the port is taken there: the second attempt gives the error that counts.
        this.open(port ?? 0, "0.0.0.0", 4);
      }
    }
    this.emit("listening");
  }

  /** Closes when the last stream is gone; until then the socket works. All calls share one promise. */
  close(): Promise<void> {
    if (this.closingPromise === null) {
      this.closingPromise = new Promise((resolve) => {
        this.once("close", resolve);
      });
      this.closeIfIdle();
    }
    return this.closingPromise;
  }

  /**
   * Sends a datagram. Resolves true once the kernel had it, even if it refused it, and false when the socket
   * closed first. `ttl` 1 to 255 applies to this datagram only, 0 means the socket's.
   */
  async send(buffer: Uint8Array, port: number, host?: string | null, ttl = 0): Promise<boolean> {
    if (this.closing) return false;
    return this.whenSent(this.sendDatagram(buffer, port, host, ttl));
  }

  /** Like `send`, without news of the outcome. */
  trySend(buffer: Uint8Array, port: number, host?: string | null, ttl = 0): void {
    if (!this.closing) this.sendDatagram(buffer, port, host, ttl);
  }

  /** Hop limit of datagrams without their own. @throws {UdxError} EINVAL outside 0 to 255. */
  setTTL(ttl: number): void {
    const handle = this.active();
    if (!(ttl >= 0 && ttl <= TTL_MAX)) throw usageError("EINVAL", "TTL must be 0 to 255");
    handle.setTTL(ttl);
    this.ttl = ttl;
  }

  getRecvBufferSize(): number {
    return getBufferSize(this.active().fd, "recv");
  }

  setRecvBufferSize(size: number): void {
    setBufferSize(this.active().fd, "recv", size);
  }

  getSendBufferSize(): number {
    return getBufferSize(this.active().fd, "send");
  }

  setSendBufferSize(size: number): void {
    setBufferSize(this.active().fd, "send", size);
  }

  addMembership(group: string, interfaceAddress?: string): void {
    this.active().addMembership(group, interfaceAddress);
  }

  dropMembership(group: string, interfaceAddress?: string): void {
    this.active().dropMembership(group, interfaceAddress);
  }

  /** Lets the process end although the socket is bound. An addition to udx-native's surface. */
  unref(): void {
    this.active().unref();
  }

  ref(): void {
    this.active().ref();
  }

  /** A stream connected through this socket. */
  addStream(stream: UDXStream): void {
    if (this.streams.has(stream)) return;
    this.streams.add(stream);
    if (this.streams.size === 1) this.emit("busy");
  }

  removeStream(stream: UDXStream): void {
    if (!this.streams.delete(stream)) return;
    this.closeIfIdle();
    if (this.idle && !this.closing) this.emit("idle");
  }

  /** Outlet */
  queue(datagram: Buffer, port: number, host: string): number {
    // What peers make us say must not pile up while the kernel takes nothing.
    const isExcess = this.outbox.length >= OUTBOX_MAX || datagram.length > DATAGRAM_MAX;
    if (this.isBlocked && isExcess) return this.outbox.queued;
    const mark = this.outbox.push(datagram, port, host);
    this.udx.turn.markSocket(this);
    return mark;
  }

  /** Outlet */
  countTransmitted(bytes: number): void {
    this.bytesTransmitted += bytes;
    this.packetsTransmitted++;
    this.udx.bytesTransmitted += bytes;
    this.udx.packetsTransmitted++;
  }

  /** Resolves true once the datagram with that number was passed on, false when the socket closed before. */
  whenSent(mark: number): Promise<boolean> {
    if (mark <= this.flushed) return Promise.resolve(true);
    return new Promise((resolve) => {
      this.waiters.push({ mark, resolve });
    });
  }

  /** A stream leaves with datagrams still queued here: copy them, so that it may reuse its memory. */
  releaseQueued(): void {
    this.flush();
    this.outbox.detach();
  }

  /** Outlet */
  flush(): void {
    if (this.handle === null || this.isBlocked) return;
    if (!this.outbox.flush(this.handle)) {
      this.isBlocked = true;
      // The writable event is not certain to come: Bun saw no refusal when an error cut a batch short.
      this.udx.runtime.clock.after(SEND_RETRY_MS, this.onWritable);
    }
    if (this.waiters.length > 0) this.settleWaiters();
  }

  /** TurnTask */
  endTurn(): void {
    this.isMarked = false;
    this.flush();
  }

  /** UdpEvents */
  readonly onWritable = (): void => {
    if (!this.isBlocked) return;
    this.isBlocked = false;
    this.flush();
  };

  /** UdpEvents */
  onDatagram(datagram: Buffer, port: number, from: string): void {
    // The rest of a receive batch still comes after close.
    if (this.isClosed) return;
    const host = this.bindFamily === 6 ? normalizeHost(from) : from;
    this.bytesReceived += datagram.length;
    this.inbox.receive(datagram, port, host);
  }

  private open(port: number, host: string, family: 4 | 6): void {
    const { ipv6Only, reuseAddress } = this;
    this.handle = this.udx.runtime.bindUdp({ port, host, ipv6Only, reuseAddress }, this);
    this.bindHost = host;
    this.bindFamily = family;
    this.bindPort = this.handle.port;
  }

  private active(): UdpHandle {
    if (this.handle === null) throw usageError("ENOTCONN", "Socket not active");
    return this.handle;
  }

  private sendDatagram(
    buffer: Uint8Array,
    port: number,
    to: string | null | undefined,
    ttl: number,
  ): number {
    const host = to || "127.0.0.1";
    familyOf(host);
    if (!(ttl >= 0 && ttl <= TTL_MAX)) throw usageError("EINVAL", "TTL must be 0 to 255");
    if (!this.bound) this.bind(0);
    // The kernel would refuse these, and a refusal counts as sent.
    if (!isPort(port) || (this.bindFamily === 4 && isIP(host) === 6)) return 0;
    // A copy: udx-native has passed the bytes to the kernel when it returns, so callers reuse their buffers.
    const datagram = Buffer.from(buffer);
    if (ttl !== 0 && ttl !== this.ttl) return this.sendWithTTL(datagram, port, host, ttl);
    const isFirst = !this.isMarked;
    const mark = this.queue(datagram, port, host);
    // Somebody waits for its answer; what more there is in this turn goes together.
    if (isFirst) this.flush();
    return mark;
  }

  /** The hop limit belongs to the socket, so this datagram goes alone. */
  private sendWithTTL(datagram: Buffer, port: number, host: string, ttl: number): number {
    this.flush();
    if (this.isBlocked) return this.queue(datagram, port, host);
    const handle = this.active();
    handle.setTTL(ttl);
    const mark = this.outbox.push(datagram, port, host);
    this.flush();
    handle.setTTL(this.ttl);
    return mark;
  }

  private settleWaiters(): void {
    const done = this.waiters.findIndex((waiter) => waiter.mark > this.flushed);
    const settled = this.waiters.splice(0, done === -1 ? this.waiters.length : done);
    for (const waiter of settled) waiter.resolve(true);
  }

  private closeIfIdle(): void {
    if (this.isClosed || !this.closing || this.busy) return;
    this.isClosed = true;
    if (this.handle === null) {
      this.emit("close");
      return;
    }
    this.flush();
    this.outbox.clear();
    for (const waiter of this.waiters.splice(0)) waiter.resolve(false);
    this.handle.close();
    this.handle = null;
    this.udx.runtime.defer(() => this.emit("close"));
  }
}
