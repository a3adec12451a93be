/**
 * Starting up touches 20 MB of Bun's own code, JavaScript parser and WebAssembly compiler among it, that an idle
 * updater never calls again, and the kernel keeps such pages mapped until memory is short. This gives them
 * back: what is still needed comes from the page cache, at a microsecond for 64 KiB.
 */
import { readFileSync, readlinkSync } from "node:fs";
import type { Clock } from "../src/core/clock.ts";
import { openLibc } from "../src/fs/libc.ts";

/** madvise(2) */
const MADV_DONTNEED = 4;
const FUNCTIONS = { madvise: { args: ["u64", "u64", "i32"], returns: "i32" } } as const;
/** After the first look for peers, when everything that only the start needs has run; and after the later ones. */
const FIRST_MS = 10_000;
const INTERVAL_MS = 60_000;
/** "from-to r?xp offset device inode   path", then "Name:   value kB" lines, proc_pid_smaps(5). */
const MAPPING = /^([0-9a-f]+)-([0-9a-f]+) r-[x-]p [0-9a-f]+ \S+ \d+ +(.*)$/;
const CLEAN = /^Private_Dirty: +0 kB$/m;

/** Now and then, for as long as this thread lives. */
export function keepCodeReleased(clock: Clock): void {
  if (process.platform !== "linux") return;
  const release = (): void => {
    releaseCode();
    clock.after(INTERVAL_MS, release);
  };
  clock.after(FIRST_MS, release);
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
