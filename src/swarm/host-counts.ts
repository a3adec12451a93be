import { CONNECTIONS_PER_HOST_MAX, CONNECTIONS_PER_LOOPBACK_MAX } from "../core/limits.ts";

const LOOPBACK = /^(::ffff:)?127(\.\d{1,3}){3}$|^::1$/i;

export function isLoopback(host: string): boolean {
  return LOOPBACK.test(host);
}

/** A party that has so many connections, or places, more than another one gives way to it. */
export const UNFAIR_LEAD = 2;

/**
 * Who counts as one: an address, however many connections it has. The copies on one machine share its loopback
 * address, and are told apart by their sockets.
 */
export function partyOf({ remoteHost, remotePort }: RemoteAddress): string {
  return isLoopback(remoteHost) ? `${remoteHost}:${remotePort}` : remoteHost;
}

export interface RemoteAddress {
  readonly remoteHost: string;
  readonly remotePort: number;
}

/**
 * Connections by address: one address must not take all places. Copies on one machine share its loopback
 * address, and whoever can send from it is on this machine already, so there the cap is higher.
 */
export class HostCounts {
  readonly #counts = new Map<string, number>();

  /** False when the address has all that it may have. */
  tryAdd(host: string): boolean {
    const count = this.#counts.get(host) ?? 0;
    const max = isLoopback(host) ? CONNECTIONS_PER_LOOPBACK_MAX : CONNECTIONS_PER_HOST_MAX;
    if (count >= max) return false;
    this.#counts.set(host, count + 1);
    return true;
  }

  remove(host: string): void {
    const count = this.#counts.get(host) ?? 0;
    if (count <= 1) this.#counts.delete(host);
    else this.#counts.set(host, count - 1);
  }
}
