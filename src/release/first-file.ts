/** The file of a first install: from what peers give to its name. */
import {
  existsSync,
  fchmodSync,
  fstatSync,
  fsyncSync,
  lstatSync,
  readdirSync,
  renameSync,
  statSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { UnfinishedExecutable, unfinishedPlace } from "../assembly/unfinished.ts";
import { chunksOf } from "../content/plan.ts";
import type { PublicKey } from "../core/brand.ts";
import { equal, toHex } from "../core/bytes.ts";
import { sha256 } from "../core/hash.ts";
import { REGIONS_PER_TRY_MAX } from "../core/limits.ts";
import type { VerifiedRecord } from "../core/release-record.ts";
import { checkRegion } from "../exe/check-region.ts";
import { ExeError } from "../exe/error.ts";
import { decodeRegion } from "../exe/full-region.ts";
import { notesIn } from "../exe/notes.ts";
import { verifyExecutable, type VerifiedFull } from "../exe/verify-executable.ts";
import { FsError } from "../fs/error.ts";
import { fileSource } from "../fs/file-source.ts";
import { removeTemporary } from "../fs/remove-temporary.ts";
import { createBeside, discard, isTemporaryOf, syncDirectory } from "../fs/temporary-file.ts";
import type { FetchProgress } from "../swarm/fetch-options.ts";
import type { Swarm } from "../swarm/swarm.ts";

export interface FirstFileOptions {
  readonly owner: PublicKey;
  /** Absolute. File to write; replaced whole, if it is there. */
  readonly out: string;
  readonly onProgress: (progress: FetchProgress) => void;
  readonly signal: AbortSignal;
}

export interface FirstFile {
  readonly version: string;
  /** Of the file. */
  readonly sizeBytes: number;
  /** Release notes, as signed. */
  readonly notes?: string;
}

const MODE = 0o755;

/** Before anything is fetched. @throws {FsError} NOT_A_FILE, IO_FAILED */
export function checkPlace(path: string): void {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats !== undefined && !stats.isFile()) {
    throw new FsError("NOT_A_FILE", `${path} is there and is not a file`, { blame: "usage", path });
  }
  // Says in clear words when nothing can be made there.
  discard(createBeside(unfinishedPlace(path).temporaryBase));
}

/** Whether a part of it lies there, for the next attempt. */
export function isBegun(path: string): boolean {
  return existsSync(unfinishedPlace(path).partialPath);
}

/** What a kill has left, but for the unfinished file. The lock is held. */
export function sweepPlace(path: string): void {
  const { temporaryBase } = unfinishedPlace(path);
  const directory = dirname(path);
  for (const name of readdirSync(directory)) {
    if (isTemporaryOf(temporaryBase, name)) removeTemporary(join(directory, name));
  }
}

/**
 * Steps 3 to 6, and then the file gets its mode and its name. When it cannot be finished, what there is of it stays
 * for the next attempt. The caller holds the lock.
 * @throws {SwarmError} NO_PROVIDER, STOPPED
 * @throws {ExeError} when no region that was offered leads to a valid executable @throws {FsError}
 */
export async function fetchFile(
  swarm: Swarm,
  record: VerifiedRecord,
  options: FirstFileOptions,
): Promise<FirstFile> {
  const { out } = options;
  const file = UnfinishedExecutable.begin(unfinishedPlace(out), record.record);
  try {
    const region = await fill(file, swarm, record, options);
    const { fd } = file.file;
    fchmodSync(fd, MODE);
    fsyncSync(fd);
    renameSync(file.file.path, out);
    syncDirectory(dirname(out));
    if (!isNamed(fd, out)) throw swapped(out);
    const { extension } = decodeRegion(region);
    const notes = extension && notesIn(extension, record.record);
    return {
      version: record.record.version.text,
      sizeBytes: fileSource(fd).sizeBytes,
      ...(notes !== undefined && { notes }),
    };
  } catch (cause) {
    // What is in the file is checked again by whoever takes it over; a disk in trouble is left alone.
    if (!(cause instanceof FsError)) file.leave();
    throw cause;
  } finally {
    file.discard();
  }
}

/** Steps 3 to 6: resolves with the region of the verified file. */
async function fill(
  file: UnfinishedExecutable,
  swarm: Swarm,
  record: VerifiedRecord,
  { owner, onProgress, signal }: FirstFileOptions,
): Promise<Uint8Array> {
  const wrong = new Set<string>();
  const check = (region: Uint8Array): void => {
    checkRegion(owner, region, record);
    if (wrong.has(toHex(sha256(region)))) throw notAsAnnounced();
  };
  /** Chunks that are in the file. */
  let held = new Set<number>();
  let { region } = await swarm.fetch(record, {
    checkRegion: check,
    missing: async (table) => {
      const all = Array.from({ length: table.count }, (_, index) => index);
      held = await file.recover(table, all, undefined, () => Bun.sleep(0));
      return all.filter((index) => !held.has(index));
    },
    onPiece: (piece, bytes) => {
      file.write(piece.offset, bytes);
      for (const index of chunksOf(piece)) held.add(index);
    },
    // Others who install for the first time can have what is here already.
    written: () => ({ stream: file.stream(), chunks: held }),
    onProgress,
    signal,
  });
  for (let tries = 1; ; tries++) {
    try {
      file.writeRegion(region);
      checkFile(owner, file.file.fd, record, region);
      return region;
    } catch (cause) {
      if (!(cause instanceof ExeError) || tries >= REGIONS_PER_TRY_MAX) throw cause;
      // The chunks are under the signed root, so it was the region that lied; another peer's may not.
      wrong.add(toHex(sha256(region)));
      const nothing = { missing: () => [], onPiece: () => undefined };
      ({ region } = await swarm.fetch(record, { checkRegion: check, ...nothing, signal }));
    }
  }
}

/** Step 6 (verify), through the descriptor it was written by. */
function checkFile(owner: PublicKey, fd: number, record: VerifiedRecord, region: Uint8Array): void {
  const file = verifyExecutable(fileSource(fd), { owner });
  if (file.kind !== "full" || !isAsAnnounced(file, record, region)) throw notAsAnnounced();
}

function isAsAnnounced(file: VerifiedFull, record: VerifiedRecord, region: Uint8Array): boolean {
  checkRegion(file.owner, file.region, record);
  return equal(file.region, region);
}

function isNamed(fd: number, path: string): boolean {
  const [file, named] = [fstatSync(fd, { bigint: true }), lstatSync(path, { bigint: true })];
  return file.dev === named.dev && file.ino === named.ino;
}

function swapped(path: string): FsError {
  return new FsError("FILE_CHANGED", `somebody has put another file at ${path}; do not run it`, {
    blame: "local",
    path,
  });
}

function notAsAnnounced(): ExeError {
  return new ExeError("RECORD_MISMATCH", "what was fetched is not what the record announces", {
    blame: "peer",
  });
}
