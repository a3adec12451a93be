/**
 * How often one party (host-counts.ts) may begin a connection with us. Nothing else that a stranger can ask for
 * costs as much: eight key agreements, and the memory of a stream until it is collected (D5, D10).
 */
import { HANDSHAKE_BURST, HANDSHAKE_PARTIES_MAX, HANDSHAKES_PER_S } from "../core/limits.ts";

interface Bucket {
  readonly tokens: number;
  /** Monotonic. */
  readonly filledMs: number;
}

export class HandshakeRate {
  /** The one that was heard longest ago comes first. */
  readonly #buckets = new Map<string, Bucket>();

  /** Counts as one when it may. */
  allows(party: string, nowMs: number): boolean {
    const { tokens, filledMs } = this.#buckets.get(party) ?? {
      tokens: HANDSHAKE_BURST,
      filledMs: nowMs,
    };
    const filled = tokens + ((nowMs - filledMs) / 1_000) * HANDSHAKES_PER_S;
    const tokensNow = Math.min(HANDSHAKE_BURST, filled);
    const isAllowed = tokensNow >= 1;
    this.#buckets.delete(party);
    this.#buckets.set(party, { tokens: isAllowed ? tokensNow - 1 : tokensNow, filledMs: nowMs });
    const [oldest] = this.#buckets.keys();
    if (this.#buckets.size > HANDSHAKE_PARTIES_MAX && oldest !== undefined) {
      this.#buckets.delete(oldest);
    }
    return isAllowed;
  }
}
