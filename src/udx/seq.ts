/**
 * Sequence numbers count packets modulo 2^32 (RFC 1982 arithmetic, as libudx `seq_diff`). Inside this
 * folder they are kept as signed 32-bit integers, so that every operation stays an int32 in the engine;
 * equality and `seq & mask` work on them unchanged.
 */

/** `a - b` in packets, correct across the wrap as long as the true distance is below 2^31. */
export function seqDiff(a: number, b: number): number {
  return (a - b) | 0;
}

/** The number that follows `seq`. */
export function seqNext(seq: number): number {
  return (seq + 1) | 0;
}

/** Any integer, folded into the internal form. */
export function seqFrom(value: number): number {
  return value | 0;
}
