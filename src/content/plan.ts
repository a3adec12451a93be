/**
 * Step 3 (plan): which chunks of the wanted stream the installed executable has, wherever they lie, and
 * what of it is likely to resemble the ones that are missing.
 */
import { CHUNK_MAX_BYTES } from "../core/limits.ts";
import { equal } from "../core/bytes.ts";
import type { ByteRange, ChunkTable } from "./table.ts";

/** Chunks that follow one another. */
export interface Piece {
  readonly first: number;
  readonly count: number;
}

/** Ascending. */
export function chunksOf({ first, count }: Piece): number[] {
  return Array.from({ length: count }, (_, i) => first + i);
}

/** Old bytes on both sides of the place where a missing piece is expected, beside what it has drifted. */
const SLACK_BYTES = 4 * 1024;
/** More of them would cost more to describe than they can save. */
const EXCESS_MAX_BYTES = 2 * CHUNK_MAX_BYTES;
const NOT_HERE = -1;

/** Chunks, ascending, as pieces of at most `maxBytes` (or one chunk). */
export function piecesOf(
  table: ChunkTable,
  indexes: readonly number[],
  maxBytes: number,
): readonly Piece[] {
  const pieces: { first: number; count: number }[] = [];
  for (const index of indexes) {
    const last = pieces.at(-1);
    const isNext = last !== undefined && last.first + last.count === index;
    if (isNext && table.rangeOf(last.first, last.count + 1).sizeBytes <= maxBytes) last.count++;
    else pieces.push({ first: index, count: 1 });
  }
  return pieces;
}

export class ChunkPlan {
  readonly #wanted: ChunkTable;
  readonly #local: ChunkTable | undefined;
  /** For each wanted chunk, the local chunk with the same bytes. */
  readonly #sources: Int32Array;

  /** Without `local`, everything is missing. */
  constructor(wanted: ChunkTable, local: ChunkTable | undefined) {
    this.#wanted = wanted;
    this.#local = local;
    this.#sources = new Int32Array(wanted.count).fill(NOT_HERE);
    if (local === undefined) return;
    let next = 0;
    for (let index = 0; index < wanted.count; index++) {
      const hash = wanted.hashOf(index);
      // Repeated chunks (zeros): the one behind the chunk before keeps the order.
      const isNext = next < local.count && equal(local.hashOf(next), hash);
      const source = isNext ? next : local.find(hash);
      if (source === undefined) continue;
      this.#sources[index] = source;
      next = source + 1;
    }
  }

  /** Where the chunk lies in the local stream. */
  localRangeOf(index: number): ByteRange | undefined {
    const source = this.#sources[index] ?? NOT_HERE;
    return source === NOT_HERE ? undefined : this.#local?.rangeOf(source);
  }

  /** Indexes of the chunks that are not here, ascending. */
  get missing(): number[] {
    const missing: number[] = [];
    for (const [index, source] of this.#sources.entries()) {
      if (source === NOT_HERE) missing.push(index);
    }
    return missing;
  }

  /** The local bytes that a missing piece has most likely grown from; undefined when there are none. */
  resembling({ first, count }: Piece): ByteRange | undefined {
    const local = this.#local;
    if (local === undefined) return undefined;
    const { offset, sizeBytes } = this.#wanted.rangeOf(first, count);
    const before = this.#neighbour(first, -1) ?? { wantedEdge: 0, localEdge: 0 };
    const after = this.#neighbour(first + count - 1, 1) ?? {
      wantedEdge: this.#wanted.lengthBytes,
      localEdge: local.lengthBytes,
    };
    const gap = after.localEdge - before.localEdge;
    const expected = before.localEdge + offset - before.wantedEdge;
    // When it was moved elsewhere, behind what came before is as good as any other place.
    const [low, high] =
      gap > 0 ? [before.localEdge, after.localEdge] : [expected, local.lengthBytes];
    // In a gap of another length the piece lies at the same distance from one of its ends or between.
    const drift = gap > 0 ? gap - (after.wantedEdge - before.wantedEdge) : 0;
    const start = Math.max(low, expected + Math.min(0, drift) - SLACK_BYTES);
    const end = Math.min(high, expected + sizeBytes + Math.max(0, drift) + SLACK_BYTES);
    const size = Math.min(end - start, sizeBytes + EXCESS_MAX_BYTES);
    return size <= 0 ? undefined : { offset: start, sizeBytes: size };
  }

  /** The nearest chunk in this direction that is here, by its edges that face the piece. */
  #neighbour(
    from: number,
    step: 1 | -1,
  ): { readonly wantedEdge: number; readonly localEdge: number } | undefined {
    for (let index = from + step; index >= 0 && index < this.#wanted.count; index += step) {
      const here = this.localRangeOf(index);
      if (here === undefined) continue;
      const wanted = this.#wanted.rangeOf(index);
      return step === 1
        ? { wantedEdge: wanted.offset, localEdge: here.offset }
        : {
            wantedEdge: wanted.offset + wanted.sizeBytes,
            localEdge: here.offset + here.sizeBytes,
          };
    }
    return undefined;
  }
}
