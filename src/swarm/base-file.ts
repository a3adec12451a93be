/** An older version as a file: others may still run it, and then they need only what is different. */
import { closeSync } from "node:fs";
import type { PublicKey } from "../core/brand.ts";
import type { VerifiedRecord } from "../core/release-record.ts";
import { canonicalStream } from "../exe/canonical.ts";
import { carriedRelease } from "../exe/check-region.ts";
import { findRegion } from "../exe/find-region.ts";
import { fileSource, openFile } from "../fs/file-source.ts";
import type { Base } from "./bases.ts";

export interface BaseFile extends Base {
  readonly record: VerifiedRecord;
  close(): void;
}

/**
 * Whether its bytes are those that its record names is found out when the first one needs them. The caller
 * closes it.
 * @throws {FsError} @throws {ExeError} @throws {CoreError} when it is not a release of this owner
 */
export function openBase(path: string, owner: PublicKey): BaseFile {
  const fd = openFile(path);
  try {
    const source = fileSource(fd);
    const { offset, sizeBytes } = findRegion(source);
    const { record, region } = carriedRelease(owner, source.read(offset, sizeBytes).slice());
    const stream = canonicalStream(source, offset);
    return { root: record.record.root, record, region, stream, close: () => closeSync(fd) };
  } catch (cause) {
    closeSync(fd);
    throw cause;
  }
}
