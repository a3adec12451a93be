/**
 * Has the system write out what a file was given while more is to come: by itself it keeps new bytes in memory for
 * half a minute, and a power failure takes them. Nobody waits for it, and what goes wrong shows when the file is synced
 * for good.
 */
import { close, constants, fdatasync, open } from "node:fs";
import type { Clock } from "../core/clock.ts";

/** One piece of a slow download, and a sync that no disk notices. */
const EVERY_MS = 1_000;

/** Resolves when what the file at `path` was given until now is on the disk; never rejects. */
export function syncFile(path: string): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  // Windows writes out only what is open for writing, and that would keep the file from being started.
  if (process.platform === "win32") resolve();
  // A descriptor of its own: the file's may be closed, and its number another file's, before this is over.
  else {
    const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
    open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, (error, fd) => {
      if (error) return resolve();
      fdatasync(fd, () => close(fd, () => resolve()));
    });
  }
  return promise;
}

export class WriteBehind {
  readonly #clock: Clock;
  readonly #sync: () => Promise<void>;
  #cancel: (() => void) | undefined;
  #isSyncing = false;
  #isDirty = false;
  #isStopped = false;

  constructor(clock: Clock, sync: () => Promise<void>) {
    this.#clock = clock;
    this.#sync = sync;
  }

  /** Something was written. */
  wrote(): void {
    this.#isDirty = true;
    if (this.#isStopped || this.#isSyncing || this.#cancel !== undefined) return;
    this.#cancel = this.#clock.after(EVERY_MS, () => void this.#run());
  }

  /** A sync that is under way goes on, with a descriptor of its own. */
  stop(): void {
    this.#isStopped = true;
    this.#cancel?.();
    this.#cancel = undefined;
  }

  async #run(): Promise<void> {
    this.#cancel = undefined;
    this.#isSyncing = true;
    this.#isDirty = false;
    await this.#sync();
    this.#isSyncing = false;
    if (this.#isDirty) this.wrote();
  }
}
