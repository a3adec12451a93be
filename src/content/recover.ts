/**
 * What an unfinished file still holds of a wanted stream. Nothing about it is believed: a chunk is there when
 * its bytes have the hash that stands in the signed table.
 */
import type { ByteSource } from "../core/source.ts";
import { ChunkTable, type ByteRange } from "./table.ts";

/** Chunks between pauses: 2 MiB, a few milliseconds. */
const CHUNKS_PER_SLICE = 64;

/** Those of the chunks that are at their place. `stream` may be shorter or longer than the wanted one. */
export function* chunksInPlace(
  table: ChunkTable,
  indexes: readonly number[],
  stream: ByteSource,
): Generator<void, Set<number>> {
  const found = new Set<number>();
  for (const [nth, index] of indexes.entries()) {
    const { offset, sizeBytes } = table.rangeOf(index);
    if (offset + sizeBytes > stream.sizeBytes) continue;
    if (table.isChunk(index, stream.read(offset, sizeBytes))) found.add(index);
    if (nth % CHUNKS_PER_SLICE === 0) yield;
  }
  return found;
}

/**
 * Where those of the chunks lie that are at another place: the stream was begun for another release, whose
 * table is `known` or else is found by cutting. Cuts depend on the content alone, so behind each hole the
 * chunks are found again after one or two. To be compared with their hashes.
 */
export function* chunksElsewhere(
  table: ChunkTable,
  indexes: readonly number[],
  stream: ByteSource,
  known?: ChunkTable,
): Generator<void, Map<number, ByteRange>> {
  const found = new Map<number, ByteRange>();
  if (stream.sizeBytes === 0 || indexes.length === 0) return found;
  const there = known ?? (yield* ChunkTable.inSlices(stream));
  for (const index of indexes) {
    const at = there.find(table.hashOf(index));
    const range = at === undefined ? undefined : there.rangeOf(at);
    if (range === undefined || range.offset + range.sizeBytes > stream.sizeBytes) continue;
    if (table.isChunk(index, stream.read(range.offset, range.sizeBytes))) found.set(index, range);
  }
  return found;
}
