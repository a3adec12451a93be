/**
 * Names of files by the rules of Windows: a file that is run can be renamed, but not removed and not renamed over; one
 * that a scanner has open can be neither; names differ in more than case; FAT has no second names. Any operation
 * may be the last one, or be refused for a while.
 */
import type { Names } from "../../src/fs/names.ts";

export interface SimulatedFile {
  readonly content: string;
  /** A process was started from it. */
  isRun: boolean;
}

/** The machine was switched off. */
export class Killed extends Error {}

export class SimulatedWindows implements Names {
  /** Lower case, as the file system compares them. */
  readonly files: Map<string, SimulatedFile> = new Map();
  /** Operations so far that were not refused. */
  operations = 0;
  /** The operation before which the power fails. */
  killBefore: number = Infinity;
  /** Is this operation refused, because somebody looks at the file? */
  isRefused: (operation: string, path: string) => boolean = () => false;
  hasLinks = true;

  add(path: string, content: string, isRun = false): void {
    this.files.set(path.toLowerCase(), { content, isRun });
  }

  at(path: string): string | undefined {
    return this.files.get(path.toLowerCase())?.content;
  }

  /** All processes are gone, and nobody looks at anything. */
  reboot(): void {
    for (const file of this.files.values()) file.isRun = false;
    this.killBefore = Infinity;
    this.isRefused = () => false;
  }

  exists(path: string): boolean {
    return this.files.has(path.toLowerCase());
  }

  link(path: string, other: string): void {
    this.#begin("link", path);
    if (!this.hasLinks) throw errno("ENOTSUP");
    if (this.exists(other)) throw errno("EEXIST");
    this.files.set(other.toLowerCase(), this.#get(path));
  }

  rename(from: string, to: string): void {
    this.#begin("rename", from);
    const file = this.#get(from);
    const old = this.files.get(to.toLowerCase());
    if (old !== undefined && old !== file && old.isRun) throw errno("EPERM");
    this.files.delete(from.toLowerCase());
    this.files.set(to.toLowerCase(), file);
  }

  remove(path: string): void {
    this.#begin("remove", path);
    if (this.#get(path).isRun) throw errno("EPERM");
    this.files.delete(path.toLowerCase());
  }

  #begin(operation: string, path: string): void {
    if (this.isRefused(operation, path)) throw errno("EBUSY");
    if (++this.operations >= this.killBefore) throw new Killed("killed");
  }

  #get(path: string): SimulatedFile {
    const file = this.files.get(path.toLowerCase());
    if (file === undefined) throw errno("ENOENT");
    return file;
  }
}

function errno(code: string): Error {
  return Object.assign(new Error(code), { code });
}
