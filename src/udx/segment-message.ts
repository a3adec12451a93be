/**
 * One `struct msghdr` for many datagrams of one size: Linux cuts what it points at into segments (UDP_SEGMENT, udp(7)).
 * Layouts are those of 64-bit little-endian Linux, as 32-bit words.
 */
import { dlopen, ptr } from "bun:ffi";
import type { DatagramBatch } from "./runtime.ts";
import { LINUX_LIBRARIES } from "./socket-options.ts";

/** Array slots of one datagram in a batch: bytes, port, host. */
export const FIELDS = 3;
/** UDP_MAX_SEGMENTS of kernels before 6.9. */
export const SEGMENTS_MAX = 64;

/** sys/socket.h, netinet/udp.h. */
const AF_INET = 2;
const AF_INET6 = 10;
const SOL_UDP = 17;
const UDP_SEGMENT = 103;
const MSG_DONTWAIT = 0x40;

/** struct msghdr: name, its length, vectors, their count, control, its length, flags. */
const MESSAGE_WORDS = 14;
const NAME = 0;
const NAME_LENGTH = 2;
const VECTORS = 4;
const VECTOR_COUNT = 6;
const CONTROL = 8;
const CONTROL_LENGTH = 10;
/** struct iovec: base, length. */
const VECTOR_WORDS = 4;
/** struct cmsghdr and the size of a segment, u16: its length, level, type, size. */
const CONTROL_WORDS: readonly number[] = [16 + 2, 0, SOL_UDP, UDP_SEGMENT, 0, 0];
const SEGMENT_SIZE = 4;
/** struct sockaddr_in and sockaddr_in6: family, port big-endian, address. */
const SOCKET_ADDRESS = {
  4: { bytes: 16, family: AF_INET, addressAt: 4 },
  6: { bytes: 28, family: AF_INET6, addressAt: 8 },
} as const;
const PORT_AT = 2;
/** Where everything lies in memory, bytes. */
const WORD_BYTES = 4;
const CONTROL_AT: number = MESSAGE_WORDS * WORD_BYTES;
const VECTORS_AT: number = CONTROL_AT + CONTROL_WORDS.length * WORD_BYTES;
const NAME_AT: number = VECTORS_AT + SEGMENTS_MAX * VECTOR_WORDS * WORD_BYTES;
const NAME_BYTES_MAX = 28;
const HIGH_WORD = 2 ** 32;

/** The C functions in use; tests put refusals here. */
export interface SegmentCalls {
  /** sendmsg(2): bytes sent, below 0 for a refusal. */
  sendMessage(fd: number, message: Uint32Array, flags: number): number;
  /** getsockopt(2): whether the kernel has UDP_SEGMENT. One that has not sends a run as one datagram. */
  hasSegments(fd: number): boolean;
  /** inet_pton(3) of a text that ends with a zero byte. */
  parseAddress(family: number, text: Uint8Array, address: Uint8Array): boolean;
}

export class SegmentMessage {
  private readonly calls: SegmentCalls;
  private readonly fd: number;
  private readonly family: 4 | 6;
  private readonly message: Uint32Array;
  private readonly control: Uint32Array;
  private readonly vectors: Uint32Array;
  private readonly name: Uint8Array;
  private host = "";

  /** For a socket of that family. */
  constructor(calls: SegmentCalls, fd: number, family: 4 | 6) {
    this.calls = calls;
    this.fd = fd;
    this.family = family;
    // In a buffer of its own: JavaScriptCore moves the bytes of a small array that has none.
    const memory = new ArrayBuffer(NAME_AT + NAME_BYTES_MAX);
    this.message = new Uint32Array(memory, 0, MESSAGE_WORDS);
    this.control = new Uint32Array(memory, CONTROL_AT, CONTROL_WORDS.length);
    this.vectors = new Uint32Array(memory, VECTORS_AT, SEGMENTS_MAX * VECTOR_WORDS);
    this.name = new Uint8Array(memory, NAME_AT, SOCKET_ADDRESS[family].bytes);
    this.name[0] = SOCKET_ADDRESS[family].family;
    this.control.set(CONTROL_WORDS);
    const { control, message, name, vectors } = this;
    setPointer(message, NAME, ptr(name));
    message[NAME_LENGTH] = name.length;
    setPointer(message, VECTORS, ptr(vectors));
    setPointer(message, CONTROL, ptr(control));
    message[CONTROL_LENGTH] = control.byteLength;
  }

  /**
   * Sends the `count` datagrams of `batch` from index `at` on, all to one address, all as long as the first but the last, which may be
   * shorter. All or nothing; returns whether they are sent.
   */
  send(batch: DatagramBatch, at: number, count: number): boolean {
    const first = batch[at];
    if (!(first instanceof Uint8Array) || !this.address(batch[at + 2], batch[at + 1])) return false;
    const { control, message, vectors } = this;
    let bytes = 0;
    for (let i = 0; i < count; i++) {
      const datagram = batch[at + i * FIELDS];
      if (!(datagram instanceof Uint8Array)) return false;
      setPointer(vectors, i * VECTOR_WORDS, ptr(datagram));
      vectors[i * VECTOR_WORDS + 2] = datagram.length;
      bytes += datagram.length;
    }
    message[VECTOR_COUNT] = count;
    control[SEGMENT_SIZE] = first.length;
    return this.calls.sendMessage(this.fd, message, MSG_DONTWAIT) === bytes;
  }

  private address(host: unknown, port: unknown): boolean {
    if (typeof host !== "string" || typeof port !== "number") return false;
    const { name } = this;
    name[PORT_AT] = port >>> 8;
    name[PORT_AT + 1] = port & 0xff;
    if (host === this.host) return true;
    const { family, addressAt } = SOCKET_ADDRESS[this.family];
    // A socket of both families talks IPv4 by mapped addresses.
    const text = this.family === 6 && !host.includes(":") ? `::ffff:${host}` : host;
    this.host = this.calls.parseAddress(
      family,
      Buffer.from(`${text}\0`, "latin1"),
      name.subarray(addressAt),
    )
      ? host
      : "";
    return this.host === host;
  }
}

/** The C library's functions, or null where there are none. */
export function loadSegmentCalls(): SegmentCalls | null {
  if (process.platform !== "linux") return null;
  for (const library of LINUX_LIBRARIES) {
    const calls = tryLoad(library);
    if (calls !== null) return calls;
  }
  return null;
}

function tryLoad(library: string): SegmentCalls | null {
  try {
    const { symbols } = dlopen(library, {
      // ssize_t, of which no message needs more than 32 bits.
      sendmsg: { args: ["i32", "ptr", "i32"], returns: "i32" },
      getsockopt: { args: ["i32", "i32", "i32", "ptr", "ptr"], returns: "i32" },
      inet_pton: { args: ["i32", "ptr", "ptr"], returns: "i32" },
    });
    const value = new Int32Array(1);
    const length = new Uint32Array(1);
    return {
      sendMessage: (fd, message, flags) => symbols.sendmsg(fd, ptr(message), flags),
      hasSegments(fd) {
        length[0] = value.byteLength;
        return symbols.getsockopt(fd, SOL_UDP, UDP_SEGMENT, ptr(value), ptr(length)) === 0;
      },
      parseAddress: (family, text, address) =>
        symbols.inet_pton(family, ptr(text), ptr(address)) === 1,
    };
  } catch {
    // musl has another library name, hardened builds have no foreign calls at all.
    return null;
  }
}

function setPointer(words: Uint32Array, at: number, pointer: number): void {
  words[at] = pointer;
  words[at + 1] = pointer / HIGH_WORD;
}
