import type { Clock } from "../core/clock.ts";
import {
  CHUNK_MAX_BYTES,
  FIRST_BYTE_TIMEOUT_MS,
  PROGRESS_MIN_BYTES_PER_S,
  PROGRESS_WINDOW_MS,
} from "../core/limits.ts";
import { Deadline } from "./deadline.ts";

/** One chunk may be under way at the end of a window without being counted in it. */
const WINDOW_MIN_BYTES = (PROGRESS_WINDOW_MS / 1000) * PROGRESS_MIN_BYTES_PER_S - CHUNK_MAX_BYTES;

/**
 * Watches that a busy peer moves: a first sign in time, then enough bytes in every window. Only whole
 * messages count as bytes: what trickles in without ever becoming an answer is no progress. There is no
 * limit on the total.
 */
export class Progress {
  readonly #deadline: Deadline;
  readonly #onStall: (what: string) => void;
  #isBusy = false;
  #hasFirst = false;
  #windowBytes = 0;

  constructor(clock: Clock, onStall: (what: string) => void) {
    this.#onStall = onStall;
    this.#deadline = new Deadline(clock, () => this.#expire());
  }

  /** Something is expected from now on. Calling it again while busy changes nothing. */
  begin(): void {
    if (this.#isBusy) return;
    this.#isBusy = true;
    this.#hasFirst = false;
    this.#deadline.set(FIRST_BYTE_TIMEOUT_MS);
  }

  /** The first bytes of something have come, or `sizeBytes` bytes of a whole message. */
  advance(sizeBytes: number): void {
    if (!this.#isBusy) return;
    if (!this.#hasFirst) {
      this.#hasFirst = true;
      this.#windowBytes = 0;
      this.#deadline.set(PROGRESS_WINDOW_MS);
    }
    this.#windowBytes += sizeBytes;
  }

  /** Nothing more is expected for now. */
  end(): void {
    this.#isBusy = false;
    this.#deadline.clear();
  }

  #expire(): void {
    if (!this.#hasFirst) return this.#onStall("no answer in time");
    if (this.#windowBytes < WINDOW_MIN_BYTES) return this.#onStall("too slow");
    this.#windowBytes = 0;
    this.#deadline.set(PROGRESS_WINDOW_MS);
  }
}
