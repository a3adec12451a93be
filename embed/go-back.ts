/** Step 9, the way back: one rename, which needs no space. The version that comes back clears the rest away. */
import { pendingPath, type Failure } from "../src/update/pending.ts";

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
  const previous = pending.replace(/pending$/, "previous");
  const stats = fs.lstatSync(previous, { throwIfNoEntry: false });
  const isOurs = stats?.isFile() === true && stats.uid === process.geteuid?.();
  // Two names of one file: a rename would do nothing, and we would come back here for ever.
  if (!isOurs || stats.ino === fs.statSync(executable).ino) return isReplaced(fs, executable);
  try {
    append(fs, pending, `${failure}\n`);
  } catch {
    // A full disk: the starts that stand there say it as well.
  }
  try {
    fs.renameSync(previous, executable);
  } catch (cause) {
    if (isReplaced(fs, executable)) return true;
    throw cause;
  }
  return true;
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
  try {
    const [there, own] = [fs.statSync(executable), fs.statSync(LINUX_OWN_IMAGE)];
    return there.dev !== own.dev || there.ino !== own.ino;
  } catch {
    // No /proc, or nothing at the path: nothing that we could become.
    return false;
  }
}
