/**
 * Staged rollout: which copies are among the first. Each install throws its dice once per release; the number
 * it throws with never leaves the machine, so nobody can tell, or choose, who is among them.
 */
import type { ContentRoot } from "../core/brand.ts";
import { concat, utf8 } from "../core/bytes.ts";
import { sha256 } from "../core/hash.ts";
import type { ReleaseRecord } from "../core/release-record.ts";

const DOMAIN = utf8("rustpatcher rollout v1");
const BUCKETS = 100;
export const INSTALL_ID_BYTES = 16;

/**
 * 0 to 99, the same for one release whatever record announces it: a copy that was among the first 10 % is
 * among the first 50 %.
 */
export function bucketOf(root: ContentRoot, installId: Uint8Array): number {
  const digest = sha256(concat(DOMAIN, root, installId));
  return new DataView(digest.buffer, digest.byteOffset).getUint32(0) % BUCKETS;
}

/** Is this release for later copies than this one, so far? */
export function isHeldBack({ root, x }: ReleaseRecord, installId: Uint8Array): boolean {
  if (x.rolloutPercent === undefined || x.isCritical === true) return false;
  return bucketOf(root, installId) >= x.rolloutPercent;
}
