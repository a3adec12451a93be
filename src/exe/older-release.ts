/** An older version: others may still run it, and then they need only what is different. */
import type { ContentRoot, PublicKey } from "../core/brand.ts";
import type { VerifiedRecord } from "../core/release-record.ts";
import type { ByteSource } from "../core/source.ts";
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
}

/**
 * Whether its bytes are those that its record names is found out when the first one needs them.
 * @throws {ExeError} @throws {CoreError} when it is not a release of this owner
 */
export function olderRelease(source: ByteSource, owner: PublicKey): OlderRelease {
  const { offset, sizeBytes } = findRegion(source);
  const { record, region } = carriedRelease(owner, source.read(offset, sizeBytes).slice());
  return { record, root: record.record.root, region, stream: canonicalStream(source, offset) };
}
