/** Step 9, the way back: one rename, which needs no space. The version that comes back clears the rest away. */
import { isOurs } from "../src/fs/ownership.ts";
import { pathBeside } from "../src/fs/own-files.ts";
import { HUNG_S, pendingPath, type Failure } from "../src/update/pending.ts";
import { systemSwap } from "../src/update/system-swap.ts";

export type FileSystem = typeof import("node:fs");

/** The running image, even when another file has its path by now. */
const LINUX_OWN_IMAGE = "/proc/self/exe";

/**
 * Puts the previous version in the place of the running one, which has failed. True when the program at
 * `executable` is now another one than that which runs; false when there is nothing to go back to. Throws
 * the system's error when it does not let us.
 */
export function putPreviousBack(fs: FileSystem, executable: string, failure: Failure): boolean {
  // Another start was faster, or somebody has installed something by hand: that is not to be undone.
  if (isReplaced(fs, executable)) return true;
  const pending = pendingPath(executable);
  const previous = pathBeside(executable, "previous");
  const stats = fs.lstatSync(previous, { bigint: true, throwIfNoEntry: false });
  const isUsable = stats !== undefined && isOurs(stats);
  // Two names of one file: a rename would do nothing, and we would come back here for ever.
  if (!isUsable || stats.ino === fs.statSync(executable, { bigint: true }).ino) {
    return isReplaced(fs, executable);
  }
  note(fs, pending, failure);
  try {
    systemSwap(fs, executable).putBack(previous, executable);
  } catch (cause) {
    if (isReplaced(fs, executable)) return true;
    throw cause;
  }
  return true;
}

/** For the version that comes back: else it would install this one again. */
function note(fs: FileSystem, pending: string, failure: Failure): void {
  try {
    append(fs, pending, `${failure}\n`);
  } catch {
    // No room, no descriptor. Of a failure at start the starts that stand there tell as well.
    if (failure === "hung") tryToMark(fs, pending);
  }
}

function tryToMark(fs: FileSystem, pending: string): void {
  try {
    fs.lutimesSync(pending, HUNG_S, HUNG_S);
  } catch {
    // Then it may come once more, and hang once more: better than to leave it there.
  }
}

/** Adds a line to the pending file, with one write. */
export function append(fs: FileSystem, path: string, line: string): void {
  const { O_WRONLY, O_APPEND, O_NOFOLLOW } = fs.constants;
  const fd = fs.openSync(path, O_WRONLY | O_APPEND | O_NOFOLLOW);
  try {
    fs.writeSync(fd, line);
  } finally {
    fs.closeSync(fd);
  }
}

/** Is there another program at the path than the one that runs? */
export function isReplaced(fs: FileSystem, executable: string): boolean {
  // Elsewhere it would be a name like any other, which anybody could make.
  if (process.platform !== "linux") return false;
  try {
    const [there, own] = [fs.statSync(executable), fs.statSync(LINUX_OWN_IMAGE)];
    return there.dev !== own.dev || there.ino !== own.ino;
  } catch {
    // No /proc, or nothing at the path: nothing that we could become.
    return false;
  }
}
