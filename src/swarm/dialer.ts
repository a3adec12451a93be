/** Connections we open ourselves. */
import type HyperDHT from "@hyperswarm/dht";
import { unixMinute, type Clock } from "../core/clock.ts";
import { CONNECT_TIMEOUT_MS, CONNECTIONS_OUT_MAX } from "../core/limits.ts";
import { SwarmError } from "./error.ts";
import { HostCounts } from "./host-counts.ts";
import type { NewestRecord } from "./newest-record.ts";
import type { Peer, Peers } from "./peers.ts";
import { RemoteProvider } from "./remote-provider.ts";
import type { SwarmScope } from "./scope.ts";

export interface DialerContext {
  readonly scope: SwarmScope;
  readonly clock: Clock;
  readonly peers: Peers;
  readonly newest: NewestRecord;
  /** Tells nobody which record we know: who only looks on does not hurry the others. */
  readonly isSilent?: boolean;
}

interface Attempt {
  readonly sinceMs: number;
  /** Once it has let us in. */
  provider?: RemoteProvider;
  /** Gives up; undefined while there is nothing to give up, or no longer. */
  abort?: () => void;
}

/** A dial that takes longer may still succeed, but not while others wait for its place. */
const PATIENCE_MS = 6_000;

export class Dialer {
  readonly #dht: Pick<HyperDHT, "connect">;
  readonly #context: DialerContext;
  readonly #busy = new Map<string, Attempt>();
  readonly #hosts = new HostCounts();

  constructor(dht: Pick<HyperDHT, "connect">, context: DialerContext) {
    this.#dht = dht;
    this.#context = context;
  }

  /** Ids of the peers we are connected or connecting to. */
  get busy(): ReadonlySet<string> {
    return new Set(this.#busy.keys());
  }

  get hasRoom(): boolean {
    return this.#busy.size < CONNECTIONS_OUT_MAX;
  }

  /**
   * Connects, introduces us and exchanges records. The caller closes what it gets. The peer's score is
   * adjusted and a forger is banned, whatever the outcome.
   * @throws {SwarmError} why it did not work.
   */
  async dial(peer: Peer): Promise<RemoteProvider> {
    if (!this.hasRoom || this.#busy.has(peer.id)) {
      throw new SwarmError("CLOSED", "too many connections", { blame: "local" });
    }
    const attempt: Attempt = { sinceMs: this.#context.clock.monotonicMs() };
    this.#busy.set(peer.id, attempt);
    try {
      const provider = await this.#welcomed(peer, attempt);
      attempt.provider = provider;
      void provider.closed.then(() => this.#busy.delete(peer.id));
      return provider;
    } catch (cause) {
      this.#busy.delete(peer.id);
      if (!this.#context.peers.isBanned(peer.id)) this.#context.peers.failed(peer.id);
      throw cause;
    }
  }

  /** Gives up the dial that has taken longest, if that is long, so that somebody else has its place. */
  giveUpSlowest(): boolean {
    const beforeMs = this.#context.clock.monotonicMs() - PATIENCE_MS;
    // The oldest come first.
    for (const { sinceMs, provider, abort } of this.#busy.values()) {
      if (provider !== undefined || abort === undefined || sinceMs > beforeMs) continue;
      abort();
      return true;
    }
    return false;
  }

  /** Closes everything; resolves when last words that were under way have been said. */
  async destroy(): Promise<void> {
    const attempts = [...this.#busy.values()];
    const providers = attempts.flatMap(({ provider }) => provider ?? []);
    const reason = new SwarmError("STOPPED", "we are stopping", { blame: "local" });
    for (const provider of providers) if (!provider.isFinishing) provider.close(reason);
    await Promise.all(providers.map(({ closed }) => closed));
  }

  async #welcomed(peer: Peer, attempt: Attempt): Promise<RemoteProvider> {
    const { clock } = this.#context;
    try {
      return await this.#try(peer, attempt, 0);
    } catch (cause) {
      const minute = deniedMinute(cause);
      const minuteOffset = minute === undefined ? 0 : minute - unixMinute(clock.nowMs());
      if (minuteOffset === 0) throw cause;
      // Our clock may be the wrong one. Once: whoever denies twice is not of our swarm.
      return this.#try(peer, attempt, minuteOffset);
    }
  }

  async #try(peer: Peer, attempt: Attempt, minuteOffset: number): Promise<RemoteProvider> {
    const { newest, peers } = this.#context;
    const provider = await this.#connect(peer, attempt, minuteOffset);
    attempt.abort = () => provider.close(unreachable());
    const claim = await provider.welcomed;
    if (claim !== undefined && newest.offer(claim) === "refused") {
      peers.ban(peer.id);
      const reason = new SwarmError("LIE", "the provider sent a forged record", { blame: "peer" });
      provider.close(reason);
      throw reason;
    }
    peers.welcomed(peer.id);
    const ours = newest.current;
    if (ours !== undefined && this.#context.isSilent !== true) provider.tellRecord(ours);
    return provider;
  }

  /** Resolves when the handshake is done and our hello is on its way. */
  #connect(peer: Peer, attempt: Attempt, minuteOffset: number): Promise<RemoteProvider> {
    const { scope, clock } = this.#context;
    const stream = this.#dht.connect(peer.publicKey, {
      relayAddresses: [...peer.relayAddresses],
    });
    const { promise, resolve, reject } = Promise.withResolvers<RemoteProvider>();
    const fail = (reason: SwarmError): void => {
      cancel();
      stream.destroy();
      reject(reason);
    };
    const cancel = clock.after(CONNECT_TIMEOUT_MS, () => fail(unreachable()));
    attempt.abort = () => fail(unreachable());
    stream.on("error", (cause) => fail(unreachable(cause)));
    stream.on("close", () => fail(unreachable()));
    stream.on("connect", () => {
      cancel();
      const { remoteHost } = stream.rawStream;
      if (!this.#hosts.tryAdd(remoteHost)) {
        return fail(
          new SwarmError("CLOSED", "enough connections to this address", { blame: "local" }),
        );
      }
      const provider = new RemoteProvider(stream, { scope, clock, minuteOffset });
      void provider.closed.then(() => this.#hosts.remove(remoteHost));
      resolve(provider);
    });
    return promise;
  }
}

function deniedMinute(cause: unknown): number | undefined {
  if (!(cause instanceof SwarmError) || cause.code !== "AUTH_DENIED") return undefined;
  const { minute } = cause.evidence;
  return typeof minute === "number" ? minute : undefined;
}

function unreachable(cause?: Error): SwarmError {
  return new SwarmError("CLOSED", "the peer could not be reached", { blame: "peer", cause });
}
