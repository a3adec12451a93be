/**
 * Step 9 (confirm): a new version is on probation until it has run for a while. Beside the executable lies
 * a text that step 7 writes and every start adds a line to, until the new version is healthy and removes
 * it or has failed too often and the previous one is put back:
 *
 *   rustpatcher-pending 1 <SHA-256 of its region> <content root> <version>
 *   <process id>     one line for each start
 *   back             it has failed
 *
 * Lines are only ever appended, each with one write, so that starts at the same time do not harm it.
 */
const FORMAT = /^rustpatcher-pending 1 ([0-9a-f]{64}) ([0-9a-f]{64}) ([0-9A-Za-z.-]{1,16})$/;
const LINE = /^([1-9][0-9]{0,9}|back)$/;
export const BACK_LINE = "back\n";
/** A start line has at most 11 bytes: thousands of starts, far above what ends a probation. */
export const PENDING_MAX_BYTES: number = 64 * 1024;
/** So many starts that ended before the version was healthy end the probation. */
export const FAILED_STARTS_MAX = 3;

export interface Pending {
  /** SHA-256 of the new version's region, hexadecimal. */
  readonly region: string;
  /** Its content root, hexadecimal. */
  readonly root: string;
  readonly version: string;
  /** Processes that were started from it, in order. */
  readonly starts: readonly number[];
  /** It has failed: the previous version is about to be put back, or was. */
  readonly isBack: boolean;
}

/** Where it lies for the executable at this path. */
export function pendingPath(executable: string): string {
  // By hand: this runs at every start of the app, which node:path would make slower.
  const at = executable.lastIndexOf("/") + 1;
  return `${executable.slice(0, at)}.${executable.slice(at)}.rustpatcher-pending`;
}

export function pendingHeader(region: Uint8Array, rootHex: string, version: string): string {
  return `rustpatcher-pending 1 ${regionDigest(region)} ${rootHex} ${version}\n`;
}

/** What a version is recognized by at start, before anything is verified. Hexadecimal. */
export function regionDigest(region: Uint8Array): string {
  return new Bun.CryptoHasher("sha256").update(region).digest("hex");
}

/** Undefined for anything else. A last line that was cut off by a crash counts as not there. */
export function parsePending(text: string): Pending | undefined {
  const [first = "", ...rest] = text.split("\n");
  const [, region, root, version] = FORMAT.exec(first) ?? [];
  if (region === undefined || root === undefined || version === undefined) return undefined;
  const lines = rest.slice(0, -1).filter((line) => LINE.test(line));
  return {
    region,
    root,
    version,
    starts: lines.filter((line) => line !== "back").map(Number),
    isBack: lines.includes("back"),
  };
}

/** Has it failed? `isAlive` tells of a process; one that runs has not failed yet, whoever waits for it. */
export function hasFailed(
  pending: Pending,
  ownPid: number,
  isAlive: (pid: number) => boolean,
): boolean {
  // Our own number in it is a start that is over: a container gives every one of them the same.
  const failed = pending.starts.filter((pid) => pid === ownPid || !isAlive(pid));
  return pending.isBack || failed.length >= FAILED_STARTS_MAX;
}
