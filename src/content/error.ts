import { RustpatcherError } from "../core/error.ts";

export type ContentErrorCode =
  /** The table's hashes do not lead to the content root. */
  | "ROOT_MISMATCH"
  /** Not one 32-byte hash for each block, or a stream of an impossible length. */
  | "TABLE_SIZE";

export class ContentError extends RustpatcherError<ContentErrorCode> {}
