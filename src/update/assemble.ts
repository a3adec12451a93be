/** Step 5 (assemble) for an update: what the running executable has already is copied, then all writing ends. */
import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  fsyncSync,
  openSync,
  readdirSync,
  rmSync,
} from "node:fs";
import { join } from "node:path";
import { UnfinishedExecutable } from "../assembly/unfinished.ts";
import type { ChunkPlan } from "../content/plan.ts";
import type { ChunkTable } from "../content/table.ts";
import type { ReleaseRecord } from "../core/release-record.ts";
import type { ByteSource } from "../core/source.ts";
import { openPartial } from "../fs/partial-file.ts";
import { pathBeside } from "../fs/own-files.ts";
import { removeTemporary } from "../fs/remove-temporary.ts";
import { isTemporaryOf } from "../fs/temporary-file.ts";
import { UpdateError } from "./error.ts";
import { isSameFile, type Installation } from "./installation.ts";
import type { VerifiedUpdate } from "./verify.ts";

/** Chunks copied before the event loop gets its turn: 2 MiB, a few milliseconds. */
const CHUNKS_PER_TURN = 64;
/** Read, write and execute for us. */
const OWNER_ONLY = 0o700;

export class Assembly extends UnfinishedExecutable {
  /** As {@link UnfinishedExecutable.begin}. @throws {FsError} IO_FAILED */
  static override begin(installation: Installation, record: ReleaseRecord): Assembly {
    const file = openPartial(installation.partialPath, installation.temporaryBase);
    return new Assembly(record, installation, file).prepared(file);
  }

  /**
   * Ends all writing: a file that is open for writing cannot be started (ETXTBSY). `update` is this file
   * after step 6; the result is the same through a descriptor that can only be read, and may be executed.
   * @throws {UpdateError} SWAPPED, IO_FAILED
   */
  seal(update: VerifiedUpdate): VerifiedUpdate {
    const { path } = this.opened;
    let fd: number | undefined;
    try {
      fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
      if (!isSameFile(fstatSync(fd, { bigint: true }), update.identity)) {
        throw new UpdateError(
          "SWAPPED",
          "another file was put in the place of the verified update",
          {
            blame: "local",
            path,
          },
        );
      }
      fchmodSync(fd, OWNER_ONLY);
      fsyncSync(this.opened.fd);
      closeSync(this.opened.fd);
      this.opened = { path, fd };
      return { ...update, fd };
    } catch (cause) {
      if (fd !== undefined && fd !== this.opened.fd) closeSync(fd);
      if (cause instanceof UpdateError) throw cause;
      throw new UpdateError("IO_FAILED", "the update could not be made executable", {
        blame: "local",
        cause,
        path,
      });
    }
  }

  /**
   * Copies every chunk that is not in `fetched` from where the plan found it in the running executable's
   * canonical stream.
   * @throws {UpdateError} LOCAL_CHUNK_CHANGED when a chunk is not what it was at start; STOPPED
   */
  async copyLocal(
    table: ChunkTable,
    plan: ChunkPlan,
    fetched: ReadonlySet<number>,
    local: ByteSource,
    signal: AbortSignal,
  ): Promise<void> {
    let copied = 0;
    for (let index = 0; index < table.count; index++) {
      if (fetched.has(index)) continue;
      const here = plan.localRangeOf(index);
      const bytes = here && local.read(here.offset, here.sizeBytes);
      if (bytes === undefined || !table.isChunk(index, bytes)) {
        throw new UpdateError(
          "LOCAL_CHUNK_CHANGED",
          "the running executable was changed on disk since it started",
          { blame: "local", index },
        );
      }
      this.write(table.rangeOf(index).offset, bytes);
      if (++copied % CHUNKS_PER_TURN === 0) await turn(signal);
    }
  }
}

/** The event loop has its turn. @throws {UpdateError} STOPPED */
export function turn(signal: AbortSignal): Promise<void> {
  if (signal.aborted) {
    throw new UpdateError("STOPPED", "the update was stopped", { blame: "local" });
  }
  return new Promise((resolve) => setImmediate(resolve));
}

/** Removes what an interrupted download has left. The caller holds the lock. */
export function removePartial({ partialPath }: Installation): void {
  // Not recursive: a directory under this name is not ours.
  rmSync(partialPath, { force: true });
}

/** Names that only we make, for this executable. */
function leftovers({ path, directory, temporaryBase, statePath }: Installation): readonly string[] {
  const bases = [temporaryBase, statePath, pathBeside(path, "status"), pathBeside(path, "channel")];
  return readdirSync(directory)
    .filter((name) => bases.some((base) => isTemporaryOf(base, name)))
    .map((name) => join(directory, name));
}

/** Has an attempt left something, or is one under way? */
export function hasLeftovers(installation: Installation): boolean {
  return leftovers(installation).length > 0;
}

/**
 * Removes what attempts that were killed have left. The caller holds the lock, so none of them is in use.
 */
export function sweepLeftovers(installation: Installation): void {
  for (const path of leftovers(installation)) {
    // The directory of a rehearsal is one of them.
    removeTemporary(path);
  }
}
