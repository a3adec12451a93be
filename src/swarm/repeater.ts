import type { Clock } from "../core/clock.ts";

/** Does something at once and again and again, never twice at a time. */
export class Repeater {
  readonly #clock: Clock;
  readonly #delayMs: () => number;
  readonly #work: () => Promise<unknown>;
  #cancel: (() => void) | undefined;
  #isStopped = false;

  /**
   * `delayMs` is asked after each turn for the time to the next. A rejection of `work` is taken as done:
   * the next turn is the retry.
   */
  constructor(clock: Clock, delayMs: () => number, work: () => Promise<unknown>) {
    this.#clock = clock;
    this.#delayMs = delayMs;
    this.#work = work;
  }

  start(): void {
    void this.#turn();
  }

  stop(): void {
    this.#isStopped = true;
    this.#cancel?.();
  }

  async #turn(): Promise<void> {
    await this.#work().catch(() => undefined);
    if (this.#isStopped) return;
    this.#cancel = this.#clock.after(this.#delayMs(), () => void this.#turn());
  }
}

/** `intervalMs` give or take a tenth: copies started together must not stay in step. */
export function jittered(intervalMs: number): number {
  return intervalMs * (0.9 + Math.random() / 5);
}
