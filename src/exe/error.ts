import { RustpatcherError } from "../core/error.ts";

export type ExeErrorCode =
  /** No marker pair: not built with rustpatcher, or plain Bun. */
  | "REGION_MISSING"
  /** More than one region, or markers that do not pair up. Evidence: `offsets`. */
  | "REGION_AMBIGUOUS"
  /** The file ends inside the region. */
  | "REGION_TRUNCATED"
  /** Bytes between the markers that no `sign` writes. */
  | "REGION_INVALID"
  /** Reserved or blank: nobody has signed it. */
  | "REGION_UNSIGNED"
  /** A region without the extension: its position is not signed and it cannot be published. */
  | "REGION_CORE_ONLY"
  | "EXTENSION_INVALID"
  /** Release notes that are too long, or that a terminal would act on. */
  | "NOTES_INVALID"
  | "SIZE_MISMATCH"
  | "HASH_MISMATCH"
  | "ROOT_MISMATCH"
  | "RECORD_MISMATCH"
  | "OWNER_MISMATCH"
  /** Neither ELF, Mach-O nor PE, or one that is cut off. */
  | "FORMAT_UNKNOWN"
  /** An executable for another machine than it claims. */
  | "TARGET_MISMATCH"
  | "TOO_LARGE"
  /** Apple's or Microsoft's code signature does not fit the file, or is not the one that `sign` writes. */
  | "CODE_SIGNATURE_INVALID";

export class ExeError extends RustpatcherError<ExeErrorCode> {}

export function codeSignatureInvalid(reason: string): ExeError {
  return new ExeError(
    "CODE_SIGNATURE_INVALID",
    `the executable's code signature cannot be accepted: ${reason}`,
    { blame: "artifact" },
  );
}
