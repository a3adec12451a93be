/** The public stream: a streamx Duplex with the surface and the event order of udx-native's lib/stream.js. */
import { Writable } from "streamx";
import { MTU_BASE, MTU_MAX } from "./constants.ts";
import { Endpoint, type EndpointEvents } from "./endpoint.ts";
import { connectionReset, throwUncaught, UdxError, usageError } from "./error.ts";
import { Flushes } from "./flushes.ts";
import { FrameGate } from "./framing.ts";
import { checkPort, familyOf, isLoopback, isPort } from "./ip.ts";
import { ownBytes } from "./joined.ts";
import { dropSpareSlabs } from "./read-slabs.ts";
import { Relay } from "./relay.ts";
import { seqFrom } from "./seq.ts";
import type { UDXSocket } from "./socket.ts";
import { StreamFacts } from "./stream-facts.ts";
import { isReaderWaiting, isWriterIdle } from "./streamx-state.ts";
import type { ClosedStream } from "./time-wait.ts";
import type { Remote } from "./transmitter.ts";
import type { UDX } from "./udx.ts";

/** Decides about a packet from a socket that is not the stream's own; truthy drops it. */
export type Firewall = (
  socket: UDXSocket,
  port: number,
  host: string,
  family: 4 | 6,
) => boolean | number | undefined | void;

export interface StreamOptions {
  /** Asked for every packet while the stream has no socket, or another one. Default: drop all. */
  readonly firewall?: Firewall;
  /** Deliver whole u24-prefixed frames where possible. */
  readonly framed?: boolean;
  /** First sequence number sent, when the peer was told out of band. */
  readonly seq?: number;
}

export interface ConnectOptions {
  /** The peer's first sequence number. */
  readonly ack?: number;
}

type Callback = (error: Error | null) => void;

const LOCALHOST = "127.0.0.1";
/** Who writes more has to wait for `drain`: streamx's high-water mark. */
const SHORT_MAX_BYTES = 16_383;

export class UDXStream extends StreamFacts implements EndpointEvents {
  readonly udx: UDX;
  /** Streams that forward to this one; they end with it. Null until there is one. */
  relayedBy: Set<UDXStream> | null = null;

  protected readonly endpoint: Endpoint;
  private readonly firewall: Firewall;
  private readonly frames: FrameGate | null;
  private relay: Relay | null = null;
  private previousSocket: UDXSocket | null = null;
  private changing: Promise<void> | null = null;
  private writeCallback: Callback | null = null;
  private destroyCallback: Callback | null = null;
  private writtenBytes = 0;
  private readonly flushes = new Flushes();

  constructor(udx: UDX, id: number, options: StreamOptions = {}) {
    super(id, { mapWritable: toBuffer, eagerOpen: true });
    this.udx = udx;
    this.firewall = options.firewall ?? dropAll;
    this.frames = options.framed === true ? new FrameGate() : null;
    const { turn, runtime, shared } = udx;
    const initialSeq = seqFrom(options.seq ?? 0);
    this.endpoint = new Endpoint(this, turn, runtime.clock, shared, initialSeq);
    udx.addStream(this);
  }

  /** Chunks are always delivered as they come; udx-native's setter has no effect either. */
  setInteractive(_isInteractive: boolean): void {
    // Kept for callers of udx-native.
  }

  /** Sends a HEARTBEAT whenever nothing was outstanding for `ms`; 0 turns it off. */
  setKeepalive(ms: number): void {
    if (!this.endpoint.isClosed) this.endpoint.setKeepalive(ms);
  }

  /**
   * Names the peer; sends nothing. Does nothing on a closed stream.
   * @throws {UdxError} EALREADY when connected, EPIPE on a closing socket, EINVAL for a bad address.
   */
  connect(
    socket: UDXSocket,
    remoteId: number,
    port: number,
    host?: string | ConnectOptions | null,
    options: ConnectOptions = {},
  ): void {
    if (this.endpoint.isClosed) return;
    if (this.connected) throw usageError("EALREADY", "Already connected");
    const address = typeof host === "string" && host !== "" ? host : LOCALHOST;
    const { ack } = typeof host === "object" && host !== null ? host : options;
    const remote = this.prepareRemote(socket, remoteId, port, address);
    this.endpoint.connect(remote, seqFrom(ack ?? 0));
    socket.addStream(this);
    this.emit("connect");
  }

  /**
   * Moves a connected stream to another remote, for all packets not sent yet. Resolves when everything sent
   * before is acknowledged; rejects when the stream closes first. Null when nothing is outstanding and the
   * change is over: HyperDHT then listens at once, for the very packet whose firewall hook called this.
   * @throws {UdxError} EALREADY, ENOTCONN, EPIPE or EINVAL.
   */
  changeRemote(
    socket: UDXSocket,
    remoteId: number,
    port: number,
    host?: string | null,
  ): Promise<void> | null {
    if (this.changing !== null) throw usageError("EALREADY", "Remote already changing");
    const previous = this.socket;
    if (previous === null) throw usageError("ENOTCONN", "Not yet connected");
    if (socket.udx !== previous.udx) {
      throw usageError("EINVAL", "Cannot change to a socket on another UDX instance");
    }
    const remote = this.prepareRemote(socket, remoteId, port, host || LOCALHOST);
    if (previous !== socket) {
      this.previousSocket = previous;
      previous.releaseQueued();
    }
    const changing = this.whenRemoteChanged();
    this.changing = changing;
    // Whoever does not wait for the change must not crash when the stream ends first.
    changing.catch(() => undefined);
    socket.addStream(this);
    this.endpoint.changeRemote(remote);
    return this.changing;
  }

  /**
   * Makes this stream forward everything to `destination`, for good.
   * @throws {UdxError} EINVAL when it already does, or the destination is closed.
   */
  relayTo(destination: UDXStream): void {
    if (this.endpoint.isClosed) return;
    if (this.relay !== null) throw usageError("EINVAL", "Already relaying");
    this.relay = new Relay(this, destination);
  }

  /** Sends one unordered message; resolves false when the stream or its socket closed first. */
  async send(buffer: Uint8Array): Promise<boolean> {
    const { socket } = this;
    if (socket === null || this.endpoint.isClosed) return false;
    return socket.whenSent(this.endpoint.transmitter.message(buffer));
  }

  /** Like `send`, without news of the outcome. */
  trySend(buffer: Uint8Array): void {
    if (this.connected && !this.endpoint.isClosed) this.endpoint.transmitter.message(buffer);
  }

  /** Resolves true when the peer has everything written so far, false when the stream ended before. */
  async flush(): Promise<boolean> {
    // streamx's types know only Writable here; the function reads nothing a Duplex lacks.
    if ((await Writable.drained(this)) === false || this.destroying) return false;
    return this.flushes.wait(this.writtenBytes, this.endpoint.sender.flight.ackedBytes);
  }

  /** A packet addressed to this stream, from UDX; see Endpoint.receive. */
  receive(
    socket: UDXSocket,
    datagram: Buffer,
    port: number,
    host: string,
    start = 0,
    end: number = datagram.length,
  ): void {
    const { endpoint } = this;
    endpoint.bytesReceived += end - start;
    endpoint.packetsReceived++;
    if (socket !== this.socket && this.isRejected(socket, port, host)) return;
    // The hook may have destroyed the stream, or connected it: then this packet counts as the first.
    if (endpoint.isClosed) return;
    if (this.relay === null) endpoint.receive(datagram, this.udx.turn.nowMs, start, end);
    else if (this.relay.forward(ownBytes(datagram, start, end))) endpoint.fail(connectionReset());
  }

  /** What TIME-WAIT needs to answer for this stream once it is gone. */
  lastState(): ClosedStream {
    return {
      remoteId: this.remoteId,
      port: this.remotePort,
      host: this.remoteHost ?? LOCALHOST,
      sndNxt: this.endpoint.sender.queue.nxt,
      rcvNxt: this.endpoint.receiver.nxt,
    };
  }

  /** Short chunks with nothing before them go past streamx's queue. */
  override write(data: unknown): boolean {
    const isShort = data instanceof Buffer && data.length <= SHORT_MAX_BYTES;
    const isIdle = this.connected && !this.endpoint.isBackpressured && isWriterIdle(this);
    if (!isShort || !isIdle) return super.write(data);
    this.writtenBytes += data.length;
    this.endpoint.write([data]);
    return true;
  }

  override _read(callback: Callback): void {
    this.endpoint.onRead();
    callback(null);
  }

  override _writev(batch: unknown[], callback: Callback): void {
    if (!this.connected) {
      throw usageError("ERR_ASSERTION", "Writing while not connected not currently supported");
    }
    const chunks: Buffer[] = [];
    for (const chunk of batch) {
      if (!(chunk instanceof Buffer)) throw usageError("EINVAL", "Streams carry bytes and strings");
      chunks.push(chunk);
      this.writtenBytes += chunk.length;
    }
    if (this.endpoint.write(chunks)) this.writeCallback = callback;
    else callback(null);
  }

  override _final(callback: Callback): void {
    if (this.endpoint.isClosed) callback(null);
    else if (this.endpoint.end()) this.writeCallback = callback;
    else callback(null);
  }

  override _predestroy(): void {
    this.endpoint.destroy(this.relay !== null);
    dropSpareSlabs();
    this.onWritable();
  }

  override _destroy(callback: Callback): void {
    if (this.connected) this.destroyCallback = callback;
    else callback(null);
  }

  /** EndpointEvents */
  unread(): number {
    return this._readableState.buffered;
  }

  /** EndpointEvents */
  onChunk(chunk: Buffer): void {
    const frame = this.frames === null ? chunk : this.frames.push(chunk);
    if (frame === undefined) return;
    if (frame.length > SHORT_MAX_BYTES || !isReaderWaiting(this)) {
      this.push(frame);
      return;
    }
    try {
      this.emit("data", frame);
    } catch (error) {
      // A reader that throws costs its own stream nothing.
      throwUncaught(error);
    }
  }

  /** EndpointEvents */
  onRemoteEnd(): void {
    const rest = this.frames?.flush();
    if (rest !== undefined) this.push(rest);
    this.push(null);
  }

  /** EndpointEvents */
  onMessage(payload: Buffer): void {
    this.emit("message", payload);
  }

  /** EndpointEvents */
  onWritable(): void {
    const callback = this.writeCallback;
    this.writeCallback = null;
    callback?.(null);
  }

  /** EndpointEvents */
  onAcked(): void {
    this.flushes.settle(this.endpoint.sender.flight.ackedBytes);
  }

  private isRejected(socket: UDXSocket, port: number, host: string): boolean {
    if (!isPort(port)) return true;
    return Boolean(this.firewall(socket, port, host, host.includes(":") ? 6 : 4));
  }

  /** Checks a remote and takes it over into the public fields. */
  private prepareRemote(socket: UDXSocket, remoteId: number, port: number, host: string): Remote {
    if (socket.closing) throw usageError("EPIPE", "Socket is closed");
    const family = familyOf(host);
    checkPort(port);
    if (!socket.bound) socket.bind(0);
    this.remoteId = remoteId;
    this.remotePort = port;
    this.remoteHost = host;
    this.remoteFamily = family;
    this.socket = socket;
    return {
      outlet: socket,
      id: remoteId,
      port,
      host,
      family: socket.address()?.family ?? family,
      isLoopback: isLoopback(host),
      recvBufferBytes: socket.recvBufferBytes,
      mtuCeiling: socket.isUnfragmented ? MTU_MAX : MTU_BASE,
    };
  }

  private whenRemoteChanged(): Promise<void> {
    return new Promise((resolve, reject) => {
      const onChanged = (): void => {
        this.off("close", onClose);
        resolve();
      };
      const onClose = (): void => {
        this.off("remote-changed", onChanged);
        reject(new UdxError("EPIPE", "Stream is closed", { blame: "usage" }));
      };
      this.once("remote-changed", onChanged).once("close", onClose);
    });
  }

  /** EndpointEvents */
  onRemoteChanged(): void {
    this.previousSocket?.removeStream(this);
    this.previousSocket = null;
    this.changing = null;
    this.emit("remote-changed");
  }

  /** EndpointEvents */
  onClosed(error: UdxError | null, isClean: boolean): void {
    this.udx.removeStream(this, isClean);
    this.relay?.close();
    this.releaseSockets();
    this.flushes.fail();
    // Each leg leaves the set before it is closed, so legs that relay to each other end the recursion.
    for (const leg of this.relayedBy ?? []) {
      this.relayedBy?.delete(leg);
      leg.endpoint.fail(null);
      leg.destroy();
    }
    if (this.destroyCallback !== null) {
      const callback = this.destroyCallback;
      this.destroyCallback = null;
      callback(error);
    } else if (error !== null) {
      this.destroy(error);
    }
  }

  private releaseSockets(): void {
    const { socket, previousSocket } = this;
    this.socket = null;
    this.previousSocket = null;
    socket?.removeStream(this);
    previousSocket?.removeStream(this);
  }
}

function toBuffer(data: unknown): unknown {
  if (typeof data === "string") return Buffer.from(data);
  if (data instanceof Buffer || !(data instanceof Uint8Array)) return data;
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
}

function dropAll(): boolean {
  return true;
}
