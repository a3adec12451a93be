/**
 * Follows the copies of one app: finds them as copies find each other, visits each now and then, and asks what
 * it runs. It serves, announces and tells nothing; to the others it is one more client.
 */
import type HyperDHT from "@hyperswarm/dht";
import { asContentRoot, type ContentRoot } from "../core/brand.ts";
import { equal, fromHex, toHex } from "../core/bytes.ts";
import { unixMinute, type Clock } from "../core/clock.ts";
import { DHT_TIMEOUT_MS, WATCHED_COPIES_MAX } from "../core/limits.ts";
import type { Log } from "../core/log.ts";
import { verifyRecord } from "../core/release-record.ts";
import { targetPublicKey } from "../core/target-key.ts";
import { decodePiece } from "../content/piece.ts";
import { checkRegion } from "../exe/check-region.ts";
import { decodeRegion } from "../exe/full-region.ts";
import { notesIn } from "../exe/notes.ts";
import { REGION_BYTES } from "../exe/region.ts";
import type { Bootstrap } from "../swarm/bootstrap.ts";
import { decodeStatus, type CopyStatus } from "../swarm/copy-status.ts";
import { exchangeRecord } from "../swarm/dht-record.ts";
import { Dialer } from "../swarm/dialer.ts";
import { SwarmError, violation } from "../swarm/error.ts";
import { findPeers } from "../swarm/find-peers.ts";
import { joinNetwork } from "../swarm/join.ts";
import { NewestRecord } from "../swarm/newest-record.ts";
import { inTime } from "../swarm/patience.ts";
import { Peers, type NetworkAddress, type Peer } from "../swarm/peers.ts";
import type { RemoteProvider } from "../swarm/remote-provider.ts";
import { jittered, Repeater } from "../swarm/repeater.ts";
import type { SwarmScope } from "../swarm/scope.ts";
import type { WatchEvent } from "./model.ts";

export interface ObserverOptions extends SwarmScope {
  readonly bootstrap: Bootstrap;
  readonly clock: Clock;
  readonly log: Log;
  /** About how often each copy is visited, and the DHT asked for more of them. */
  readonly intervalMs: number;
  readonly onEvent: (event: WatchEvent) => void;
}

/** Visits at a time; below CONNECTIONS_OUT_MAX, which the dialer holds. */
const VISITS_MAX = 12;
/** Of what a copy names, what it runs stands first. */
const ROOTS_ASKED_MAX = 3;
const LOOK_FOR_WORK_MS = 250;
/** A copy that restarts is under another key afterwards: it must not be missing for long. */
const LOOKUP_MAX_MS = 5_000;
/** A topic holds for two minutes: whoever is not in it for longer does not come back. */
const FORGET_MS = 180_000;

interface Known {
  readonly peer: Peer;
  listedMs: number;
  dueMs: number;
  failures: number;
  /** Of what it runs: it stays the same for one run of it, and with it for one key. */
  version: string | undefined;
  isBusy: boolean;
}

export class Observer {
  readonly #options: ObserverOptions;
  readonly #dht: HyperDHT;
  readonly #newest: NewestRecord;
  readonly #dialer: Dialer;
  readonly #known = new Map<string, Known>();
  readonly #stopping = new AbortController();
  readonly #repeaters: readonly Repeater[];
  #visits = 0;
  /** Nobody has given the notes of the newest record yet. */
  #isCurious = false;

  private constructor(options: ObserverOptions, dht: HyperDHT) {
    const { clock, intervalMs, onEvent } = options;
    this.#options = options;
    this.#dht = dht;
    this.#newest = new NewestRecord(options, clock, undefined, ({ record }) => {
      this.#isCurious = record.x.notes !== undefined;
      onEvent({
        type: "release",
        version: record.version.text,
        publishedS: record.publishedS,
        sizeBytes: record.lengthBytes + REGION_BYTES,
        withdrawn: record.x.withdrawn?.text,
      });
    });
    const peers = new Peers(clock, dht.defaultKeyPair.publicKey);
    const newest = this.#newest;
    this.#dialer = new Dialer(dht, { scope: options, clock, peers, newest, isSilent: true });
    const often = (): number => jittered(intervalMs);
    this.#repeaters = [
      new Repeater(
        clock,
        () => Math.min(intervalMs / 2, LOOKUP_MAX_MS),
        () => this.#look(),
      ),
      new Repeater(clock, often, () => this.#askDht()),
      new Repeater(
        clock,
        () => LOOK_FOR_WORK_MS,
        () => Promise.resolve(this.#fill()),
      ),
    ];
  }

  /** The caller must `destroy` it. */
  static async start(options: ObserverOptions): Promise<Observer> {
    const observer = new Observer(options, await joinNetwork(options.bootstrap));
    for (const repeater of observer.#repeaters) repeater.start();
    return observer;
  }

  async destroy(): Promise<void> {
    this.#stopping.abort();
    for (const repeater of this.#repeaters) repeater.stop();
    await this.#dialer.destroy();
    await this.#dht.destroy({ force: true });
  }

  /** Each lookup shows a sample of those who are there. */
  async #look(): Promise<void> {
    const minute = unixMinute(this.#options.clock.nowMs());
    const found = { add: this.#found.bind(this) };
    await this.#inTime((signal) => findPeers(this.#dht, this.#options, minute, found, signal));
  }

  #askDht(): Promise<unknown> {
    const key = targetPublicKey(this.#options.owner, this.#options.name);
    return this.#inTime((signal) => exchangeRecord(this.#dht, key, this.#newest, signal));
  }

  #found(publicKey: Uint8Array, relayAddresses: readonly NetworkAddress[]): void {
    const id = toHex(publicKey);
    const nowMs = this.#options.clock.monotonicMs();
    const known = this.#known.get(id);
    if (known !== undefined) known.listedMs = nowMs;
    else if (this.#known.size < WATCHED_COPIES_MAX) {
      const peer = { id, publicKey, relayAddresses };
      const fresh = { failures: 0, version: undefined, isBusy: false };
      this.#known.set(id, { peer, listedMs: nowMs, dueMs: nowMs, ...fresh });
    }
  }

  #fill(): void {
    const nowMs = this.#options.clock.monotonicMs();
    for (const [id, { listedMs, isBusy }] of this.#known) {
      if (!isBusy && nowMs - listedMs > FORGET_MS) this.#known.delete(id);
    }
    const due = [...this.#known.values()]
      .filter(({ isBusy, dueMs }) => !isBusy && dueMs <= nowMs)
      // Those who are known to be there first: their news is worth more than a dead key's silence.
      .sort((a, b) => a.failures - b.failures || a.dueMs - b.dueMs);
    for (const known of due.slice(0, VISITS_MAX - this.#visits)) {
      if (this.#stopping.signal.aborted || !this.#dialer.hasRoom) return;
      void this.#visit(known);
    }
  }

  async #visit(known: Known): Promise<void> {
    const { clock, onEvent, intervalMs } = this.#options;
    const { id } = known.peer;
    known.isBusy = true;
    this.#visits++;
    try {
      const provider = await this.#dialer.dial(known.peer);
      try {
        known.version ??= await this.#versionOf(provider);
        await this.#askNotes(provider);
        const status = await statusOf(provider);
        known.failures = 0;
        // It is there: no need for the DHT to say so.
        known.listedMs = clock.monotonicMs();
        onEvent({ type: "met", copy: id, version: known.version, status });
      } finally {
        provider.finish();
      }
    } catch (cause) {
      known.failures++;
      if (!this.#stopping.signal.aborted) {
        this.#options.log(
          "debug",
          `${id.slice(0, 8)}: ${cause instanceof Error ? cause.message : ""}`,
        );
        onEvent({ type: "gone", copy: id });
      }
    } finally {
      this.#visits--;
      known.isBusy = false;
      known.dueMs = clock.monotonicMs() + jittered(intervalMs) * 2 ** Math.min(known.failures, 5);
    }
  }

  /** The region of what it runs tells the version, under the owner's signature. */
  async #versionOf(provider: RemoteProvider): Promise<string> {
    for (const text of provider.roots.slice(0, ROOTS_ASKED_MAX)) {
      const root = asContentRoot(fromHex(text));
      try {
        return this.#read(await provider.request({ type: "region", root }).bytes, root);
      } catch (cause) {
        // What it is only able to tell the difference to.
        if (!(cause instanceof SwarmError) || cause.code !== "NOT_HELD") throw cause;
      }
    }
    throw violation("it has nothing of what it names");
  }

  /** Whoever has the newest release can give its notes; that they are the owner's, its record says. */
  async #askNotes(provider: RemoteProvider): Promise<void> {
    const newest = this.#newest.current;
    if (!this.#isCurious || newest === undefined || !provider.hasRoot(newest.record.root)) return;
    const { root, version } = newest.record;
    try {
      const { bytes } = provider.request({ type: "region", root });
      const region = decodePiece(await bytes, REGION_BYTES, undefined);
      const extension = region && decodeRegion(region).extension;
      const notes = extension && notesIn(extension, newest.record);
      // Meanwhile another record may have come, or another copy may have answered.
      if (notes === undefined || !this.#isCurious || this.#newest.current !== newest) return;
      this.#isCurious = false;
      this.#options.onEvent({ type: "notes", version: version.text, notes });
    } catch {
      // The next copy may have them. A connection that broke shows at the next question.
    }
  }

  /** A copy cannot claim a version that the owner has not released. @throws when it tries */
  #read(coded: Uint8Array, root: ContentRoot): string {
    const { owner, name } = this.#options;
    const region = decodePiece(coded, REGION_BYTES, undefined);
    const signed = region === undefined ? undefined : decodeRegion(region).extension?.record;
    if (region === undefined || signed === undefined) throw violation("a region without a record");
    const verified = verifyRecord(owner, signed.bytes, signed.signature);
    checkRegion(owner, region, verified);
    const { record } = verified;
    const isOurs =
      record.app === name.app && record.target === name.target && record.channel === name.channel;
    if (!isOurs || !equal(record.root, root)) throw violation("a region of something else");
    return record.version.text;
  }

  #inTime<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    return inTime(this.#options.clock, this.#stopping.signal, DHT_TIMEOUT_MS, work);
  }
}

/** Undefined for a copy that tells nothing. */
async function statusOf(provider: RemoteProvider): Promise<CopyStatus | undefined> {
  try {
    const { clients, ...status } = decodeStatus(await provider.request({ type: "status" }).bytes);
    // One of them is us.
    return { ...status, clients: Math.max(0, clients - 1) };
  } catch (cause) {
    if (cause instanceof SwarmError && cause.code === "NOT_HELD") return undefined;
    throw cause;
  }
}
