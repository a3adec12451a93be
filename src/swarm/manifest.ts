import type { ReleaseRecord, VerifiedRecord } from "../core/release-record.ts";
import type { Content } from "../content/content.ts";
import { ContentError } from "../content/error.ts";
import { OutlineReader, shortIdsOf } from "../content/outline.ts";
import { decodePiece } from "../content/piece.ts";
import type { ChunkTable } from "../content/table.ts";
import { REGION_BYTES } from "../exe/region.ts";
import { violation } from "./error.ts";
import type { RemoteProvider } from "./remote-provider.ts";

/** What has to be known of a release before its chunks. */
export interface Manifest {
  /** 4096 bytes. */
  readonly region: Uint8Array;
  readonly table: ChunkTable;
}

const NOTHING = new Uint8Array(0);

/**
 * Asks one provider for the region and the whole chunk table. Both from one, so that a table which does
 * not lead to the root has one author.
 * @throws {SwarmError} NOT_HELD, PROTOCOL, or why the connection was closed
 * @throws {ContentError} ROOT_MISMATCH @throws what `checkRegion` throws
 */
export async function requestManifest(
  provider: RemoteProvider,
  { record }: VerifiedRecord,
  checkRegion: (region: Uint8Array) => void,
  local: Content | undefined,
): Promise<Manifest> {
  const [region, table] = await Promise.all([
    requestRegion(provider, record, checkRegion),
    requestTable(provider, record, local?.table),
  ]);
  return { region, table };
}

async function requestRegion(
  provider: RemoteProvider,
  { root }: ReleaseRecord,
  checkRegion: (region: Uint8Array) => void,
): Promise<Uint8Array> {
  const coded = await provider.request({ type: "region", root }).bytes;
  const region = decodePiece(coded, REGION_BYTES, undefined);
  if (region === undefined) throw violation("no region");
  checkRegion(region);
  // It lasts, and must not keep all that came with it.
  return region.slice();
}

async function requestTable(
  provider: RemoteProvider,
  record: ReleaseRecord,
  local: ChunkTable | undefined,
): Promise<ChunkTable> {
  try {
    return await readTable(provider, record, local);
  } catch (cause) {
    if (local === undefined || !(cause instanceof ContentError)) throw cause;
    // Two runs may begin alike. Without references there is no such excuse.
    return readTable(provider, record, undefined);
  }
}

/** Runs that we have are named: by what the provider has as well, or else by the start of their hashes. */
async function readTable(
  provider: RemoteProvider,
  { root, lengthBytes }: ReleaseRecord,
  local: ChunkTable | undefined,
): Promise<ChunkTable> {
  let base = local !== undefined && provider.hasRoot(local.root) ? local.root : undefined;
  const outline = new OutlineReader(lengthBytes, local);
  while (!outline.isComplete) {
    const listed = local === undefined || base !== undefined ? NOTHING : shortIdsOf(local);
    const first = outline.nextRun;
    const page = await provider.request({ type: "table", root, first, base, listed }).bytes;
    // It had promised too much, and we describe ourselves what we have.
    if (page.length === 0 && base !== undefined) base = undefined;
    else outline.add(page);
  }
  return outline.finish(root);
}
