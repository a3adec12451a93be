import { RustpatcherError } from "../../src/core/error.ts";

/**
 * - `ARGUMENT`: an argument has the wrong type or length.
 * - `FAILED`: libsodium refused the operation (forged message, invalid point).
 * - `NOT_READY`: called before `ready` resolved.
 */
export type AliasErrorCode = "ARGUMENT" | "FAILED" | "NOT_READY";

/** Thrown by the replacements. Messages equal those of the packages they replace. */
export class AliasError extends RustpatcherError<AliasErrorCode> {}
