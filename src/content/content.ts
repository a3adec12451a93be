import type { ByteSource } from "../core/source.ts";
import type { ChunkTable } from "./table.ts";

/** A canonical stream, and the table that is known to be its own. */
export interface Content {
  readonly table: ChunkTable;
  readonly stream: ByteSource;
}
