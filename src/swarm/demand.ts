/**
 * How many providers a download uses. One more costs a connection and code that is not compiled yet at its end, and gives
 * something only while the others do not fill our path. So a download begins with one; it takes more quickly while nobody
 * gives anything, be they slow or liars, steadily while it would last, and none when it is fast or nearly over.
 */
import type { Clock } from "../core/clock.ts";
import { Rate } from "../core/rate.ts";

export interface Supply {
  /** When something verified came last; monotonic, -Infinity before. */
  readonly lastVerifiedMs: number;
  /** Bytes of the stream that are fetched, and that will be. */
  readonly fetchedBytes: number;
  readonly wantedBytes: number;
  /** Bytes they came in. */
  readonly wireBytes: number;
  /** Somebody else could send differences, which are so much smaller. */
  readonly isCoarse: boolean;
}

/** Nothing for so long: those in use do not count. At first it is a time to connect, RFC 8305's for one address after another. */
const HUNGRY_MS = 500;
const HUNGRY_EVERY_MS = 100;
const STEADY_EVERY_MS = 250;
/** Bytes on the wire: beyond it is this machine, or its line, that is the limit. */
const ENOUGH_BYTES_PER_S = 8_000_000;
/** A download that is over sooner is over before one more provider helps. */
const SOON_S = 3;
const RATE_WINDOW_MS = 500;
/** So many are tried for differences. */
const COARSE_MAX = 4;

export class Demand {
  readonly #clock: Clock;
  readonly #wire: Rate;
  readonly #fetched: Rate;
  #wanted = 1;
  #raisedMs: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#wire = new Rate(clock, RATE_WINDOW_MS);
    this.#fetched = new Rate(clock, RATE_WINDOW_MS);
    this.#raisedMs = clock.monotonicMs();
  }

  /** Providers to be connected or connecting to; never falls. */
  get wanted(): number {
    return this.#wanted;
  }

  /** To be called every tenth of a second. */
  look(supply: Supply): void {
    const nowMs = this.#clock.monotonicMs();
    const { bytesPerS } = this.#wire.at(supply.wireBytes, supply.wireBytes);
    const { leftS = Infinity } = this.#fetched.at(supply.fetchedBytes, supply.wantedBytes);
    const isHungry =
      nowMs - supply.lastVerifiedMs >= HUNGRY_MS || (supply.isCoarse && this.#wanted < COARSE_MAX);
    const isFed = bytesPerS >= ENOUGH_BYTES_PER_S || leftS <= SOON_S;
    if (isFed && !isHungry) return;
    if (nowMs - this.#raisedMs < (isHungry ? HUNGRY_EVERY_MS : STEADY_EVERY_MS)) return;
    this.#raisedMs = nowMs;
    this.#wanted++;
  }
}
