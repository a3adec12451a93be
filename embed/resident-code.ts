/**
 * What an idle updater never needs again, and what a busy one had better make anew:
 *
 * - What JavaScriptCore makes of our own code: 4 MB in the start. Under looks each second it is compiled better and better, and none the
 *   faster for it, in memory that lies in between what lives long: 44 MB were anonymous after nine minutes, 30 when it was forgotten each
 *   minute, and collecting alone saved 3. Whatever runs again is compiled again, in some milliseconds.
 * - 20 MB of Bun's own code, JavaScript parser and WebAssembly compiler among it: the kernel keeps such pages mapped
 *   until memory is short. What is still needed comes from the page cache, at a microsecond for 64 KiB. Each look maps 5 to 10 MB of it again,
 *   and since Linux 6.18 a page of a large folio all of the folio: given back each minute 49 MB of an idle app were resident, each ten seconds 39, each five 31.
 */
import { readFileSync, readlinkSync } from "node:fs";
import type { Clock } from "../src/core/clock.ts";
import { openLibc } from "../src/fs/libc.ts";

/** madvise(2) */
const MADV_DONTNEED = 4;
const FUNCTIONS = { madvise: { args: ["u64", "u64", "i32"], returns: "i32" } } as const;
/** After the first look for peers, when everything that only the start needs has run. */
const FIRST_MS = 9_000;
const FORGET_EVERY_MS = 60_000;
const RELEASE_EVERY_MS = 5_000;
/** The compiler and the collector are done with what was forgotten. */
const SETTLED_MS = 1_000;
/** An idle copy does not grow by as much, and pays nothing; one that looks each second does within a minute. */
const FORGET_AFTER_BYTES = 4_000_000;
/** "from-to r?xp offset device inode   path", then "Name:   value kB" lines, proc_pid_smaps(5). */
const MAPPING = /^([0-9a-f]+)-([0-9a-f]+) r-[x-]p [0-9a-f]+ \S+ \d+ +(.*)$/;
const CLEAN = /^Private_Dirty: +0 kB$/m;

/** What is done to this process, so that tests can do without one. */
export interface Residence {
  /** Of this process, the app's among it: then something is forgotten in vain, at most once a minute. */
  readonly anonymousBytes: () => number;
  readonly forget: () => void;
  readonly release: () => void;
}

const THIS_PROCESS: Residence = { anonymousBytes, forget: forgetCompiled, release: releaseCode };
const ANONYMOUS_KIB = /^RssAnon:\s+(\d+) kB$/m;

/** Now and then, for as long as this thread lives. */
export function keepCodeReleased(
  clock: Clock,
  { anonymousBytes, forget, release }: Residence = THIS_PROCESS,
): void {
  let leastBytes = 0;
  const forgetIfGrown = (): void => {
    const isGrown = anonymousBytes() > leastBytes + FORGET_AFTER_BYTES;
    if (isGrown) forget();
    clock.after(SETTLED_MS, () => {
      const leftBytes = anonymousBytes();
      leastBytes = isGrown ? leftBytes : Math.min(leastBytes, leftBytes);
      clock.after(FORGET_EVERY_MS - SETTLED_MS, forgetIfGrown);
    });
  };
  const releaseAgain = (): void => {
    release();
    clock.after(RELEASE_EVERY_MS, releaseAgain);
  };
  clock.after(FIRST_MS, forgetIfGrown);
  clock.after(FIRST_MS + SETTLED_MS, releaseAgain);
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

/** Where the system does not tell: all that is resident. @internal */
export function anonymousBytes(): number {
  try {
    const [, kib] = ANONYMOUS_KIB.exec(readFileSync("/proc/self/status", "latin1")) ?? [];
    if (kib !== undefined) return Number(kib) * 1024;
  } catch {
    // No /proc.
  }
  return process.memoryUsage.rss();
}

function releaseCode(): void {
  if (process.platform !== "linux") return;
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
