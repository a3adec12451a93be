/** How much has come from each of several connections lately, by what their sockets have received. */
import { PROGRESS_MIN_BYTES_PER_S } from "../core/limits.ts";

/** Long enough for a slow path to show itself, a fraction of the progress window. */
const WINDOW_MS = 5_000;
const SAMPLE_MS = 500;
/** Slower than this share of the others' mean: it holds the place of somebody better. */
const SLOW_SHARE = 0.25;
/** Standing still, whatever the others do: keepalives and a byte now and then. */
const STILL_BYTES = ((WINDOW_MS / 1000) * PROGRESS_MIN_BYTES_PER_S) / 4;

export interface Moving {
  /** All that was received on its socket, whole messages or not. */
  readonly socketBytes: number;
}

interface Sample {
  readonly atMs: number;
  readonly bytes: number;
}

export class Motion<Who extends Moving> {
  readonly #samples = new Map<Who, Sample[]>();

  begin(who: Who, nowMs: number): void {
    this.#samples.set(who, [{ atMs: nowMs, bytes: who.socketBytes }]);
  }

  end(who: Who): void {
    this.#samples.delete(who);
  }

  /** To be called several times a second. */
  look(nowMs: number): void {
    for (const [who, samples] of this.#samples) {
      const last = samples.at(-1);
      if (last !== undefined && nowMs - last.atMs < SAMPLE_MS) continue;
      samples.push({ atMs: nowMs, bytes: who.socketBytes });
      // The oldest one that stays is just older than the window.
      while ((samples[1]?.atMs ?? Infinity) <= nowMs - WINDOW_MS) samples.shift();
    }
  }

  /**
   * The one that has moved least over the last seconds, when that is much less than the others: when all
   * share one slow path, all are as slow. Undefined when nobody stands out.
   */
  slowest(nowMs: number): Who | undefined {
    const moved: { readonly who: Who; readonly bytes: number }[] = [];
    for (const [who, samples] of this.#samples) {
      const [oldest] = samples;
      if (oldest === undefined || nowMs - oldest.atMs < WINDOW_MS) continue;
      moved.push({ who, bytes: who.socketBytes - oldest.bytes });
    }
    const mean = moved.reduce((sum, { bytes }) => sum + bytes, 0) / moved.length;
    let slowest: (typeof moved)[number] | undefined;
    for (const one of moved) {
      if (slowest === undefined || one.bytes < slowest.bytes) slowest = one;
    }
    const limit = Math.max(STILL_BYTES, SLOW_SHARE * mean);
    return slowest !== undefined && slowest.bytes < limit ? slowest.who : undefined;
  }
}
