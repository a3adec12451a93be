import type { BlockTable } from "../content/table.ts";
import type { VerifiedRecord } from "../core/release-record.ts";
import type { ByteSource } from "../core/source.ts";

/** A verified executable that is given to others. */
export interface Holding {
  readonly record: VerifiedRecord;
  /** 4096 bytes. */
  readonly region: Uint8Array;
  readonly stream: ByteSource;
  readonly table: BlockTable;
}

export interface FetchOptions {
  /** Throws when the region is not one for this release; the peer that sent it is dropped then. */
  readonly checkRegion: (region: Uint8Array) => void;
  /** Step 3: which blocks to fetch. Called once, with a table that was checked against the root. */
  readonly missing: (table: BlockTable) => readonly number[];
  /** Step 4: a block that was checked against the table, in no particular order. */
  readonly onBlock: (index: number, bytes: Uint8Array) => void;
  readonly signal: AbortSignal;
}

/** Where releases come from; `src/swarm` is the one there is. */
export interface ReleaseSource {
  serve(holding: Holding): void;
  /** Step 1: the newest record that verifies, of those that can be found now. */
  discover(): Promise<VerifiedRecord | undefined>;
  /** Steps 3 and 4. Ends when all blocks have come, or when nobody makes progress any more. */
  fetch(
    record: VerifiedRecord,
    options: FetchOptions,
  ): Promise<{ readonly region: Uint8Array; readonly table: BlockTable }>;
}
