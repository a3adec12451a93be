/** Tells the DHT that there is something to be had from us, each minute under another topic. */
import type HyperDHT from "@hyperswarm/dht";
import { unixMinute, type Clock } from "../core/clock.ts";
import { DHT_TIMEOUT_MS } from "../core/limits.ts";
import { isLoopbackOnly, type Bootstrap } from "./bootstrap.ts";
import { rememberFound } from "./find-peers.ts";
import type { Holdings } from "./holdings.ts";
import { inTime } from "./patience.ts";
import type { Peers } from "./peers.ts";
import type { Provider } from "./provider.ts";
import { Repeater } from "./repeater.ts";
import type { SwarmScope } from "./scope.ts";
import { topicOf } from "./topic.ts";

export interface AnnouncerOptions extends SwarmScope {
  readonly bootstrap: Bootstrap;
  readonly clock: Clock;
  /** 0: nobody is told of us. */
  readonly uploadBytesPerS?: number;
}

export interface AnnouncerContext {
  readonly provider: Pick<Provider, "listen" | "relayAddresses">;
  readonly holdings: Pick<Holdings, "isEmpty">;
  /** Told of those that have announced themselves before us. */
  readonly peers: Pick<Peers, "add">;
  readonly stopping: AbortSignal;
  readonly onFailure: (cause: unknown) => void;
}

const MINUTE_MS = 60_000;
/** Announcements are spread over the first seconds of a minute; till then the last one is looked at. */
const SPREAD_MS = 10_000;
/** A download that is over by then has nothing to give that others could not have where it came from. */
const PARTIAL_AFTER_MS = 1_000;

export class Announcer {
  /** To be started and stopped by whoever owns this. */
  readonly repeater: Repeater;
  readonly #dht: HyperDHT;
  readonly #options: AnnouncerOptions;
  readonly #context: AnnouncerContext;
  #listening: Promise<void> | undefined;
  #minute = -1;
  #cancelPartial: (() => void) | undefined;

  constructor(dht: HyperDHT, options: AnnouncerOptions, context: AnnouncerContext) {
    this.#dht = dht;
    this.#options = options;
    this.#context = context;
    const delayMs = (): number => {
      const intoMinuteMs = options.clock.nowMs() % MINUTE_MS;
      return MINUTE_MS - intoMinuteMs + Math.random() * SPREAD_MS;
    };
    this.repeater = new Repeater(options.clock, delayMs, () => this.announce());
  }

  /**
   * Announcing is a lookup as well, which has told of others on this minute's topic or the one before: of half of
   * them, about, and of others each minute, since everybody's moment is a new one.
   */
  get hasLooked(): boolean {
    return this.#minute >= unixMinute(this.#options.clock.nowMs()) - 1;
  }

  /** A part of a release is there to be had, or no longer. */
  setPartial(isThere: boolean): void {
    this.#cancelPartial?.();
    if (!isThere) return;
    this.#cancelPartial = this.#options.clock.after(PARTIAL_AFTER_MS, () => void this.announce());
  }

  /** On this minute's topic. Older ones are left to expire: nobody looks there any more. Never rejects. */
  async announce(): Promise<void> {
    const { clock, bootstrap, uploadBytesPerS } = this.#options;
    const { provider, holdings, peers, stopping, onFailure } = this.#context;
    if (uploadBytesPerS === 0 || holdings.isEmpty || stopping.aborted) return;
    const minute = unixMinute(clock.nowMs());
    try {
      await (this.#listening ??= provider.listen(this.#dht, !isLoopbackOnly(bootstrap)));
      if (minute === this.#minute) return;
      this.#minute = minute;
      await inTime(clock, stopping, DHT_TIMEOUT_MS, async (signal) => {
        const query = this.#dht.announce(
          topicOf(this.#options, minute),
          this.#dht.defaultKeyPair,
          provider.relayAddresses,
        );
        signal.addEventListener("abort", () => query.destroy(), { once: true });
        await rememberFound(query, peers);
      });
    } catch (cause) {
      this.#minute = -1;
      onFailure(cause);
    }
  }

  /** Ends nothing but a timer. */
  destroy(): void {
    this.#cancelPartial?.();
  }
}
