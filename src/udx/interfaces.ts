/** Network interfaces and a watcher for their changes (udx-native lib/network-interfaces.js). */
import { EventEmitter } from "node:events";
import { networkInterfaces as osNetworkInterfaces } from "node:os";
import { INTERFACE_POLL_MS } from "./constants.ts";

export interface NetworkInterface {
  readonly name: string;
  readonly host: string;
  readonly family: 4 | 6;
  /** Loopback. */
  readonly internal: boolean;
}

interface WatcherEvents {
  change: [interfaces: NetworkInterface[]];
  close: [];
}

/** All addresses of all interfaces, in the operating system's order, without zone suffixes. */
export function listNetworkInterfaces(): NetworkInterface[] {
  return Object.entries(osNetworkInterfaces()).flatMap(([name, addresses = []]) =>
    addresses.map(({ address, family, internal }) => ({
      name,
      host: address.split("%", 1)[0] ?? address,
      family: family === "IPv4" ? 4 : 6,
      internal,
    })),
  );
}

/** Polls the interfaces while watching, and keeps the process alive for it until destroyed. */
export class NetworkInterfaces
  extends EventEmitter<WatcherEvents>
  implements Iterable<NetworkInterface>
{
  interfaces: NetworkInterface[] = listNetworkInterfaces();
  private timer: ReturnType<typeof setInterval> | null = null;
  private destroying: Promise<void> | null = null;

  watch(): this {
    if (this.timer !== null || this.destroying !== null) return this;
    this.poll();
    this.timer = setInterval(() => this.poll(), INTERFACE_POLL_MS);
    return this;
  }

  unwatch(): this {
    if (this.timer !== null) clearInterval(this.timer);
    this.timer = null;
    return this;
  }

  /** Stops watching; `close` follows once. */
  destroy(): Promise<void> {
    if (this.destroying === null) {
      this.unwatch();
      this.destroying = new Promise((resolve) => {
        setImmediate(() => {
          this.emit("close");
          resolve();
        });
      });
    }
    return this.destroying;
  }

  [Symbol.iterator](): Iterator<NetworkInterface> {
    return this.interfaces[Symbol.iterator]();
  }

  private poll(): void {
    const found = listNetworkInterfaces();
    if (Bun.deepEquals(found, this.interfaces)) return;
    this.interfaces = found;
    this.emit("change", found);
  }
}
