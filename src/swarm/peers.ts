import { toHex } from "../core/bytes.ts";
import type { Clock } from "../core/clock.ts";
import { BANS_MAX, PEERS_MAX } from "../core/limits.ts";

export interface NetworkAddress {
  readonly host: string;
  readonly port: number;
}

/** A copy that announced itself: nothing but its key and where to ask for it. */
export interface Peer {
  /** Hexadecimal of the key. */
  readonly id: string;
  readonly publicKey: Uint8Array;
  readonly relayAddresses: readonly NetworkAddress[];
}

interface Known extends Peer {
  score: number;
  failures: number;
  /** Not before this, monotonic. */
  retryAtMs: number;
}

const RETRY_BASE_MS = 5_000;
const RETRY_MAX_MS = 600_000;
/** What one act is worth. A piece is one point, so that a slow but honest provider rises as well. */
const SCORES = { served: 1, lacking: -1, failed: -4 } as const;
const SCORE_MAX = 100;

/**
 * The peers of this session: which to try next, which never again. Bans are by key. Keys cost nothing,
 * so a ban only keeps one connection from lying twice; what protects is that every byte is checked.
 */
export class Peers {
  readonly #clock: Clock;
  readonly #ownId: string;
  readonly #known = new Map<string, Known>();
  readonly #banned = new Set<string>();

  constructor(clock: Clock, ownKey: Uint8Array) {
    this.#clock = clock;
    this.#ownId = toHex(ownKey);
  }

  get size(): number {
    return this.#known.size;
  }

  /** A peer found in the DHT. Beyond the cap the worst one goes. */
  add(publicKey: Uint8Array, relayAddresses: readonly NetworkAddress[]): void {
    const id = toHex(publicKey);
    if (id === this.#ownId || this.#banned.has(id)) return;
    const known = this.#known.get(id);
    if (known !== undefined) {
      this.#known.set(id, { ...known, relayAddresses });
      return;
    }
    if (this.#known.size >= PEERS_MAX) this.#forgetWorst();
    const fresh = { score: 0, failures: 0, retryAtMs: -Infinity };
    this.#known.set(id, { id, publicKey, relayAddresses, ...fresh });
  }

  /**
   * The best one that may be tried now and is not in `busy`; among equals, a random one. Who has failed
   * comes after all who have not, whatever it gave before: liars that give a little must not keep out
   * those who had no turn yet.
   */
  next(busy: ReadonlySet<string>): Peer | undefined {
    const nowMs = this.#clock.monotonicMs();
    const free = [...this.#known.values()].filter(
      ({ id, retryAtMs }) => retryAtMs <= nowMs && !busy.has(id),
    );
    const unfailed = free.filter(({ failures }) => failures === 0);
    const list = unfailed.length > 0 ? unfailed : free;
    const best = Math.max(...list.map(({ score }) => score));
    const equals = list.filter(({ score }) => score === best);
    // A stranger must not be able to choose our peers by the order of its replies.
    return equals[Math.floor(Math.random() * equals.length)];
  }

  /** Is there one that may be tried now, is not in `busy` and has not failed? */
  hasFresh(busy: ReadonlySet<string>): boolean {
    const nowMs = this.#clock.monotonicMs();
    for (const { id, failures, retryAtMs } of this.#known.values()) {
      if (failures === 0 && retryAtMs <= nowMs && !busy.has(id)) return true;
    }
    return false;
  }

  served(id: string): void {
    this.#change(id, SCORES.served);
    const known = this.#known.get(id);
    if (known !== undefined) known.failures = 0;
  }

  /** It does not have what we want: no offence, but others come first. */
  lacking(id: string): void {
    this.#change(id, SCORES.lacking);
    this.#wait(id, RETRY_BASE_MS);
  }

  /** It could not be reached, went away or did not answer: later again, ever later. */
  failed(id: string): void {
    this.#change(id, SCORES.failed);
    const known = this.#known.get(id);
    if (known === undefined) return;
    this.#wait(id, Math.min(RETRY_BASE_MS * 2 ** known.failures++, RETRY_MAX_MS));
  }

  /** It lied: never again in this session. */
  ban(id: string): void {
    this.#known.delete(id);
    if (this.#banned.size >= BANS_MAX) {
      const [oldest] = this.#banned;
      if (oldest !== undefined) this.#banned.delete(oldest);
    }
    this.#banned.add(id);
  }

  isBanned(id: string): boolean {
    return this.#banned.has(id);
  }

  #change(id: string, points: number): void {
    const known = this.#known.get(id);
    if (known !== undefined) known.score = Math.min(known.score + points, SCORE_MAX);
  }

  #wait(id: string, waitMs: number): void {
    const known = this.#known.get(id);
    if (known !== undefined) known.retryAtMs = this.#clock.monotonicMs() + waitMs;
  }

  #forgetWorst(): void {
    let worst: Known | undefined;
    for (const known of this.#known.values()) {
      if (worst === undefined || known.score < worst.score) worst = known;
    }
    if (worst !== undefined) this.#known.delete(worst.id);
  }
}
