/**
 * Step 5 (assemble): the announced executable as a temporary file beside the installed one. Chunks go to
 * their place as they come, in any order; nothing larger than a piece is ever held in memory. What is in
 * the file is worth nothing before step 6. An attempt that is interrupted leaves the file for the next one,
 * which takes over what has the right hash.
 */
import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
} from "node:fs";
import { join } from "node:path";
import type { ChunkPlan } from "../content/plan.ts";
import { chunksElsewhere, chunksInPlace } from "../content/recover.ts";
import type { ByteRange, ChunkTable } from "../content/table.ts";
import type { ReleaseRecord } from "../core/release-record.ts";
import { without, type ByteSource } from "../core/source.ts";
import { aroundRegion } from "../exe/canonical.ts";
import { completion, normalForm } from "../exe/normal-form.ts";
import { REGION_BYTES } from "../exe/region.ts";
import { FsError } from "../fs/error.ts";
import { fileSource } from "../fs/file-source.ts";
import { openPartial, type PartialFile } from "../fs/partial-file.ts";
import { removeTemporary } from "../fs/remove-temporary.ts";
import {
  createBeside,
  discard,
  isTemporaryOf,
  writeAll,
  type TemporaryFile,
} from "../fs/temporary-file.ts";
import { UpdateError } from "./error.ts";
import { isSameFile, type Installation } from "./installation.ts";
import { pathBeside } from "./own-files.ts";
import type { VerifiedUpdate } from "./verify.ts";

/** Chunks copied before the event loop gets its turn: 2 MiB, a few milliseconds. */
const CHUNKS_PER_TURN = 64;
/** Read, write and execute for us. */
const OWNER_ONLY = 0o700;

/** What a file was begun for. */
export interface Unfinished {
  readonly table: ChunkTable;
  readonly regionOffset: number;
}

export class Assembly {
  readonly record: ReleaseRecord;
  readonly #temporaryBase: string;
  readonly #partialPath: string;
  #file: TemporaryFile;
  /** An earlier attempt has begun it, and nothing was taken over yet. */
  #isLeft: boolean;
  #isClosed = false;

  private constructor(record: ReleaseRecord, installation: Installation, file: PartialFile) {
    this.record = record;
    this.#temporaryBase = installation.temporaryBase;
    this.#partialPath = installation.partialPath;
    this.#file = file;
    this.#isLeft = file.isLeft;
  }

  /**
   * Creates the file, or opens what an earlier attempt has left: through no link, mode 0600, ours alone. Its
   * owner calls `discard` or `leave`, whatever happens.
   * @throws {FsError} IO_FAILED, also when the disk has no room for its bookkeeping.
   */
  static begin(installation: Installation, record: ReleaseRecord): Assembly {
    const file = openPartial(installation.partialPath, installation.temporaryBase);
    const assembly = new Assembly(record, installation, file);
    try {
      if (!file.isLeft) assembly.#resize();
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
   * Takes over those of the chunks that the file has already, whatever release it was begun for, and
   * resolves with them. `before`: what that was, if it is known. In slices of a few milliseconds.
   * @throws {UpdateError} STOPPED @throws {FsError} IO_FAILED
   */
  async recover(
    table: ChunkTable,
    indexes: readonly number[],
    before: Unfinished | undefined,
    signal: AbortSignal,
  ): Promise<Set<number>> {
    if (!this.#isLeft) return new Set();
    this.#isLeft = false;
    const file = fileSource(this.#file.fd);
    const stream = withoutRegion(file, this.record.regionOffset);
    const found = await inTurns(chunksInPlace(table, indexes, stream), signal);
    const lacking = indexes.filter((index) => !found.has(index));
    const old = before === undefined ? file : withoutRegion(file, before.regionOffset);
    const moved = await inTurns(chunksElsewhere(table, lacking, old, before?.table), signal);
    if (moved.size > 0) this.#move(table, found, stream, moved, old);
    this.#resize();
    return found;
  }

  /** Puts the chunks into a file of the new layout, which then has the name; `found` grows by `moved`. */
  #move(
    table: ChunkTable,
    found: Set<number>,
    stream: ByteSource,
    moved: ReadonlyMap<number, ByteRange>,
    old: ByteSource,
  ): void {
    const left = this.#file;
    const file = createBeside(this.#temporaryBase);
    try {
      this.#file = file;
      for (const index of found) {
        const { offset, sizeBytes } = table.rangeOf(index);
        this.write(offset, stream.read(offset, sizeBytes));
      }
      for (const [index, { offset, sizeBytes }] of moved) {
        this.write(table.rangeOf(index).offset, old.read(offset, sizeBytes));
      }
      renameSync(file.path, left.path);
    } catch {
      // No room for both, most likely: what is in place is kept, the rest is fetched.
      this.#file = left;
      return discard(file);
    }
    this.#file = { path: left.path, fd: file.fd };
    closeSync(left.fd);
    for (const index of moved.keys()) found.add(index);
  }

  #resize(): void {
    try {
      ftruncateSync(this.#file.fd, this.record.lengthBytes + REGION_BYTES);
    } catch (cause) {
      throw new FsError("IO_FAILED", "the new file cannot be given its size", {
        blame: "local",
        cause,
      });
    }
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
      fsyncSync(this.#file.fd);
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
    for (const piece of aroundRegion(streamOffset, bytes, this.record.regionOffset)) {
      writeAll(this.file.fd, piece.bytes, piece.offset);
    }
  }

  /** The canonical stream, as far as it is written; to be read while the file is open. */
  stream(): ByteSource {
    return withoutRegion(fileSource(this.#file.fd), this.record.regionOffset);
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
    if (this.#isClosed) return;
    this.#isClosed = true;
    discard(this.#file);
  }

  /** Closes the file and leaves it for the next attempt. */
  leave(): void {
    if (this.#isClosed) return;
    // Under another name nobody would find it.
    if (this.#file.path !== this.#partialPath) return this.discard();
    this.#isClosed = true;
    closeSync(this.#file.fd);
  }
}

function withoutRegion(file: ByteSource, offset: number): ByteSource {
  return file.sizeBytes < offset + REGION_BYTES ? file : without(file, offset, REGION_BYTES);
}

async function inTurns<T>(steps: Generator<void, T>, signal: AbortSignal): Promise<T> {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
    await turn(signal);
  }
}

function turn(signal: AbortSignal): Promise<void> {
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
