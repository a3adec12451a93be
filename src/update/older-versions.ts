/**
 * Versions before the rollback copy, as differences in one file beside the executable: whoever is several
 * versions behind finds somebody who still knows what he has. Nothing rests on it. What cannot be read or
 * written is left out, and what is read is compared with its root before anybody is served from it.
 */
import { closeSync, fsyncSync, rmSync } from "node:fs";
import { Archive, archiveInSlices } from "../content/archive.ts";
import type { Content } from "../content/content.ts";
import { ChunkTable } from "../content/table.ts";
import { equal } from "../core/bytes.ts";
import { OLDER_VERSIONS_MAX_BYTES, ROOTS_MAX } from "../core/limits.ts";
import { inTurns } from "../core/turns.ts";
import { fileSource, openFile } from "../fs/file-source.ts";
import { renameOver } from "../fs/rename-over.ts";
import { createBeside, discard, writeAll } from "../fs/temporary-file.ts";
import type { Base } from "../swarm/bases.ts";
import type { Installation } from "./installation.ts";

/** Less than a provider can name: it also has the running version, the previous and the next one. */
const VERSIONS_MAX = ROOTS_MAX - 4;

export class OlderVersions {
  readonly #path: string;
  readonly #temporaryBase: string;
  #fd: number | undefined;
  /** The newest first; each is the difference to the one before it in this list. */
  #archives: readonly Archive[] = [];
  #isClosed = false;

  /** The caller closes it. */
  constructor({ olderPath, temporaryBase }: Installation) {
    this.#path = olderPath;
    this.#temporaryBase = temporaryBase;
    this.#open();
  }

  close(): void {
    this.#isClosed = true;
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }

  /** The versions that can be read over this one, the newest first. */
  over(newest: Content): Base[] {
    const bases: Base[] = [];
    let { root } = newest.table;
    let next = (): Content => newest;
    for (const archive of this.#archives) {
      if (!equal(archive.nextRoot, root) || bases.length === VERSIONS_MAX) continue;
      const { stream, content } = archive.over(next);
      bases.push({ root: archive.root, stream });
      next = content;
      root = archive.root;
    }
    return bases;
  }

  /**
   * Adds the version before the running one, if that is not there, and forgets what is too old or too
   * much. In slices of a few milliseconds. Resolves with what can be read since then and could not before.
   */
  async add(previous: Base, running: Content): Promise<Base[]> {
    try {
      if (this.over(running).length > 0) return [];
      const table = await inTurns(ChunkTable.inSlices(previous.stream));
      if (!equal(table.root, previous.root)) return [];
      const old = { table, stream: previous.stream };
      const added = await inTurns(archiveInSlices(old, running, OLDER_VERSIONS_MAX_BYTES));
      if (this.#isClosed) return [];
      if (added === undefined) rmSync(this.#path, { force: true });
      else this.#write(added, previous);
      this.#open();
      return this.over(running);
    } catch {
      // Read-only, full, or changed under us: others have to do without.
      return [];
    }
  }

  #open(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
    this.#archives = [];
    try {
      const fd = (this.#fd = openFile(this.#path));
      this.#archives = Archive.list(fileSource(fd));
    } catch {
      // None yet, or a disk that fails.
    }
  }

  #write(added: Uint8Array, previous: Base): void {
    const file = createBeside(this.#temporaryBase);
    try {
      writeAll(file.fd, added, 0);
      let end = added.length;
      for (const bytes of this.#kept(previous, OLDER_VERSIONS_MAX_BYTES - end)) {
        writeAll(file.fd, bytes, end);
        end += bytes.length;
      }
      fsyncSync(file.fd);
      // Windows lets no file be replaced that is open.
      if (this.#fd !== undefined) closeSync(this.#fd);
      this.#fd = undefined;
      renameOver(file.path, this.#path);
    } finally {
      discard(file);
    }
  }

  /** Archives below `previous`, as many as there is room for. */
  *#kept(previous: Base, maxBytes: number): Generator<Uint8Array, void> {
    if (this.#fd === undefined) return;
    const source = fileSource(this.#fd);
    let { root } = previous;
    let offset = 0;
    let left = maxBytes;
    for (const archive of this.#archives) {
      const { sizeBytes } = archive;
      if (equal(archive.nextRoot, root)) {
        if ((left -= sizeBytes) < 0) return;
        yield source.read(offset, sizeBytes);
        root = archive.root;
      }
      offset += sizeBytes;
    }
  }
}
