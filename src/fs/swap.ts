/**
 * Replacing the file of a program that runs: the one thing in step 7 that systems have different rules
 * for. In which order things are done, and why, is said in src/update/apply.ts alone.
 *
 *              Unix                              Windows
 *   keep       a second name for the old file    makes room for the name
 *   replace    one rename over it                two renames: the old file aside, the new one in
 *   putBack    one rename over it                the same the other way round
 *
 * Windows lets the file of a running program be renamed, but neither removed nor replaced. So there is a
 * moment without a file at the path. Everything that can fail is tried before it, it is undone when the
 * second rename fails, and `recover` is for whoever finds it undone by a crash.
 */
import { isErrno } from "./error.ts";
import type { Names } from "./names.ts";
import { patiently, type Sleep } from "./patiently.ts";

export interface Swap {
  /** The old file is what `previous` will lead to once it is replaced, and nothing else is. */
  keep(path: string, previous: string): void;
  /** `from` is at `path` afterwards. When `previous` exists by then, what was at `path` is not kept. */
  replace(from: string, path: string, previous: string): void;
  /** What `previous` leads to is at `path` afterwards. */
  putBack(previous: string, path: string): void;
  /** Is the path empty because a replacement was interrupted? Then the old file is put back. */
  recover(previous: string, path: string): boolean;
  /** False when the system keeps it, because somebody runs it or looks at it: then later. */
  remove(path: string): boolean;
  /** Programs that run keep files that nobody needs: they are to be cleared away when they have ended. */
  readonly leavesFiles: boolean;
}

export function posixSwap(names: Names): Swap {
  return {
    leavesFiles: false,
    keep(path, previous) {
      try {
        names.remove(previous);
      } catch (error) {
        // Asked first, a link to nothing would count as no file.
        if (!isErrno(error, "ENOENT")) throw error;
      }
      names.link(path, previous);
    },
    replace: (from, path) => names.rename(from, path),
    putBack: (previous, path) => names.rename(previous, path),
    // There is always a file: without one somebody has removed the program.
    recover: () => false,
    remove(path) {
      names.remove(path);
      return true;
    },
  };
}

export interface WindowsSwapOptions {
  readonly sleep: Sleep;
  /** A name beside `path` for what nobody needs; the next sweep finds it. */
  readonly leftoverPath: () => string;
}

export function windowsSwap(names: Names, { sleep, leftoverPath }: WindowsSwapOptions): Swap {
  function remove(path: string): boolean {
    try {
      names.remove(path);
      return true;
    } catch {
      return !names.exists(path);
    }
  }

  /** `from` goes to `path`, and what is there goes to `aside`. */
  function exchange(from: string, path: string, aside: string): void {
    patiently(() => {
      // To its own name: what holds the new file is found out while the old one is still in place.
      names.rename(from, from);
      names.rename(path, aside);
      try {
        names.rename(from, path);
      } catch (error) {
        patiently(() => names.rename(aside, path), sleep);
        throw error;
      }
    }, sleep);
  }

  /** Without the file that was there. */
  function exchangeFor(from: string, path: string): void {
    const aside = leftoverPath();
    exchange(from, path, aside);
    remove(aside);
  }

  return {
    leavesFiles: true,
    keep(_path, previous) {
      if (!names.exists(previous)) return;
      const aside = leftoverPath();
      // It may still run, and then only its name can be taken away.
      patiently(() => names.rename(previous, aside), sleep);
      remove(aside);
    },
    replace(from, path, previous) {
      if (names.exists(previous)) exchangeFor(from, path);
      else exchange(from, path, previous);
    },
    putBack: exchangeFor,
    recover(previous, path) {
      if (names.exists(path) || !names.exists(previous)) return false;
      patiently(() => names.rename(previous, path), sleep);
      return true;
    },
    remove,
  };
}
