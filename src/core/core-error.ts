import { RustpatcherError } from "./error.ts";

export type CoreErrorCode =
  /** A read past the end of foreign bytes. */
  | "TRUNCATED"
  /** Bytes left over after the last field. */
  | "TRAILING_BYTES"
  /** CBOR outside the strict subset of cbor.ts. */
  | "CBOR_INVALID"
  /** A field that is missing, of another type, or out of its range. */
  | "FIELD_INVALID"
  /** Not a z-base-32 text of 32 bytes. */
  | "KEY_TEXT"
  /** A point no honest key generator makes: low order, non-canonical, mixed order. */
  | "KEY_WEAK"
  | "SIGNATURE_INVALID"
  | "VERSION_INVALID"
  | "LIMIT_EXCEEDED";

export class CoreError extends RustpatcherError<CoreErrorCode> {}
