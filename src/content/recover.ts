/**
 * What an unfinished file still holds of a wanted stream. Nothing about it is believed: a chunk is there when
 * its bytes have the hash that stands in the signed table.
 */
import { toHex } from "../core/bytes.ts";
import { part, type ByteSource } from "../core/source.ts";
import { chunksOf } from "./chunker.ts";
import { dataBetweenHoles } from "./holes.ts";
import { chunkHash } from "./merkle.ts";
import type { ByteRange, ChunkTable } from "./table.ts";

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
 * table is `known` or else is found by cutting. To be compared with their hashes.
 */
export function* chunksElsewhere(
  table: ChunkTable,
  indexes: readonly number[],
  stream: ByteSource,
  known?: ChunkTable,
): Generator<void, Map<number, ByteRange>> {
  const found = new Map<number, ByteRange>();
  if (stream.sizeBytes === 0 || indexes.length === 0) return found;
  const find = known === undefined ? yield* cut(stream) : finderIn(known);
  for (const index of indexes) {
    const range = find(table.hashOf(index));
    if (range === undefined || range.offset + range.sizeBytes > stream.sizeBytes) continue;
    if (table.isChunk(index, stream.read(range.offset, range.sizeBytes))) found.set(index, range);
  }
  return found;
}

type Find = (hash: Uint8Array) => ByteRange | undefined;

function finderIn(table: ChunkTable): Find {
  return (hash) => {
    const at = table.find(hash);
    return at === undefined ? undefined : table.rangeOf(at);
  };
}

/**
 * Pieces came in any order, each of a few chunks with holes around it. Its first chunk begins behind the hole; where the
 * next ones do depends on the content alone.
 */
function* cut(stream: ByteSource): Generator<void, Find> {
  const ranges = new Map<string, ByteRange>();
  let count = 0;
  for (const data of dataBetweenHoles(stream)) {
    if (data === undefined) {
      yield;
      continue;
    }
    for (const { offset, bytes } of chunksOf(part(stream, data.offset, data.sizeBytes))) {
      const range = { offset: data.offset + offset, sizeBytes: bytes.length };
      ranges.set(toHex(chunkHash(bytes)), range);
      if (++count % CHUNKS_PER_SLICE === 0) yield;
    }
  }
  return (hash) => ranges.get(toHex(hash));
}
