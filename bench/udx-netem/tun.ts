/** TUN devices: network interfaces whose packets a process reads and writes. Linux, root. */
import { dlopen, ptr } from "bun:ffi";

const O_RDWR = 0o2;
const O_NONBLOCK = 0o4000;
const TUNSETIFF = 0x400454ca;
const IFF_TUN = 0x0001;
/** Packets without a header of TUN's own. */
const IFF_NO_PI = 0x1000;
/** struct ifreq of linux/if.h: name, then flags. */
const IFREQ_BYTES = 40;
const IFREQ_FLAGS = 16;
const POLLIN = 1;
/** struct pollfd: fd i32, events i16, revents i16. */
const POLLFD_BYTES = 8;

const { symbols } = dlopen("libc.so.6", {
  open: { args: ["ptr", "i32"], returns: "i32" },
  ioctl: { args: ["i32", "u64", "ptr"], returns: "i32" },
  read: { args: ["i32", "ptr", "u64"], returns: "i32" },
  write: { args: ["i32", "ptr", "u64"], returns: "i32" },
  ppoll: { args: ["ptr", "u64", "ptr", "ptr"], returns: "i32" },
});

/** Creates the device `name` in this process's network namespace; it exists as long as the process. */
export function openTun(name: string): number {
  const fd = symbols.open(ptr(Buffer.from("/dev/net/tun\0")), O_RDWR | O_NONBLOCK);
  const request = Buffer.alloc(IFREQ_BYTES);
  request.write(name);
  request.writeUInt16LE(IFF_TUN | IFF_NO_PI, IFREQ_FLAGS);
  if (fd < 0 || symbols.ioctl(fd, TUNSETIFF, ptr(request)) < 0) {
    throw new Error(`cannot create the TUN device ${name}`);
  }
  return fd;
}

/** Memory for packets, addressed by slot. */
export class Slots {
  readonly count: number;
  readonly bytes: number;
  private readonly memory: Uint8Array;
  private readonly start: number;

  constructor(count: number, bytes: number) {
    this.count = count;
    this.bytes = bytes;
    this.memory = new Uint8Array(count * bytes);
    this.start = ptr(this.memory);
  }

  /** Reads a packet into the slot; its length, or less than 1 when none is waiting. */
  read(fd: number, slot: number): number {
    return symbols.read(fd, this.start + slot * this.bytes, this.bytes);
  }

  write(fd: number, slot: number, length: number): void {
    symbols.write(fd, this.start + slot * this.bytes, length);
  }
}

/** Waits until one of the devices has a packet, or `ms` have passed. */
export class Poll {
  private readonly descriptors: Uint8Array;
  private readonly count: number;
  private readonly timeout = new BigInt64Array(2);

  constructor(fds: readonly number[]) {
    this.count = fds.length;
    const descriptors = Buffer.alloc(fds.length * POLLFD_BYTES);
    fds.forEach((fd, i) => {
      descriptors.writeInt32LE(fd, i * POLLFD_BYTES);
      descriptors.writeInt16LE(POLLIN, i * POLLFD_BYTES + 4);
    });
    this.descriptors = descriptors;
  }

  wait(ms: number): void {
    this.timeout[1] = BigInt(Math.max(0, Math.floor(ms * 1e6)));
    symbols.ppoll(ptr(this.descriptors), this.count, ptr(this.timeout), null);
  }
}
