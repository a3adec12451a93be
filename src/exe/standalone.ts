/**
 * The closing bytes of what Bun appends to itself when it compiles an app, as Bun 1.4.5 writes them
 * (measured by compiling one app with and without each flag and comparing the files):
 *
 *   off size field
 *   -32   8 byteCount    of the module graph, u64 LE
 *   -24   8 modules      offset and length, u32 LE each
 *   -16   4 entry point
 *   -12   8 exec argv    offset and length, u32 LE each
 *    -4   4 flags        bit 0: no .env from the working directory · bit 1: no bunfig.toml from it
 *     0  16 trailer      0a "---- Bun! ----" 0a
 */
import { fromHex } from "../core/bytes.ts";
import { Reader } from "../core/reader.ts";
import type { ByteSource } from "../core/source.ts";

const TRAILER = fromHex("0a2d2d2d2d2042756e21202d2d2d2d0a");
const OFFSETS_BYTES = 32;
const NO_DOTENV = 1;
const NO_BUNFIG = 2;
/** The graph ends the file but for section tables and padding; a source may name the trailer earlier. */
const SEARCH_BYTES = 1024 * 1024;

/** What a compiled app loads from the directory it is started in: both can change what code runs. */
export interface Autoload {
  readonly bunfig: boolean;
  readonly dotenv: boolean;
}

/** Undefined for a file that Bun has not compiled. */
export function readAutoload(source: ByteSource): Autoload | undefined {
  const sizeBytes = Math.min(SEARCH_BYTES, source.sizeBytes);
  const base = source.sizeBytes - sizeBytes;
  const end = Buffer.from(source.read(base, sizeBytes)).lastIndexOf(TRAILER);
  if (end < OFFSETS_BYTES) return undefined;
  const reader = new Reader(source.read(base + end - OFFSETS_BYTES, OFFSETS_BYTES));
  // The graph stands in front of its trailer, so its length is bounded by where that is.
  if (reader.u64le() > BigInt(base + end)) return undefined;
  reader.skip(20);
  const flags = reader.u32le();
  return { dotenv: (flags & NO_DOTENV) === 0, bunfig: (flags & NO_BUNFIG) === 0 };
}
