import type { Clock } from "../core/clock.ts";

/** Later than this means that we were kept from running: what came meanwhile lies unread in the socket. */
const OVERSLEPT_MS = 1_000;
/** Then, and once, so much more: the other side may have been in time. */
const GRACE_MS = 1_000;

/**
 * One deadline that is moved often and expires rarely: moving it costs a store, not a timer. Expires at
 * most once; never keeps the process alive.
 */
export class Deadline {
  readonly #clock: Clock;
  readonly #onExpire: () => void;
  #atMs = Infinity;
  #isGraced = false;
  #cancel: (() => void) | undefined;

  constructor(clock: Clock, onExpire: () => void) {
    this.#clock = clock;
    this.#onExpire = onExpire;
  }

  /** Expires `delayMs` from now, unless moved or cleared before. */
  set(delayMs: number): void {
    const atMs = this.#clock.monotonicMs() + delayMs;
    // A timer that fires too early looks again; one that would fire too late has to go.
    if (this.#cancel !== undefined && atMs < this.#atMs) this.#disarm();
    this.#atMs = atMs;
    this.#isGraced = false;
    this.#cancel ??= this.#clock.after(delayMs, () => this.#check());
  }

  clear(): void {
    this.#atMs = Infinity;
    this.#disarm();
  }

  #disarm(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #check(): void {
    this.#cancel = undefined;
    const leftMs = this.#atMs - this.#clock.monotonicMs();
    if (leftMs > 0) this.#cancel = this.#clock.after(leftMs, () => this.#check());
    else if (leftMs < -OVERSLEPT_MS && !this.#isGraced) {
      this.#isGraced = true;
      this.#cancel = this.#clock.after(GRACE_MS, () => this.#check());
    } else this.#onExpire();
  }
}
