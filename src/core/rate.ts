import type { Clock } from "./clock.ts";

/** Over how long the rate is averaged, unless told otherwise. */
const WINDOW_MS = 5_000;

export interface Speed {
  readonly bytesPerS: number;
  /** Undefined while nothing moves. */
  readonly leftS: number | undefined;
}

/** Bytes per second of the last while. */
export class Rate {
  readonly #clock: Clock;
  readonly #windowMs: number;
  #samples: { readonly atMs: number; readonly doneBytes: number }[] = [];

  constructor(clock: Clock, windowMs: number = WINDOW_MS) {
    this.#clock = clock;
    this.#windowMs = windowMs;
  }

  at(doneBytes: number, totalBytes: number): Speed {
    const atMs = this.#clock.monotonicMs();
    // Less than before is the beginning of something else.
    if (doneBytes < (this.#samples.at(-1)?.doneBytes ?? 0)) this.#samples = [];
    this.#samples.push({ atMs, doneBytes });
    // The newest sample from before the window stays: it is where the window begins.
    const begin = this.#samples.findLastIndex((sample) => sample.atMs <= atMs - this.#windowMs);
    if (begin > 0) this.#samples.splice(0, begin);
    const [first] = this.#samples;
    const elapsedMs = atMs - (first?.atMs ?? atMs);
    const bytesPerS =
      elapsedMs > 0 ? ((doneBytes - (first?.doneBytes ?? 0)) * 1000) / elapsedMs : 0;
    const leftS = bytesPerS > 0 ? Math.ceil((totalBytes - doneBytes) / bytesPerS) : undefined;
    return { bytesPerS, leftS };
  }
}
