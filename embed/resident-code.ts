/**
 * What starting up leaves resident, and an idle updater never needs again:
 *
 * - 4 MB that JavaScriptCore has made of our own code. Whatever runs again is compiled again, in some milliseconds.
 * - 20 MB of Bun's own code, JavaScript parser and WebAssembly compiler among it: the kernel keeps such pages mapped
 *   until memory is short. What is still needed comes from the page cache, at a microsecond for 64 KiB.
 */
import { readFileSync, readlinkSync } from "node:fs";
import type { Clock } from "../src/core/clock.ts";
import { openLibc } from "../src/fs/libc.ts";

/** madvise(2) */
const MADV_DONTNEED = 4;
const FUNCTIONS = { madvise: { args: ["u64", "u64", "i32"], returns: "i32" } } as const;
/** After the first look for peers, when everything that only the start needs has run. */
const FORGET_FIRST_MS = 9_000;
/** Looks are compiled better and better, and are none the faster for it; serving an update is over at some time. */
const FORGET_EVERY_MS = 600_000;
/** Once the compiler is done with the former, and after the later looks. */
const RELEASE_FIRST_MS = 10_000;
const RELEASE_EVERY_MS = 60_000;
/** "from-to r?xp offset device inode   path", then "Name:   value kB" lines, proc_pid_smaps(5). */
const MAPPING = /^([0-9a-f]+)-([0-9a-f]+) r-[x-]p [0-9a-f]+ \S+ \d+ +(.*)$/;
const CLEAN = /^Private_Dirty: +0 kB$/m;

/** Now and then, for as long as this thread lives. */
export function keepCodeReleased(clock: Clock): void {
  repeat(clock, FORGET_FIRST_MS, FORGET_EVERY_MS, forgetCompiled);
  if (process.platform === "linux") repeat(clock, RELEASE_FIRST_MS, RELEASE_EVERY_MS, releaseCode);
}

function repeat(clock: Clock, firstMs: number, everyMs: number, work: () => void): void {
  clock.after(firstMs, () => {
    work();
    repeat(clock, everyMs, everyMs, work);
  });
}

/**
 * This thread's machine code and bytecode, as soon as nothing of it runs, and what a full collection finds then.
 * @internal
 */
export function forgetCompiled(): void {
  // Deprecated, and a Bun without it keeps its code.
  const { shrink } = Bun as Partial<Pick<typeof Bun, "shrink">>;
  shrink?.();
}

function releaseCode(): void {
  try {
    const executable = readlinkSync("/proc/self/exe");
    const { madvise } = openLibc(FUNCTIONS) ?? {};
    if (madvise === undefined) return;
    for (const { start, end } of cleanMappings(
      readFileSync("/proc/self/smaps", "latin1"),
      executable,
    )) {
      madvise(start, end - start, MADV_DONTNEED);
    }
  } catch {
    // No /proc, or no machine code may be made at run time: then the pages stay.
  }
}

/**
 * Read-only mappings of `path` in which this process has changed nothing: all of what is given back can be
 * read again from the file.
 * @internal
 */
export function cleanMappings(
  smaps: string,
  path: string,
): { readonly start: bigint; readonly end: bigint }[] {
  return smaps.split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m).flatMap((mapping) => {
    const [, start, end, file] = MAPPING.exec(mapping.slice(0, mapping.indexOf("\n"))) ?? [];
    if (start === undefined || end === undefined || file !== path || !CLEAN.test(mapping))
      return [];
    return [{ start: BigInt(`0x${start}`), end: BigInt(`0x${end}`) }];
  });
}
