/** Which releases failed here, how often, and when the next attempt is allowed. */
import { toHex } from "../core/bytes.ts";
import type { Clock } from "../core/clock.ts";
import { REFUSED_ROOTS_MAX } from "../core/limits.ts";
import { retryDelayMs } from "./backoff.ts";
import type { Candidate } from "./trusted-state.ts";

interface Failures {
  readonly count: number;
  /** Monotonic. */
  readonly notBeforeMs: number;
}

export class Attempts {
  readonly #clock: Clock;
  readonly #intervalMs: number;
  readonly #random: () => number;
  readonly #byRoot = new Map<string, Failures>();

  constructor(clock: Clock, intervalMs: number, random: () => number) {
    this.#clock = clock;
    this.#intervalMs = intervalMs;
    this.#random = random;
  }

  isAllowed({ record }: Candidate): boolean {
    const failures = this.#byRoot.get(toHex(record.root));
    return failures === undefined || failures.notBeforeMs <= this.#clock.monotonicMs();
  }

  failed({ record }: Candidate): void {
    const root = toHex(record.root);
    const count = (this.#byRoot.get(root)?.count ?? 0) + 1;
    const delayMs = retryDelayMs(count, this.#intervalMs, this.#random());
    this.#byRoot.delete(root);
    this.#byRoot.set(root, { count, notBeforeMs: this.#clock.monotonicMs() + delayMs });
    const [oldest] = this.#byRoot.keys();
    if (this.#byRoot.size > REFUSED_ROOTS_MAX && oldest !== undefined) this.#byRoot.delete(oldest);
  }

  succeeded({ record }: Candidate): void {
    this.#byRoot.delete(toHex(record.root));
  }
}
