import { RustpatcherError } from "../core/error.ts";

export type CliErrorCode =
  /** The command line itself: exit 2. */
  "USAGE";

export class CliError extends RustpatcherError<CliErrorCode> {}

export function usage(message: string): CliError {
  return new CliError("USAGE", message, { blame: "usage" });
}
