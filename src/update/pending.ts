/**
 * Step 9 (confirm): a new version is on probation until it has run for a while. Beside the executable lies
 * a text that step 7 writes and every start adds a line to, until the new version has failed too often and
 * the previous one is put back, or is healthy; then its next few starts are still counted, for the record:
 *
 *   rustpatcher-pending 1 <SHA-256 of its region> <content root> <version>
 *   <process id>     one line for each start
 *   -<process id>    that one has ended with code 0
 *   good             it is healthy
 *   back             it has ended too often
 *   hung             it has stopped turning its event loop
 *
 * Lines are only ever appended, each with one write, so that starts at the same time do not harm it. Where no line
 * can be added, because what hangs has used up all descriptors or the disk is full, a time of modification says
 * `hung`: it takes neither.
 */
import { pathBeside } from "../fs/own-files.ts";

const FORMAT = /^rustpatcher-pending 1 ([0-9a-f]{64}) ([0-9a-f]{64}) ([0-9A-Za-z.-]{1,16})$/;
const LINE = /^(-?[1-9][0-9]{0,9}|good|back|hung)$/;
export const GOOD_LINE = "good\n";
/** The time of modification that says `hung`: "HUNG" as a number, in a year without rustpatcher. */
export const HUNG_S = 0x48_55_4e_47;
/** A start line has at most 11 bytes: thousands of starts, far above what ends a probation. */
export const PENDING_MAX_BYTES: number = 64 * 1024;
/** So many starts that ended before the version was healthy end the probation. */
export const FAILED_STARTS_MAX = 3;
/** So many starts are counted, whether the version is healthy or not. */
export const COUNTED_STARTS_MAX = 8;

/** Why the previous version is put back. */
export type Failure = "back" | "hung";

export interface Pending {
  /** SHA-256 of the new version's region, hexadecimal. */
  readonly region: string;
  /** Its content root, hexadecimal. */
  readonly root: string;
  readonly version: string;
  /** Processes that were started from it, in order. */
  readonly starts: readonly number[];
  /** Those of them that have ended with code 0. */
  readonly ends: readonly number[];
  readonly isGood: boolean;
  /** The previous version is about to be put back, or was. */
  readonly failure: Failure | undefined;
}

/** Where it lies for the executable at this path. */
export function pendingPath(executable: string): string {
  return pathBeside(executable, "pending");
}

export function pendingHeader(region: Uint8Array, rootHex: string, version: string): string {
  return `rustpatcher-pending 1 ${regionDigest(region)} ${rootHex} ${version}\n`;
}

/** What a version is recognized by at start, before anything is verified. Hexadecimal. */
export function regionDigest(region: Uint8Array): string {
  return new Bun.CryptoHasher("sha256").update(region).digest("hex");
}

/** Undefined for anything else. A last line that was cut off by a crash counts as not there. */
export function parsePending(text: string, modifiedMs: number): Pending | undefined {
  const [first = "", ...rest] = text.split("\n");
  const [, region, root, version] = FORMAT.exec(first) ?? [];
  if (region === undefined || root === undefined || version === undefined) return undefined;
  const lines = rest.slice(0, -1).filter((line) => LINE.test(line));
  const numbers = lines.map(Number);
  return {
    region,
    root,
    version,
    starts: numbers.filter((number) => number > 0),
    ends: numbers.filter((number) => number < 0).map((number) => -number),
    isGood: lines.includes("good"),
    failure:
      lines.find((line) => line === "back" || line === "hung") ??
      (modifiedMs === HUNG_S * 1_000 ? "hung" : undefined),
  };
}

/** In words, for the log and for whoever listens. */
export function failureText(failure: Failure): string {
  return failure === "hung"
    ? "it hung before it was healthy"
    : `it ended ${FAILED_STARTS_MAX} times before it was healthy`;
}

/** How it has failed. `isAlive` tells of a process; one that runs has not failed yet, whoever waits for it. */
export function failureOf(
  pending: Pending,
  ownPid: number,
  isAlive: (pid: number) => boolean,
): Failure | undefined {
  if (pending.failure !== undefined || pending.isGood) return pending.failure;
  // Our own number in it is a start that is over: a container gives every one of them the same.
  const failed = pending.starts.filter((pid) => pid === ownPid || !isAlive(pid));
  return failed.length >= FAILED_STARTS_MAX ? "back" : undefined;
}

/** Starts that have ended otherwise than with code 0; the last one with our own number is we. */
export function badEndsOf(
  { starts, ends }: Pending,
  ownPid: number,
  isAlive: (pid: number) => boolean,
): number {
  const over = starts.filter((pid) => pid === ownPid || !isAlive(pid)).length;
  return Math.max(0, over - ends.length - (starts.includes(ownPid) ? 1 : 0));
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (cause) {
    // Somebody else's process is one as well.
    return Reflect.get(Object(cause), "code") === "EPERM";
  }
}
