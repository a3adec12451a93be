/**
 * How much one provider is asked for at once. Measured as BBR does (delivery-rate samples): bandwidth times
 * the shortest answer time is what keeps the path full. A provider that has delivered nothing is asked for
 * one piece, so that a liar or a dead one holds and wastes no more.
 */
import { REQUESTS_IN_FLIGHT_MAX } from "../core/limits.ts";

/** What had been delivered when a piece was asked for. */
export interface PipelineMark {
  readonly atMs: number;
  readonly deliveredBytes: number;
}

/** Rate samples that are looked back on: the fastest of them is what the path can do. */
const SAMPLES = 8;
/** On top of the path: the next pieces are read and compressed while the last ones travel. */
const QUEUE_MS = 50;
/** Answers within one turn of the event loop took no measurable time. */
const INSTANT_MS = 0.05;

export class Pipeline {
  readonly #rates: number[] = [];
  #answers = 0;
  #deliveredBytes = 0;
  #shortestMs = Infinity;

  /** When a piece is asked for; monotonic. */
  mark(nowMs: number): PipelineMark {
    return { atMs: nowMs, deliveredBytes: this.#deliveredBytes };
  }

  /** A verified piece has come; `sizeBytes` as on the wire. */
  delivered(mark: PipelineMark, sizeBytes: number, nowMs: number): void {
    const tookMs = Math.max(nowMs - mark.atMs, INSTANT_MS);
    this.#answers++;
    this.#deliveredBytes += sizeBytes;
    this.#shortestMs = Math.min(this.#shortestMs, tookMs);
    this.#rates.push((this.#deliveredBytes - mark.deliveredBytes) / tookMs);
    if (this.#rates.length > SAMPLES) this.#rates.shift();
  }

  /** Has it ever delivered anything? */
  get isProven(): boolean {
    return this.#answers > 0;
  }

  /** 0 while nothing is known. */
  get bytesPerMs(): number {
    return Math.max(0, ...this.#rates);
  }

  /** Pieces that may be under way: 1 to REQUESTS_IN_FLIGHT_MAX, two more with each that has come. */
  get window(): number {
    if (this.#answers === 0) return 1;
    const pieceBytes = this.#deliveredBytes / this.#answers;
    const wanted = 1 + Math.ceil((this.bytesPerMs * (this.#shortestMs + QUEUE_MS)) / pieceBytes);
    return Math.min(wanted, 1 + 2 * this.#answers, REQUESTS_IN_FLIGHT_MAX);
  }
}
