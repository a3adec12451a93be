/**
 * Everything the transport takes from its surroundings: time, the end of an event-loop turn and UDP sockets.
 * Tests put a fake clock and an in-memory network here.
 */
import { type Clock, systemClock } from "../core/clock.ts";
import { UdxError } from "./error.ts";
import { Segments } from "./segments.ts";
import { forbidFragments, joinReceived, requestRecvBuffer } from "./socket-options.ts";
import { countReceived } from "./young-garbage.ts";

/** Datagram, port, host, datagram, port, host, … */
export type DatagramBatch = readonly (Uint8Array | number | string)[];

export interface UdpHandle {
  readonly port: number;
  /** File descriptor, where there is one. */
  readonly fd: number | undefined;
  /** The kernel's receive buffer as it reports it, bytes. */
  readonly recvBufferBytes: number;
  /** Whether the kernel sends no fragments: only then can a path MTU be searched for. */
  readonly isUnfragmented: boolean;
  /**
   * Hands datagrams to the kernel without blocking; returns how many it took. A short count means "try the
   * rest again", and an error may be about an earlier datagram: Bun reports ICMP errors this way.
   */
  sendMany(batch: DatagramBatch): number;
  /**
   * Whether the kernel joins packets of one size from one peer that come together into one datagram (see joined.ts). Returns whether
   * it can.
   */
  joinReceived(isOn: boolean): boolean;
  setTTL(ttl: number): void;
  addMembership(group: string, interfaceAddress?: string): void;
  dropMembership(group: string, interfaceAddress?: string): void;
  ref(): void;
  unref(): void;
  close(): void;
}

export interface UdpEvents {
  /** One datagram; the callee owns the buffer. */
  onDatagram(datagram: Buffer, port: number, host: string): void;
  /** The kernel takes datagrams again. */
  onWritable(): void;
}

export interface UdpOptions {
  readonly host: string;
  readonly port: number;
  readonly ipv6Only: boolean;
  readonly reuseAddress: boolean;
}

export interface Runtime {
  readonly clock: Clock;
  /** Calls back once the datagrams that are waiting now have been handled. */
  defer(callback: () => void): void;
  /** Binds synchronously. @throws the operating system's error, with `code`. */
  bindUdp(options: UdpOptions, events: UdpEvents): UdpHandle;
}

/** Bits of Bun.udpSocket's undocumented `flags`, the ones its own node:dgram passes. */
const FLAG_IPV6_ONLY = 8;
const FLAG_REUSE_ADDRESS = 16;

export const bunRuntime: Runtime = {
  clock: systemClock,
  defer(callback) {
    setImmediate(callback);
  },
  bindUdp(options, events) {
    const flags =
      (options.ipv6Only ? FLAG_IPV6_ONLY : 0) | (options.reuseAddress ? FLAG_REUSE_ADDRESS : 0);
    const config = {
      hostname: options.host,
      port: options.port,
      ...(flags === 0 ? {} : { flags }),
      socket: {
        data(_socket: unknown, datagram: Buffer, port: number, host: string): void {
          events.onDatagram(datagram, port, host);
          countReceived(datagram.length);
        },
        drain(): void {
          events.onWritable();
        },
        error(): void {
          // ICMP errors of datagrams sent earlier. Without this callback they would be uncaught exceptions.
        },
      },
    };
    // The promise is fulfilled when it is returned, for an IP literal; peek makes bind synchronous.
    const socket = Bun.peek(Bun.udpSocket(config));
    if (socket instanceof Promise) {
      throw new UdxError("ENOTSUP", `binding ${options.host} did not finish synchronously`);
    }
    const fd = "fd" in socket && typeof socket.fd === "number" ? socket.fd : undefined;
    const family = options.host.includes(":") ? 6 : 4;
    const sendMany = (batch: DatagramBatch): number => socket.sendMany(batch);
    const segments = fd === undefined ? undefined : new Segments(fd, family, sendMany);
    return {
      port: socket.port,
      fd,
      recvBufferBytes: requestRecvBuffer(fd),
      isUnfragmented: fd !== undefined && forbidFragments(fd, family),
      sendMany: segments === undefined ? sendMany : (batch) => segments.send(batch),
      joinReceived: (isOn) => fd !== undefined && joinReceived(fd, isOn),
      setTTL: (ttl) => void socket.setTTL(ttl),
      addMembership: (group, address) => void socket.addMembership(group, address),
      dropMembership: (group, address) => void socket.dropMembership(group, address),
      ref: () => socket.ref(),
      unref: () => socket.unref(),
      close: () => socket.close(),
    };
  },
};
