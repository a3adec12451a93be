/** Send budget in bytes: spreads a flight over the round trip instead of bursting it (libudx pacing tokens). */
import { PACING_INITIAL_TOKENS, PACING_MAX_REFILL_MS, TIMER_GRANULARITY_MS } from "./constants.ts";

export class Pacer {
  /** Bytes that may leave now. */
  private tokens: number = PACING_INITIAL_TOKENS;
  private refilledAt = -1;

  /** Whether a packet may leave. The last one may overdraw: the debt is paid by the next refill. */
  get ready(): boolean {
    return this.tokens > 0;
  }

  /** Adds what `rate` (bytes per ms) allows since the last refill, never more than PACING_MAX_REFILL_MS of it. */
  refill(nowMs: number, rate: number): void {
    if (this.refilledAt < 0) this.refilledAt = nowMs;
    const elapsed = nowMs - this.refilledAt;
    if (elapsed < TIMER_GRANULARITY_MS) return;
    this.refilledAt = nowMs;
    const cap = Math.max(rate * PACING_MAX_REFILL_MS, PACING_INITIAL_TOKENS);
    this.tokens = Math.min(this.tokens + elapsed * rate, cap);
  }

  spend(bytes: number): void {
    this.tokens -= bytes;
  }
}
