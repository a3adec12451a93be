/**
 * Step 5 (assemble): the announced executable as a temporary file beside the installed one. Chunks go to
 * their place as they come, in any order; nothing larger than a piece is ever held in memory. What is in
 * the file is worth nothing before step 6.
 */
import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readdirSync,
  rmSync,
} from "node:fs";
import { join } from "node:path";
import type { ChunkPlan } from "../content/plan.ts";
import type { ChunkTable } from "../content/table.ts";
import type { ReleaseRecord } from "../core/release-record.ts";
import type { ByteSource } from "../core/source.ts";
import { completion, normalForm } from "../exe/normal-form.ts";
import { REGION_BYTES } from "../exe/region.ts";
import { fileSource } from "../fs/file-source.ts";
import {
  createBeside,
  discard,
  isTemporaryOf,
  writeAll,
  type TemporaryFile,
} from "../fs/temporary-file.ts";
import { UpdateError } from "./error.ts";
import { isSameFile, type Installation } from "./installation.ts";
import type { VerifiedUpdate } from "./verify.ts";

/** Chunks copied before the event loop gets its turn: 2 MiB, a few milliseconds. */
const CHUNKS_PER_TURN = 64;
/** Read, write and execute for us. */
const OWNER_ONLY = 0o700;

export class Assembly {
  readonly record: ReleaseRecord;
  #file: TemporaryFile;
  #isDiscarded = false;

  private constructor(record: ReleaseRecord, file: TemporaryFile) {
    this.record = record;
    this.#file = file;
  }

  /**
   * Creates the file: exclusively, through no link, mode 0600, under a name nobody can foresee. Its owner
   * calls `discard`, whatever happens.
   * @throws {FsError} IO_FAILED, also when the disk has no room for its bookkeeping.
   */
  static begin(installation: Installation, record: ReleaseRecord): Assembly {
    const file = createBeside(installation.temporaryBase);
    const assembly = new Assembly(record, file);
    try {
      ftruncateSync(file.fd, record.lengthBytes + REGION_BYTES);
      return assembly;
    } catch (cause) {
      assembly.discard();
      throw cause;
    }
  }

  get file(): TemporaryFile {
    return this.#file;
  }

  /**
   * Ends all writing: a file that is open for writing cannot be started (ETXTBSY). `update` is this file
   * after step 6; the result is the same through a descriptor that can only be read, and may be executed.
   * @throws {UpdateError} SWAPPED, IO_FAILED
   */
  seal(update: VerifiedUpdate): VerifiedUpdate {
    const { path } = this.#file;
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
      closeSync(this.#file.fd);
      this.#file = { path, fd };
      return { ...update, fd };
    } catch (cause) {
      if (fd !== undefined && fd !== this.#file.fd) closeSync(fd);
      if (cause instanceof UpdateError) throw cause;
      throw new UpdateError("IO_FAILED", "the update could not be made executable", {
        blame: "local",
        cause,
        path,
      });
    }
  }

  /** Bytes of the canonical stream, whose place in the file is before or behind the region. */
  write(streamOffset: number, bytes: Uint8Array): void {
    const { regionOffset } = this.record;
    const before = Math.max(0, Math.min(bytes.length, regionOffset - streamOffset));
    writeAll(this.file.fd, bytes.subarray(0, before), streamOffset);
    writeAll(this.file.fd, bytes.subarray(before), streamOffset + before + REGION_BYTES);
  }

  /** The last thing to write: the code signature of a macOS executable follows from everything else. */
  writeRegion(region: Uint8Array): void {
    writeAll(this.file.fd, region, this.record.regionOffset);
    for (const { offset, bytes } of completion(normalForm(fileSource(this.file.fd)))) {
      writeAll(this.file.fd, bytes, offset);
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

  /** Closes and removes the file, unless step 7 has renamed it away. A second call does nothing. */
  discard(): void {
    if (this.#isDiscarded) return;
    this.#isDiscarded = true;
    discard(this.#file);
  }
}

function turn(signal: AbortSignal): Promise<void> {
  if (signal.aborted) {
    throw new UpdateError("STOPPED", "the update was stopped", { blame: "local" });
  }
  return new Promise((resolve) => setImmediate(resolve));
}

/** Names that only we make, for this executable. */
function leftovers({ directory, temporaryBase, statePath }: Installation): readonly string[] {
  return readdirSync(directory)
    .filter((name) => isTemporaryOf(temporaryBase, name) || isTemporaryOf(statePath, name))
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
    rmSync(path, { recursive: true, force: true });
  }
}
