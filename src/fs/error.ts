import { RustpatcherError } from "../core/error.ts";

export type FsErrorCode =
  /** A directory, device, socket or pipe where a file is needed, or nothing at all. */
  | "NOT_A_FILE"
  /** Marked read-only, or not ours to write. */
  | "NOT_WRITABLE"
  /** The file is not the one that was opened, or it shrank while being read. */
  | "FILE_CHANGED"
  /** Somebody else may have written it. */
  | "FILE_NOT_OURS"
  /** The operating system refused; `cause` says what. */
  | "IO_FAILED"
  /** The new file cannot be given the owner or mode of the old one. */
  | "OWNER_LOST";

export class FsError extends RustpatcherError<FsErrorCode> {}

/** True for an error of the operating system with this name, such as "ENOENT". */
export function isErrno(error: unknown, code: string): boolean {
  return error instanceof Error && Reflect.get(error, "code") === code;
}
