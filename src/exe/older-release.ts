/** An older version as a file: others may still run it, and then they need only what is different. */
import { closeSync } from "node:fs";
import type { ContentRoot, PublicKey } from "../core/brand.ts";
import type { VerifiedRecord } from "../core/release-record.ts";
import type { ByteSource } from "../core/source.ts";
import { fileSource, openFile } from "../fs/file-source.ts";
import { canonicalStream } from "./canonical.ts";
import { carriedRelease } from "./check-region.ts";
import { findRegion } from "./find-region.ts";

export interface OlderRelease {
  readonly record: VerifiedRecord;
  readonly root: ContentRoot;
  /** 4096 bytes. */
  readonly region: Uint8Array;
  /** The canonical stream. */
  readonly stream: ByteSource;
  close(): void;
}

/**
 * Whether its bytes are those that its record names is found out when the first one needs them. The caller
 * closes it.
 * @throws {FsError} @throws {ExeError} @throws {CoreError} when it is not a release of this owner
 */
export function openOlderRelease(path: string, owner: PublicKey): OlderRelease {
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
