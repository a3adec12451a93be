/** Signing and the signatures of operating systems: which comes first, and what is written anew. */
import type { ByteSource } from "../core/source.ts";
import { tryDetectMachine } from "../exe/detect.ts";
import { ExeError } from "../exe/error.ts";
import {
  checkCodeSignature,
  completion,
  normalForm,
  tryCodeSignature,
} from "../exe/normal-form.ts";
import { ReleaseError } from "./error.ts";
import type { Draft } from "./rewrite.ts";

/**
 * Brings `draft` into normal form, lends it to `edit`, and completes it again: afterwards a macOS
 * executable has an ad-hoc signature over what `edit` wrote.
 * @throws {ReleaseError} CODE_SIGNED
 * @throws {ExeError} CODE_SIGNATURE_INVALID
 */
export function inNormalForm(draft: Draft, edit: () => void): void {
  refuseCertificate(draft);
  const normal = normalForm(draft.source);
  // What differs stands in the header; the rest is cut off.
  const header = normal.read(0, Math.min(HEADER_BYTES, normal.sizeBytes)).slice();
  draft.write(0, header);
  draft.cut(normal.sizeBytes);
  edit();
  for (const { offset, bytes } of completion(draft.source)) draft.write(offset, bytes);
}

/** More than any header has: DOS stub, PE header, or load commands. */
const HEADER_BYTES = 128 * 1024;

/**
 * The plain rule of the Rust crate covers the code signature too, which covers the core: no order of
 * signing could satisfy both.
 * @throws {ReleaseError} TARGET_UNSUPPORTED
 */
export function refuseCoreOnlyMacos(source: ByteSource): void {
  if (tryDetectMachine(source)?.os !== "darwin") return;
  throw new ReleaseError(
    "TARGET_UNSUPPORTED",
    "a macOS executable of the Rust crate cannot be signed: it would break Apple's code signature, and the kernel would kill the app",
    { blame: "usage" },
  );
}

function refuseCertificate({ source }: Draft): void {
  const kind = tryCodeSignature(source);
  if (kind !== "cms" && kind !== "authenticode") return;
  try {
    checkCodeSignature(source);
  } catch (error) {
    // Bun's own, left over from the runtime: void since the app was compiled into it.
    if (error instanceof ExeError) return;
    throw error;
  }
  throw new ReleaseError(
    "CODE_SIGNED",
    "this executable carries a signature by a certificate, which signing would make void: sign it first, then use codesign or signtool",
    { blame: "usage", kind },
  );
}
