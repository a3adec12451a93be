/**
 * Step 5 (assemble): the announced executable as a file beside the place it is meant for. Chunks go to their
 * place as they come, in any order; nothing larger than a piece is ever held in memory. What is in the file
 * is worth nothing before step 6. An attempt that is interrupted leaves the file for the next one, which
 * takes over what has the right hash.
 */
import { closeSync, ftruncateSync, renameSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { chunksElsewhere, chunksInPlace } from "../content/recover.ts";
import type { ByteRange, ChunkTable } from "../content/table.ts";
import { systemClock } from "../core/clock.ts";
import type { ReleaseRecord } from "../core/release-record.ts";
import { without, type ByteSource } from "../core/source.ts";
import { aroundRegion } from "../exe/canonical.ts";
import { completion, normalForm } from "../exe/normal-form.ts";
import { REGION_BYTES } from "../exe/region.ts";
import { FsError } from "../fs/error.ts";
import { fileSource } from "../fs/file-source.ts";
import { pathBeside } from "../fs/own-files.ts";
import { openPartial, type PartialFile } from "../fs/partial-file.ts";
import { createBeside, discard, writeAll, type TemporaryFile } from "../fs/temporary-file.ts";
import { syncFile, WriteBehind } from "../fs/write-behind.ts";

/** What a file was begun for. */
export interface Unfinished {
  readonly table: ChunkTable;
  readonly regionOffset: number;
}

/** Beside an executable. */
export interface UnfinishedPlace {
  /** What an interrupted download leaves for the next attempt; see partial-file.ts. */
  readonly partialPath: string;
  /** What our temporary files are named after; see temporary-file.ts. */
  readonly temporaryBase: string;
}

/** Whoever assembles there holds the lock of the executable. `executable` is absolute. */
export function unfinishedPlace(executable: string): UnfinishedPlace {
  return {
    partialPath: pathBeside(executable, "partial"),
    temporaryBase: join(dirname(executable), `${basename(executable)}.update`),
  };
}

/** Gives the event loop its turn; throws when the work is to end. */
export type Pause = () => Promise<void>;

export class UnfinishedExecutable {
  readonly record: ReleaseRecord;
  readonly #place: UnfinishedPlace;
  readonly #behind: WriteBehind;
  /** Open for writing, and read from. */
  protected opened: TemporaryFile;
  /** An earlier attempt has begun it, and nothing was taken over yet. */
  #isLeft: boolean;
  /** Chunks of this release are in it. */
  #hasContent = false;
  #isClosed = false;

  protected constructor(record: ReleaseRecord, place: UnfinishedPlace, file: PartialFile) {
    this.record = record;
    this.#place = place;
    this.opened = file;
    this.#isLeft = file.isLeft;
    this.#behind = new WriteBehind(systemClock, () => syncFile(this.file.path));
  }

  /**
   * Creates the file, or opens what an earlier attempt has left: through no link, mode 0600, ours alone. Its
   * owner calls `discard` or `leave`, whatever happens.
   * @throws {FsError} IO_FAILED, also when the disk has no room for its bookkeeping.
   */
  static begin(place: UnfinishedPlace, record: ReleaseRecord): UnfinishedExecutable {
    const file = openPartial(place.partialPath, place.temporaryBase);
    return new UnfinishedExecutable(record, place, file).prepared(file);
  }

  protected prepared({ isLeft }: PartialFile): this {
    try {
      if (!isLeft) this.#resize();
      return this;
    } catch (cause) {
      this.discard();
      throw cause;
    }
  }

  get file(): TemporaryFile {
    return this.opened;
  }

  /**
   * Takes over those of the chunks that the file has already, whatever release it was begun for, and
   * resolves with them. `before`: what that was, if it is known. In slices of a few milliseconds.
   * @throws {FsError} IO_FAILED; what `pause` threw
   */
  async recover(
    table: ChunkTable,
    indexes: readonly number[],
    before: Unfinished | undefined,
    pause: Pause,
  ): Promise<Set<number>> {
    if (!this.#isLeft) return new Set();
    this.#isLeft = false;
    const file = fileSource(this.file.fd);
    const stream = withoutRegion(file, this.record.regionOffset);
    const found = await this.#inTurns(chunksInPlace(table, indexes, stream), pause);
    const lacking = indexes.filter((index) => !found.has(index));
    const old = before === undefined ? file : withoutRegion(file, before.regionOffset);
    const moved = await this.#inTurns(chunksElsewhere(table, lacking, old, before?.table), pause);
    if (moved.size > 0) this.#move(table, found, stream, moved, old);
    this.#resize();
    if (found.size > 0) this.#hasContent = true;
    return found;
  }

  async #inTurns<T>(steps: Generator<void, T>, pause: Pause): Promise<T> {
    for (;;) {
      const step = steps.next();
      if (step.done === true) return step.value;
      await pause();
      // The number of a closed descriptor may be another file's by now.
      if (this.#isClosed) throw closed();
    }
  }

  /** Puts the chunks into a file of the new layout, which then has the name; `found` grows by `moved`. */
  #move(
    table: ChunkTable,
    found: Set<number>,
    stream: ByteSource,
    moved: ReadonlyMap<number, ByteRange>,
    old: ByteSource,
  ): void {
    const left = this.opened;
    const file = createBeside(this.#place.temporaryBase);
    try {
      this.opened = file;
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
      this.opened = left;
      return discard(file);
    }
    this.opened = { path: left.path, fd: file.fd };
    closeSync(left.fd);
    for (const index of moved.keys()) found.add(index);
  }

  #resize(): void {
    try {
      ftruncateSync(this.file.fd, this.record.lengthBytes + REGION_BYTES);
    } catch (cause) {
      throw new FsError("IO_FAILED", "the new file cannot be given its size", {
        blame: "local",
        cause,
      });
    }
  }

  /** Bytes of the canonical stream, whose place in the file is before or behind the region. */
  write(streamOffset: number, bytes: Uint8Array): void {
    this.#hasContent = true;
    this.#behind.wrote();
    for (const piece of aroundRegion(streamOffset, bytes, this.record.regionOffset)) {
      writeAll(this.file.fd, piece.bytes, piece.offset);
    }
  }

  /** The canonical stream, as far as it is written; to be read while the file is open. */
  stream(): ByteSource {
    return withoutRegion(fileSource(this.file.fd), this.record.regionOffset);
  }

  /** The last thing to write: the code signature of a macOS executable follows from everything else. */
  writeRegion(region: Uint8Array): void {
    writeAll(this.file.fd, region, this.record.regionOffset);
    for (const { offset, bytes } of completion(normalForm(fileSource(this.file.fd)))) {
      writeAll(this.file.fd, bytes, offset);
    }
  }

  /** Closes and removes the file, unless it was renamed away. A second call does nothing. */
  discard(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#behind.stop();
    discard(this.file);
  }

  /** Closes the file and leaves it for the next attempt, if there is anything in it. */
  leave(): void {
    if (this.#isClosed) return;
    // Under another name nobody would find it.
    if (this.file.path !== this.#place.partialPath || this.#isWorthless) return this.discard();
    this.#isClosed = true;
    this.#behind.stop();
    closeSync(this.file.fd);
  }

  /** What an earlier attempt has left and nobody has looked at may be worth much. */
  get #isWorthless(): boolean {
    return !this.#isLeft && !this.#hasContent;
  }
}

function withoutRegion(file: ByteSource, offset: number): ByteSource {
  return file.sizeBytes < offset + REGION_BYTES ? file : without(file, offset, REGION_BYTES);
}

function closed(): FsError {
  return new FsError("FILE_CHANGED", "the unfinished file was closed", { blame: "local" });
}
