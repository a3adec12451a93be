import { RustpatcherError } from "../core/error.ts";

export type ReleaseErrorCode =
  | "KEY_MISSING"
  /** Others than the owner may read the key file. */
  | "KEY_EXPOSED"
  | "KEY_EXISTS"
  /** The key is encrypted, and there is no passphrase or another one. */
  | "KEY_PASSPHRASE"
  /** Encrypted, and not in the form that we write. */
  | "KEY_DAMAGED"
  /** Not the owner key that the region or the configuration names. */
  | "KEY_MISMATCH"
  /** The secret key stands in the executable that would be handed out. */
  | "KEY_INSIDE"
  /** package.json: unreadable, or a value in its `rustpatcher` block. */
  | "CONFIG_INVALID"
  /** Something that neither the region, the flags nor package.json say. */
  | "CONFIG_MISSING"
  | "COMPILE_FAILED"
  /** macOS with only a core: patching breaks the code signature for good. */
  | "TARGET_UNSUPPORTED"
  /** Signed by a certificate, which signing would break. */
  | "CODE_SIGNED"
  /** Signed, but not in a way that anybody would take it from us: no record, expired, dated in the future. */
  | "NOT_PUBLISHABLE"
  /** Nobody who was asked knows a release that could be installed. */
  | "NO_RELEASE"
  /** Another process writes the same file. */
  | "BUSY"
  /** Nobody who was asked has a version before the one that is withdrawn. */
  | "NO_EARLIER"
  /** What is to be withdrawn is not the newest release. */
  | "NOT_NEWEST"
  /** Signed, but no node and no copy has taken it. */
  | "NOBODY";

export class ReleaseError extends RustpatcherError<ReleaseErrorCode> {}
