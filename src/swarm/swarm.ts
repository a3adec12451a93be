/** One swarm: finds out what is newest, gets it, and gives what we have to others. */
import type HyperDHT from "@hyperswarm/dht";
import type { PublicKey } from "../core/brand.ts";
import { unixMinute, type Clock } from "../core/clock.ts";
import { concat } from "../core/bytes.ts";
import {
  CONTACT_NODES_MAX,
  CONTACT_PEERS_MAX,
  DHT_TIMEOUT_MS,
  PEERS_TOLD_MAX,
} from "../core/limits.ts";
import type { Handover } from "../core/handover.ts";
import type { Log } from "../core/log.ts";
import type { VerifiedRecord } from "../core/release-record.ts";
import { targetPublicKey } from "../core/target-key.ts";
import { Announcer } from "./announcer.ts";
import type { Base } from "./bases.ts";
import type { Bootstrap } from "./bootstrap.ts";
import { Calm } from "./calm.ts";
import type { Copies } from "./copies.ts";
import type { CopyStatus } from "./copy-status.ts";
import { exchangeRecord } from "./dht-record.ts";
import { Dialer } from "./dialer.ts";
import type { FetchOptions } from "./fetch-options.ts";
import { SwarmError } from "./error.ts";
import { findPeers } from "./find-peers.ts";
import { fetchRelease } from "./getter.ts";
import { Holdings, type Holding } from "./holdings.ts";
import { joinNetwork } from "./join.ts";
import type { Manifest } from "./manifest.ts";
import { NewestRecord } from "./newest-record.ts";
import { Peers, type Peer, type PeerKind } from "./peers.ts";
import { Provider } from "./provider.ts";
import type { RemoteProvider } from "./remote-provider.ts";
import { atMost, inTime } from "./patience.ts";
import { jittered, Repeater } from "./repeater.ts";
import type { SwarmScope } from "./scope.ts";

/** Ways into the swarm that do not depend on bootstrap nodes or on a topic. */
export interface Contacts {
  /** Keys of peers that proved to belong here; 32 bytes each. */
  readonly peers: readonly Uint8Array[];
  /** DHT nodes. */
  readonly nodes: readonly { readonly host: string; readonly port: number }[];
}

export interface SwarmOptions extends SwarmScope {
  readonly bootstrap: Bootstrap;
  readonly clock: Clock;
  readonly log: Log;
  /** The newest record seen in earlier runs: the floor. */
  readonly newest?: VerifiedRecord | undefined;
  /** Of an earlier run. */
  readonly contacts?: Contacts | undefined;
  /** Each verified record that is newer than the one before. */
  readonly onRecord?: (record: VerifiedRecord) => void;
  /** Whoever counts copies asks the peers it meets as well whether they hold the newest release. */
  readonly copies?: Copies;
  /** Is lent each peer that is met in a round. What it throws is that peer's failure. */
  readonly onMet?: (peer: RemoteProvider) => Promise<void>;
  /** Bytes sent to others, as they go. */
  readonly onServed?: (sizeBytes: number) => void;
  /**
   * Answers to whoever watches the rollout: why this copy does not take the newest release, if so. Absent:
   * nothing is told but what the protocol cannot do without.
   */
  readonly refusal?: () => string | undefined;
  /** What is sent to others at most. 0: nothing, and nobody is told of us. Absent: as much as there is. */
  readonly uploadBytesPerS?: number;
  /** Handovers of owner keys that led to ours, kept in the DHT where copies that follow those look. */
  readonly handovers?: readonly Handover[];
  /** Discovers by itself, about this often. Absent: only when asked to. */
  readonly intervalMs?: number;
}

/** Records are exchanged with this many peers in one round, random ones. */
const GOSSIP_PEERS = 8;
/** When nothing has been new for a while: as many meet us. */
const CALM_GOSSIP_PEERS = 1;
const GOSSIP_KINDS: readonly PeerKind[] = ["member", "heard", "stranger", "stranger"];
/** How long a round waits for slow peers when the DHT has answered; they may still tell us later. */
const GOSSIP_PATIENCE_MS = 3_000;
/** DHT nodes keep a record for a day or two; all copies of a swarm keep it there. */
const HANDOVERS_EVERY_MS = 3_600_000;
/** How long a newer record waits for an even newer one: a few round trips. */
const SETTLE_MS = 500;
/** For last words and for withdrawing our announcement when we stop: a courtesy. */
const CLOSE_PATIENCE_MS = 1_000;

export class Swarm {
  readonly #options: SwarmOptions;
  readonly #dht: HyperDHT;
  readonly #targetKey: PublicKey;
  readonly #newest: NewestRecord;
  readonly #peers: Peers;
  readonly #dialer: Dialer;
  readonly #holdings: Holdings;
  readonly #provider: Provider;
  readonly #stopping = new AbortController();
  readonly #repeaters: Repeater[];
  #round: Promise<void> | undefined;
  readonly #announcer: Announcer;
  #nodes = 0;
  #isHeldByDht = false;
  #hasReached = false;
  readonly #calm = new Calm();
  /** Of peers that were picked for gossip; over all rounds, so that one in a round is of every kind in turn. */
  #picked = 0;
  #servedBytes = 0;
  /** Resolves at the next record that is newer; renewed by each round. */
  #found = Promise.withResolvers<void>();

  private constructor(options: SwarmOptions, dht: HyperDHT) {
    const { clock, onRecord, copies, onServed, refusal, uploadBytesPerS, intervalMs } = options;
    this.#options = options;
    this.#dht = dht;
    this.#targetKey = targetPublicKey(options.owner, options.name);
    this.#holdings = new Holdings(clock);
    this.#peers = new Peers(clock, dht.defaultKeyPair.publicKey);
    this.#newest = new NewestRecord(options, clock, options.newest, (record) => {
      this.#found.resolve();
      this.#calm.end();
      onRecord?.(record);
    });
    const shared = { scope: options, clock, peers: this.#peers, newest: this.#newest };
    this.#dialer = new Dialer(dht, shared);
    this.#provider = new Provider({
      ...shared,
      holdings: this.#holdings,
      onDone: (key, root) => copies?.add("fetched", key, root),
      onServed: (sizeBytes) => {
        this.#servedBytes += sizeBytes;
        onServed?.(sizeBytes);
      },
      ...(refusal === undefined ? {} : { status: () => this.#status(refusal()) }),
      ...(uploadBytesPerS === undefined ? {} : { uploadBytesPerS }),
    });
    this.#announcer = new Announcer(dht, options, {
      provider: this.#provider,
      holdings: this.#holdings,
      peers: this.#peers,
      stopping: this.#stopping.signal,
      onFailure: (cause) => this.#debug("this copy could not be announced", cause),
    });
    this.#repeaters = [this.#announcer.repeater];
    if (options.handovers !== undefined && options.handovers.length > 0) {
      const delayMs = (): number => jittered(HANDOVERS_EVERY_MS);
      this.#repeaters.push(new Repeater(clock, delayMs, () => this.#keepHandovers()));
    }
    if (intervalMs !== undefined) {
      const delayMs = (): number => jittered(intervalMs);
      this.#repeaters.push(new Repeater(clock, delayMs, () => this.discover()));
    }
  }

  /**
   * Joins the network in the background: the first lookups wait for it. Nothing of it keeps the process
   * alive; the caller must `destroy` it.
   */
  static async start(options: SwarmOptions): Promise<Swarm> {
    const { bootstrap, contacts } = options;
    const swarm = new Swarm(options, await joinNetwork(bootstrap, contacts?.nodes));
    swarm.#peers.remember(concat(...(contacts?.peers ?? [])));
    for (const repeater of swarm.#repeaters) repeater.start();
    return swarm;
  }

  /** Our key in this run. */
  get publicKey(): Uint8Array {
    return this.#dht.defaultKeyPair.publicKey;
  }

  /** The newest record that verified, ever seen by this swarm or given to it. */
  get newest(): VerifiedRecord | undefined {
    return this.#newest.current;
  }

  /** DHT nodes that have the newest record, as of the last round. */
  get nodes(): number {
    return this.#nodes;
  }

  /** Has anybody answered in the last round? Else its outcome says nothing: we may be offline. */
  get hasReached(): boolean {
    return this.#hasReached;
  }

  /** Connections that others have with us. */
  get connections(): number {
    return this.#provider.connections;
  }

  /** Gives this to whoever asks, beside what is served already, and announces us. */
  serve(holding: Holding): void {
    this.#holdings.add(holding);
    this.#newest.offer(holding.record);
    void this.#announcer.announce();
  }

  /** The newest record is told to whoever is met, and put into the DHT, in the next rounds. */
  tell(record: VerifiedRecord): void {
    this.#newest.offer(record);
  }

  /** Makes differences to this for others who still have it. */
  addBase(base: Base): void {
    this.#holdings.addBase(base);
  }

  /**
   * Step 1 (discover): asks the DHT and some peers, and refreshes the DHT. Resolves with the newest record
   * known, which may be the one we had: finding nothing never means that there is nothing.
   * @throws {SwarmError} STOPPED
   */
  async discover(): Promise<VerifiedRecord | undefined> {
    if (this.#stopping.signal.aborted) throw stopped();
    this.#round ??= this.#discoverOnce().finally(() => (this.#round = undefined));
    await this.#round;
    return this.#newest.current;
  }

  /** Steps 3 and 4. @throws {SwarmError} NO_PROVIDER, STOPPED; what the caller's functions threw */
  fetch(record: VerifiedRecord, options: FetchOptions): Promise<Manifest> {
    const signals = [
      this.#stopping.signal,
      ...(options.signal === undefined ? [] : [options.signal]),
    ];
    return fetchRelease(
      record,
      { ...options, signal: AbortSignal.any(signals) },
      {
        clock: this.#options.clock,
        dialer: this.#dialer,
        peers: this.#peers,
        place: {
          setPartial: (partial) => {
            this.#holdings.setPartial(partial);
            this.#announcer.setPartial(partial !== undefined);
          },
          remember: (...difference) => this.#holdings.remember(...difference),
        },
        findPeers: () => this.#findPeers(),
      },
    );
  }

  /** Who and what is worth remembering for the next run. */
  get contacts(): Contacts {
    const peers = this.#peers.members(CONTACT_PEERS_MAX).map(({ publicKey }) => publicKey);
    return { peers, nodes: this.#dht.toArray({ limit: CONTACT_NODES_MAX }) };
  }

  /** Stops everything and closes every socket. Safe to call twice. */
  async destroy(): Promise<void> {
    if (this.#stopping.signal.aborted) return;
    this.#stopping.abort();
    for (const repeater of this.#repeaters) repeater.stop();
    this.#announcer.destroy();
    const closing = Promise.all([this.#dialer.destroy(), this.#provider.destroy()]);
    await atMost(this.#options.clock, closing, CLOSE_PATIENCE_MS);
    this.#holdings.destroy();
    await this.#dht.destroy({ force: true });
  }

  #status(refusal: string | undefined): CopyStatus {
    return { servedBytes: this.#servedBytes, clients: this.connections, refusal };
  }

  /**
   * Ends when the DHT has answered and the peers had their time, or soon after the first newer record: the
   * newest of all answers counts, but who never answers must not hold up who did.
   */
  async #discoverOnce(): Promise<void> {
    this.#found = Promise.withResolvers<void>();
    this.#hasReached = false;
    const gossip = this.#gossip();
    const ask = async (): Promise<void> => {
      await this.#exchange();
      await atMost(this.#options.clock, gossip, GOSSIP_PATIENCE_MS);
    };
    const all = ask();
    await Promise.race([
      all,
      this.#found.promise.then(() => atMost(this.#options.clock, all, SETTLE_MS)),
    ]);
  }

  async #exchange(): Promise<void> {
    try {
      const { answered, refreshed, held } = await this.#inTime((signal) =>
        exchangeRecord(this.#dht, this.#targetKey, this.#newest, signal),
      );
      if (answered > 0) this.#hasReached = true;
      this.#nodes = refreshed + held;
      this.#isHeldByDht = held > 0 && refreshed === 0;
    } catch (cause) {
      this.#isHeldByDht = false;
      this.#debug("the DHT did not answer", cause);
    }
  }

  async #keepHandovers(): Promise<void> {
    const { handovers = [], clock } = this.#options;
    for (const handover of handovers) {
      const { owner, record } = handover;
      const scope = { owner, name: record, sharedSecret: undefined };
      const newest = new NewestRecord(scope, clock, handover, () => undefined);
      const key = targetPublicKey(owner, record);
      await this.#inTime((signal) => exchangeRecord(this.#dht, key, newest, signal)).catch(
        (cause: unknown) => this.#debug("a handover could not be put into the DHT", cause),
      );
    }
  }

  /** Tells and asks some peers directly, so that no DHT node can hide a release that one of them knows. */
  async #gossip(): Promise<void> {
    // What announcing has told of is enough to meet one of.
    if (!this.#isCalm || !this.#announcer.hasLooked) await this.#findPeers();
    const wanted = this.#isCalm ? CALM_GOSSIP_PEERS : GOSSIP_PEERS;
    const talks: Promise<void>[] = [];
    const asked = new Set(this.#dialer.busy);
    while (talks.length < wanted && this.#dialer.hasRoom) {
      // Some of each kind: neither a topic full of keys of others nor a few old friends decide whom we meet.
      const kind = GOSSIP_KINDS[this.#picked++ % GOSSIP_KINDS.length] ?? "stranger";
      const peer = this.#peers.nextOf(kind, asked) ?? this.#peers.next(asked);
      if (peer === undefined) break;
      asked.add(peer.id);
      talks.push(this.#talk(peer));
    }
    const results = await Promise.allSettled(talks);
    const met = results.filter(({ status }) => status === "fulfilled").length;
    this.#calm.add({ isHeldByDht: this.#isHeldByDht, tried: results.length, met });
  }

  get #isCalm(): boolean {
    const { copies, onMet } = this.#options;
    const isCounting = copies !== undefined || onMet !== undefined;
    return this.#calm.holds && !isCounting;
  }

  /** Both records were exchanged when the dial is over; a peer that fails was judged there. */
  async #talk(peer: Peer): Promise<void> {
    const provider = await this.#dialer.dial(peer);
    this.#hasReached = true;
    const { copies, onMet } = this.#options;
    const root = this.#newest.current?.record.root;
    try {
      await this.#exchangePeers(provider);
      await onMet?.(provider);
      if (copies === undefined || root === undefined) return;
      await provider.request({ type: "region", root }).bytes;
      copies.add("holding", peer.publicKey, root);
    } finally {
      provider.finish();
    }
  }

  /** Keys against keys, so that a topic full of others' cannot keep the members of a swarm apart (E9). */
  async #exchangePeers(provider: RemoteProvider): Promise<void> {
    const ours = this.#peers.members(PEERS_TOLD_MAX).map(({ publicKey }) => publicKey);
    this.#peers.hear(await provider.request({ type: "peers", keys: concat(...ours) }).bytes);
  }

  #findPeers(): Promise<void> {
    const minute = unixMinute(this.#options.clock.nowMs());
    return this.#inTime((signal) =>
      findPeers(this.#dht, this.#options, minute, this.#peers, signal),
    );
  }

  #inTime<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    return inTime(this.#options.clock, this.#stopping.signal, DHT_TIMEOUT_MS, work);
  }

  #debug(what: string, cause: unknown): void {
    if (this.#stopping.signal.aborted) return;
    const reason = cause instanceof Error ? cause.message : "";
    this.#options.log("debug", `${what}: ${reason}`);
  }
}

function stopped(): SwarmError {
  return new SwarmError("STOPPED", "the swarm was stopped", { blame: "local" });
}
