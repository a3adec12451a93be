/**
 * Selective acknowledgements: blocks of 8 bytes, `start` u32 and `end` u32 little-endian, half-open
 * `[start, end)`, ascending (libudx src/udx.c, RFC 2018 in packets instead of bytes).
 */
import { seqDiff } from "./seq.ts";

export const SACK_BLOCK_SIZE = 8;
/** Blocks in one packet. libudx UDX_MAX_SACK_BLOCKS. */
export const SACK_MAX_BLOCKS = 50;

/**
 * Whether a block names packets that are outstanding and lies after everything an earlier block of the same
 * packet named. The second half bounds the work one packet can cause by what is in flight: without it a
 * stranger could list the whole flight in each of 253 blocks.
 */
export function isSackBlockValid(
  start: number,
  end: number,
  lowest: number,
  sndNxt: number,
): boolean {
  // Distances from one point: pairwise comparisons modulo 2^32 are not transitive, and a block half the
  // number space long would pass them.
  const from = seqDiff(start, lowest);
  const to = seqDiff(end, lowest);
  return from >= 0 && from < to && to <= seqDiff(sndNxt, lowest);
}
