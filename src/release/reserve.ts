import type { ParsedVersion } from "../core/version.ts";
import { ExeError } from "../exe/error.ts";
import type { Extension } from "../exe/extension.ts";
import { findRegion } from "../exe/find-region.ts";
import { decodeRegion, encodeRegion } from "../exe/full-region.ts";
import { coreState, unsignedCore } from "../exe/region.ts";
import { inNormalForm } from "./code-signature.ts";
import { rewriteExecutable } from "./rewrite.ts";

/**
 * Fills the blank region of a freshly compiled app with everything but signatures (blank → reserved).
 * @throws {ExeError} when there is not exactly one blank region
 * @throws {ReleaseError} CODE_SIGNED
 * @throws {FsError}
 */
export function reserveExecutable(
  path: string,
  extension: Extension,
  version: ParsedVersion,
): void {
  const region = encodeRegion(unsignedCore(version), { ...extension, record: undefined });
  rewriteExecutable(path, (draft) => {
    const found = findRegion(draft.source);
    const isBlank =
      found.kind === "full" &&
      coreState(decodeRegion(draft.source.read(found.offset, found.sizeBytes)).core) === "blank";
    if (!isBlank) {
      throw new ExeError("REGION_INVALID", "the signature region of this executable is not blank", {
        blame: "artifact",
        offsets: [found.offset],
      });
    }
    inNormalForm(draft, () => draft.write(found.offset, region));
  });
}
