/**
 * Socket options Bun.udpSocket does not offer, through setsockopt on its descriptor: kernel buffer sizes and
 * "never fragment". Everything works without them, only slower: small buffers mean more loss in bursts, and
 * packets stay at the base MTU.
 */
import { dlopen, ptr } from "bun:ffi";
import { RECV_BUFFER_DEFAULT, RECV_BUFFER_SIZES } from "./constants.ts";
import { UdxError } from "./error.ts";

interface OptionNumbers {
  readonly libraries: readonly string[];
  readonly socketLevel: number;
  readonly recvBuffer: number;
  readonly sendBuffer: number;
  /** Level and name of the option that joins received datagrams. */
  readonly join?: readonly [level: number, name: number];
  /** Level, name and value per family that keep datagrams whole whatever the kernel believes of the path. */
  readonly unfragmented: Readonly<
    Record<4 | 6, readonly [level: number, name: number, value: number]>
  >;
}

/** The C library of glibc, and of musl on each processor. */
export const LINUX_LIBRARIES: readonly string[] = [
  "libc.so.6",
  "libc.musl-x86_64.so.1",
  "libc.musl-aarch64.so.1",
];

/** From the C headers of each system: sys/socket.h, netinet/in.h. */
const NUMBERS: Readonly<Record<string, OptionNumbers>> = {
  linux: {
    libraries: LINUX_LIBRARIES,
    socketLevel: 1,
    recvBuffer: 8,
    sendBuffer: 7,
    // UDP_GRO, since Linux 5.0.
    join: [17, 104],
    // IP_MTU_DISCOVER and IPV6_MTU_DISCOVER with PMTUDISC_PROBE, as libudx udx__udp_set_dontfrag.
    unfragmented: { 4: [0, 10, 3], 6: [41, 23, 3] },
  },
  darwin: {
    libraries: ["libSystem.B.dylib"],
    socketLevel: 0xffff,
    recvBuffer: 0x1002,
    sendBuffer: 0x1001,
    // IP_DONTFRAG, IPV6_DONTFRAG
    unfragmented: { 4: [0, 28, 1], 6: [41, 62, 1] },
  },
};

const INT_SIZE = 4;

interface SocketCalls {
  readonly numbers: OptionNumbers;
  set(fd: number, level: number, name: number, value: number): boolean;
  get(fd: number, level: number, name: number): number | undefined;
}

let calls: SocketCalls | null | undefined;

/**
 * Asks for the largest of RECV_BUFFER_SIZES the kernel allows; ignores a refusal. Returns what there is now, bytes
 * as the system reports them, or the usual default where it cannot be asked.
 */
export function requestRecvBuffer(fd: number | undefined): number {
  const system = load();
  if (system === null || fd === undefined) return RECV_BUFFER_DEFAULT;
  const { socketLevel, recvBuffer } = system.numbers;
  for (const size of RECV_BUFFER_SIZES) {
    if (system.set(fd, socketLevel, recvBuffer, size)) break;
  }
  return system.get(fd, socketLevel, recvBuffer) ?? RECV_BUFFER_DEFAULT;
}

/** Turns fragmentation off. Returns whether that worked. */
export function forbidFragments(fd: number, family: 4 | 6): boolean {
  const system = load();
  if (system === null) return false;
  const [level, name, value] = system.numbers.unfragmented[family];
  const isSet = system.set(fd, level, name, value);
  if (family === 4) return isSet;
  // A dual-stack socket also sends IPv4; an IPv6-only one refuses the IPv4 option, which does not matter.
  const [level4, name4, value4] = system.numbers.unfragmented[4];
  system.set(fd, level4, name4, value4);
  return isSet;
}

/** Turns joining on or off, see UdpHandle.joinReceived. Returns whether that worked. */
export function joinReceived(fd: number, isOn: boolean): boolean {
  const system = load();
  if (system?.numbers.join === undefined) return false;
  const [level, name] = system.numbers.join;
  return system.set(fd, level, name, isOn ? 1 : 0);
}

/** Kernel buffer, bytes as the system reports them. @throws {UdxError} ENOTSUP where they cannot be read. */
export function getBufferSize(fd: number | undefined, kind: "recv" | "send"): number {
  const system = load();
  const size =
    system === null || fd === undefined
      ? undefined
      : system.get(fd, system.numbers.socketLevel, bufferName(system.numbers, kind));
  if (size === undefined) throw unsupported();
  return size;
}

/** Asks for a kernel buffer of at least `size` bytes. @throws {UdxError} ENOTSUP where it cannot be set. */
export function setBufferSize(fd: number | undefined, kind: "recv" | "send", size: number): void {
  const system = load();
  if (system === null || fd === undefined) throw unsupported();
  system.set(fd, system.numbers.socketLevel, bufferName(system.numbers, kind), size);
}

function bufferName(numbers: OptionNumbers, kind: "recv" | "send"): number {
  return kind === "recv" ? numbers.recvBuffer : numbers.sendBuffer;
}

function unsupported(): UdxError {
  return new UdxError("ENOTSUP", "socket buffer sizes are not available on this platform", {
    blame: "local",
  });
}

function load(): SocketCalls | null {
  calls ??= open();
  return calls;
}

function open(): SocketCalls | null {
  const numbers = NUMBERS[process.platform];
  if (numbers === undefined) return null;
  for (const library of numbers.libraries) {
    const opened = tryOpen(library, numbers);
    if (opened !== null) return opened;
  }
  return null;
}

function tryOpen(library: string, numbers: OptionNumbers): SocketCalls | null {
  try {
    const { symbols } = dlopen(library, {
      setsockopt: { args: ["i32", "i32", "i32", "ptr", "u32"], returns: "i32" },
      getsockopt: { args: ["i32", "i32", "i32", "ptr", "ptr"], returns: "i32" },
    });
    const value = new Int32Array(1);
    const length = new Uint32Array(1);
    return {
      numbers,
      set(fd, level, name, wanted) {
        value[0] = wanted;
        return symbols.setsockopt(fd, level, name, ptr(value), INT_SIZE) === 0;
      },
      get(fd, level, name) {
        length[0] = INT_SIZE;
        const status = symbols.getsockopt(fd, level, name, ptr(value), ptr(length));
        return status === 0 ? value[0] : undefined;
      },
    };
  } catch {
    // musl has another library name, hardened builds have no foreign calls at all.
    return null;
  }
}
