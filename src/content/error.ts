import { RustpatcherError } from "../core/error.ts";

export type ContentErrorCode =
  /** The table's hashes do not lead to the content root. */
  | "ROOT_MISMATCH"
  /** Not the chunks of a stream of this length, or a stream of an impossible length. */
  | "TABLE_SIZE"
  /** A page, a delta or a compressed part that cannot be read. */
  | "DELTA_INVALID";

export class ContentError extends RustpatcherError<ContentErrorCode> {}
