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
  /** Times in a row that all its places were taken. */
  refusals: number;
  /** Not before this, monotonic. */
  retryAtMs: number;
  /** When it first let us in and so proved that it belongs here, monotonic; Infinity when it never did. */
  memberSinceMs: number;
  /** Another peer has told of it. */
  isHeard: boolean;
}

/**
 * member: it has proved that it belongs here · heard: a peer has told of it · stranger: found on the topic,
 * where anybody can put any number of keys.
 */
export type PeerKind = "member" | "heard" | "stranger";

const RETRY_BASE_MS = 5_000;
const RETRY_MAX_MS = 600_000;
/** A place is free again within seconds: soon, then less often, and never all who were refused together. */
const BUSY_RETRY_BASE_MS = 2_000;
const BUSY_RETRY_MAX_MS = 16_000;
/** What one act is worth. A piece is one point, so that a slow but honest provider rises as well. */
const SCORES = { served: 1, lacking: -1, failed: -4 } as const;
const SCORE_MAX = 100;
const KEY_BYTES = 32;
/** Keys told by others that are known at once: they must not crowd out what is found on the topic. */
const HEARD_MAX = 16;
/** What a kind counts against others of the same score. */
const RANKS = { member: 0.5, heard: 0.25, stranger: 0 } as const satisfies Record<PeerKind, number>;
/** A member that cannot be reached so often is gone: its key was for one run. */
const MEMBER_FAILURES_MAX = 2;

/**
 * The peers of this session: which to try next, which never again. Bans are by key. Keys cost nothing,
 * so a ban only keeps one connection from lying twice; what protects is that every byte is checked.
 */
export class Peers {
  readonly #clock: Clock;
  readonly #ownId: string;
  readonly #known = new Map<string, Known>();
  readonly #banned = new Set<string>();
  readonly #random: () => number;

  /** `random`: from 0 to 1, 1 excluded. */
  constructor(clock: Clock, ownKey: Uint8Array, random: () => number = Math.random) {
    this.#random = random;
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
    const fresh = {
      score: 0,
      failures: 0,
      refusals: 0,
      retryAtMs: -Infinity,
      memberSinceMs: Infinity,
      isHeard: false,
    };
    this.#known.set(id, { id, publicKey, relayAddresses, ...fresh });
  }

  /**
   * The best one that may be tried now and is not in `busy`; among equals, a random one. Who has failed
   * comes after all who have not, whatever it gave before: liars that give a little must not keep out
   * those who had no turn yet.
   */
  next(busy: ReadonlySet<string>): Peer | undefined {
    const free = this.#free(busy);
    const unfailed = free.filter(({ failures }) => failures === 0);
    const list = unfailed.length > 0 ? unfailed : free;
    const best = Math.max(...list.map(rankOf));
    const equals = list.filter((known) => rankOf(known) === best);
    // A stranger must not be able to choose our peers by the order of its replies.
    return equals[Math.floor(Math.random() * equals.length)];
  }

  /** Is there one that may be tried now, is not in `busy` and has not failed? */
  hasFresh(busy: ReadonlySet<string>): boolean {
    return this.#free(busy).some(({ failures }) => failures === 0);
  }

  #free(busy: ReadonlySet<string>): Known[] {
    const nowMs = this.#clock.monotonicMs();
    return [...this.#known.values()].filter(
      ({ id, retryAtMs }) => retryAtMs <= nowMs && !busy.has(id),
    );
  }

  /** It has let us in: it knows the owner key, and the secret if there is one. */
  welcomed(id: string): void {
    const known = this.#known.get(id);
    if (known === undefined) return;
    known.failures = 0;
    known.memberSinceMs = Math.min(known.memberSinceMs, this.#clock.monotonicMs());
  }

  /**
   * Peers that proved to belong here, at most `max`: those that gave us something, then those we have known
   * longest. Newcomers do not push them out, however many there are (a topic full of sybils, E9).
   */
  members(max: number): readonly Peer[] {
    return [...this.#known.values()]
      .filter((known) => isMember(known))
      .toSorted(
        (a, b) => Number(b.score > 0) - Number(a.score > 0) || a.memberSinceMs - b.memberSinceMs,
      )
      .slice(0, max);
  }

  /** One of this kind that may be tried now and is not in `busy`, a random one. */
  nextOf(kind: PeerKind, busy: ReadonlySet<string>): Peer | undefined {
    const free = this.#free(busy).filter((known) => kindOf(known) === kind);
    return free[Math.floor(Math.random() * free.length)];
  }

  /** Keys of members of an earlier run, 32 bytes each: they count as such until they cannot be reached. */
  remember(keys: Uint8Array): void {
    for (const key of keysIn(keys)) {
      this.add(key, []);
      const known = this.#known.get(toHex(key));
      if (known !== undefined) known.memberSinceMs = this.#clock.monotonicMs();
    }
  }

  /** Keys that another peer has told, 32 bytes each: strangers, to be found through the DHT. */
  hear(keys: Uint8Array): void {
    for (const key of keysIn(keys)) {
      // What a lookup has told is kept: where to ask for it.
      if (this.#known.has(toHex(key))) continue;
      const heard = [...this.#known.values()].filter((known) => kindOf(known) === "heard");
      const [oldest] = heard;
      if (heard.length >= HEARD_MAX && oldest !== undefined) this.#known.delete(oldest.id);
      this.add(key, []);
      const known = this.#known.get(toHex(key));
      if (known !== undefined) known.isHeard = true;
    }
  }

  served(id: string): void {
    this.#change(id, SCORES.served);
    const known = this.#known.get(id);
    if (known === undefined) return;
    known.failures = 0;
    known.refusals = 0;
  }

  /** It does not have what we want: no offence, but others come first. */
  lacking(id: string): void {
    this.#change(id, SCORES.lacking);
    this.#wait(id, RETRY_BASE_MS);
  }

  /**
   * It has what we want and all its places are taken. Copies that found out about a release together must not
   * come back together: each waits between half and all of its time.
   */
  busy(id: string): void {
    this.#change(id, SCORES.lacking);
    const known = this.#known.get(id);
    if (known === undefined) return;
    const waitMs = Math.min(BUSY_RETRY_BASE_MS * 2 ** known.refusals++, BUSY_RETRY_MAX_MS);
    this.#wait(id, (waitMs * (1 + this.#random())) / 2);
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

  /** Whoever has to wait may be tried now: it was perhaps we who could not be reached. */
  forgive(): void {
    for (const known of this.#known.values()) known.retryAtMs = -Infinity;
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
      if (worst === undefined || rankOf(known) < rankOf(worst)) worst = known;
    }
    if (worst !== undefined) this.#known.delete(worst.id);
  }
}

function isMember({ memberSinceMs, failures }: Known): boolean {
  return memberSinceMs !== Infinity && failures < MEMBER_FAILURES_MAX;
}

function kindOf(known: Known): PeerKind {
  if (isMember(known)) return "member";
  return known.isHeard ? "heard" : "stranger";
}

function rankOf(known: Known): number {
  return known.score + RANKS[kindOf(known)];
}

function* keysIn(bytes: Uint8Array): Generator<Uint8Array, void> {
  for (let at = 0; at + KEY_BYTES <= bytes.length; at += KEY_BYTES) {
    yield bytes.slice(at, at + KEY_BYTES);
  }
}
