/**
 * Tells a queue that others keep before the bottleneck from one's own. BBR has at most two bandwidth-delay products in
 * flight, so alone it never makes a round trip much longer than twice the shortest. Beside a flow that fills the buffer
 * (TCP cubic) all of them are; two products of the empty path are then a fraction of what is needed, the bandwidth
 * measured falls with it, and within a second next to nothing is left, until the shortest round trip is measured anew.
 */

/** A round is crowded when all its round trips exceed so many times the shortest, by so much at least. */
const CROWDED_FACTOR = 2.5;
const CROWDED_MARGIN_MS = 10;
/** Longer than the window of the bandwidth filter: a queue left from a bottleneck that has become narrower is gone by then. */
const CROWDED_ROUNDS = 16;

export class ForeignQueue {
  private leastMs: number = Number.POSITIVE_INFINITY;
  private crowdedRounds = 0;

  /** Whether it has stood for so long that the shortest round trip says nothing any more. */
  get isStanding(): boolean {
    return this.crowdedRounds >= CROWDED_ROUNDS;
  }

  onRtt(rttMs: number): void {
    if (rttMs < this.leastMs) this.leastMs = rttMs;
  }

  /** A round is over. `minRttMs` is the shortest round trip known. */
  onRound(minRttMs: number): void {
    const isCrowded = this.leastMs > minRttMs * CROWDED_FACTOR + CROWDED_MARGIN_MS;
    // A round without a sample (all of it sent again) says nothing.
    if (this.leastMs < Number.POSITIVE_INFINITY) {
      this.crowdedRounds = isCrowded ? this.crowdedRounds + 1 : 0;
    }
    this.leastMs = Number.POSITIVE_INFINITY;
  }

  /** The shortest round trip is being measured. */
  reset(): void {
    this.crowdedRounds = 0;
  }
}
