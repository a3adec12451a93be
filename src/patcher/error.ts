import { RustpatcherError } from "../core/error.ts";

export type PatcherErrorCode =
  /** Not a mode or time of day. */
  | "MODE_INVALID"
  /** Updates are off in this process: not a signed executable, or switched off. */
  | "INACTIVE"
  /** The patcher was stopped. */
  | "STOPPED"
  /** The Worker ended before it answered; it is started again. */
  | "WORKER_LOST"
  /** The executable is not what its owner signed, or nobody signed it. */
  | "UNVERIFIED"
  /** What the updater reported; `updateCode` is its code. */
  | "UPDATE_FAILED";

export class PatcherError extends RustpatcherError<PatcherErrorCode> {}
