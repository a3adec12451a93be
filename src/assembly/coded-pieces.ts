/**
 * Pieces as they were sent, in a file without a name: compressing takes more of a processor than sending, and whoever
 * installs anew asks for the same pieces as the one before. The kernel drops it with the process, however that ends.
 */
import { closeSync, readSync, rmSync } from "node:fs";
import type { PieceStore } from "../content/piece-store.ts";
import type { Piece } from "../content/plan.ts";
import { uninitialized } from "../core/bytes.ts";
import { createBeside, writeAll } from "../fs/temporary-file.ts";
import { markFinished } from "../fs/unfinished.ts";

interface Place {
  readonly offset: number;
  readonly sizeBytes: number;
}

export class CodedPieces implements PieceStore {
  readonly #fd: number;
  readonly #maxBytes: number;
  readonly #places = new Map<string, Place>();
  #endBytes = 0;
  #isFull = false;

  private constructor(fd: number, maxBytes: number) {
    this.#fd = fd;
    this.#maxBytes = maxBytes;
  }

  /** At most `maxBytes` on the file system of `path`. Undefined where no such file can be had; it is not needed. */
  static beside(path: string, maxBytes: number): CodedPieces | undefined {
    // There an open file keeps its name.
    if (process.platform === "win32") return undefined;
    let fd: number | undefined;
    try {
      const file = createBeside(path);
      ({ fd } = file);
      rmSync(file.path);
      markFinished(file.path);
      return new CodedPieces(fd, maxBytes);
    } catch {
      // A name that cannot be taken away again is for the next start to clean up.
      if (fd !== undefined) closeSync(fd);
      return undefined;
    }
  }

  get({ first, count }: Piece): Uint8Array | undefined {
    const place = this.#places.get(`${first} ${count}`);
    if (place === undefined) return undefined;
    const { offset, sizeBytes } = place;
    const coded = uninitialized(sizeBytes);
    try {
      return readSync(this.#fd, coded, 0, sizeBytes, offset) === sizeBytes ? coded : undefined;
    } catch {
      return undefined;
    }
  }

  set({ first, count }: Piece, coded: Uint8Array): void {
    if (this.#isFull || this.#endBytes + coded.length > this.#maxBytes) return;
    try {
      writeAll(this.#fd, coded, this.#endBytes);
    } catch {
      // The disk may be: others need what is left of it.
      this.#isFull = true;
      return;
    }
    this.#places.set(`${first} ${count}`, { offset: this.#endBytes, sizeBytes: coded.length });
    this.#endBytes += coded.length;
  }

  close(): void {
    closeSync(this.#fd);
  }
}
