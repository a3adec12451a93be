import { RustpatcherError } from "../core/error.ts";

export type CliErrorCode =
  /** The command line itself: exit 2. */
  | "USAGE"
  /** By Ctrl-C or `kill`: exit 130, as a shell says it. */
  | "INTERRUPTED";

export class CliError extends RustpatcherError<CliErrorCode> {}

export function usage(message: string): CliError {
  return new CliError("USAGE", message, { blame: "usage" });
}
