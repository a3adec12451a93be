import type { VerifiedRecord } from "../core/release-record.ts";
import { TABLE_PAGE_MAX } from "../core/limits.ts";
import { concat } from "../core/bytes.ts";
import { BlockTable } from "../content/table.ts";
import { blockCount } from "../content/tree.ts";
import { violation } from "./error.ts";
import type { RemoteProvider } from "./remote-provider.ts";

/** What has to be known of a release before its blocks. */
export interface Manifest {
  /** 4096 bytes. */
  readonly region: Uint8Array;
  readonly table: BlockTable;
}

/**
 * Asks one provider for the region and the whole block table. Both from one, so that a table which does
 * not lead to the root has one author.
 * @throws {SwarmError} NOT_HELD, PROTOCOL, or why the connection was closed
 * @throws {ContentError} ROOT_MISMATCH @throws what `checkRegion` throws
 */
export async function requestManifest(
  provider: RemoteProvider,
  { record }: VerifiedRecord,
  checkRegion: (region: Uint8Array) => void,
): Promise<Manifest> {
  const { root, lengthBytes } = record;
  const count = blockCount(lengthBytes);
  const answers = [provider.request({ type: "region", root }).bytes];
  for (let first = 0; first < count; first += TABLE_PAGE_MAX) {
    const pageCount = Math.min(TABLE_PAGE_MAX, count - first);
    answers.push(provider.request({ type: "table", root, first, count: pageCount }).bytes);
  }
  const [region, ...pages] = await Promise.all(answers);
  if (region === undefined) throw violation("no region");
  checkRegion(region);
  // How the hashes were spread over the pages is no matter: their number and the root are what counts.
  return { region, table: BlockTable.verified(concat(...pages), lengthBytes, root) };
}
