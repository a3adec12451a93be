import type { ByteSource } from "../core/source.ts";
import { tryDetectMachine } from "../exe/detect.ts";
import { ReleaseError } from "./error.ts";

/**
 * Apple's code signature covers the page the region stands in: whoever writes the region has to write
 * that signature anew, which the content root and the core hash cover in turn.
 */
export function macosUnsupported(): ReleaseError {
  return new ReleaseError(
    "TARGET_UNSUPPORTED",
    "macOS executables cannot be signed yet: it would break Apple's code signature, and the kernel would kill the app",
    { blame: "usage" },
  );
}

/** @throws {ReleaseError} TARGET_UNSUPPORTED */
export function refuseMacos(source: ByteSource): void {
  if (tryDetectMachine(source)?.os === "darwin") throw macosUnsupported();
}
