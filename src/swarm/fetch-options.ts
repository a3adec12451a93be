/** What is to be fetched, and what becomes of it. */
import type { Content } from "../content/content.ts";
import type { PieceStore } from "../content/piece-store.ts";
import type { Piece } from "../content/plan.ts";
import type { ChunkTable } from "../content/table.ts";
import type { ByteSource } from "../core/source.ts";

export interface FetchProgress {
  /** Bytes of the stream that were fetched and verified. */
  readonly fetchedBytes: number;
  /** Bytes of answers they came in: less, since they were compressed or differences. */
  readonly wireBytes: number;
  /** Bytes of the stream that need not be fetched. */
  readonly reusedBytes: number;
  /** The whole stream. */
  readonly totalBytes: number;
  /** Providers in use. */
  readonly providers: number;
}

export interface FetchOptions {
  /** Throws when a region, as a provider sent it, is not the one of this record. */
  readonly checkRegion: (region: Uint8Array) => void;
  /** What is installed: named instead of fetched, and the old side of differences. */
  readonly local?: Content | undefined;
  /** Which chunks to fetch, ascending, once the table is known. */
  readonly missing: (table: ChunkTable) => readonly number[] | Promise<readonly number[]>;
  /** Takes the verified chunks of one piece, in any order of pieces; the bytes are valid until it settles. When it fails, the fetch does. */
  readonly onPiece: (piece: FetchedPiece, bytes: Uint8Array) => void | Promise<void>;
  /**
   * The stream as far as it is written, and which chunks of it are, asked for once `missing` has settled: given
   * to others while the rest is still being fetched. Must stay readable until the fetch is over.
   */
  readonly written?: () => Written;
  readonly onProgress?: (progress: FetchProgress) => void;
  readonly signal?: AbortSignal;
}

export interface Written {
  readonly stream: ByteSource;
  readonly chunks: Iterable<number>;
  /** Where pieces are kept as they came, once there is somebody to pass them on to. Ours to close. Never throws. */
  readonly keepCoded?: () => PieceStore | undefined;
}

export interface FetchedPiece extends Piece {
  /** Of its first byte in the stream. */
  readonly offset: number;
}
