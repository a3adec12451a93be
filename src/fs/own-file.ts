/** Small files that nobody but us may have written: what is said in them decides something. */
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { FsError, isErrno } from "./error.ts";
import { isOnlyOurs, isOurs } from "./ownership.ts";

/**
 * All of it; undefined when there is no such file. Follows no link.
 * @throws {FsError} FILE_NOT_OURS when somebody else may have written it, or it is longer than `maxBytes`;
 *   FILE_CHANGED @throws the system's error
 */
export function readOwnFile(path: string, maxBytes: number): Uint8Array | undefined {
  let fd: number;
  try {
    // O_NONBLOCK: a pipe put in its place must not make us wait for a writer.
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (cause) {
    if (isErrno(cause, "ENOENT")) return undefined;
    throw cause;
  }
  try {
    const stats = fstatSync(fd);
    if (!isOurs(stats)) throw refusal("it is not ours");
    if (!isOnlyOurs(stats)) throw refusal("others may write to it");
    if (stats.size > maxBytes) throw refusal("it is too long");
    const bytes = new Uint8Array(stats.size);
    let done = 0;
    while (done < bytes.length) {
      const count = readSync(fd, bytes, done, bytes.length - done, done);
      if (count === 0) throw new FsError("FILE_CHANGED", "it became shorter", { blame: "local" });
      done += count;
    }
    return bytes;
  } finally {
    closeSync(fd);
  }
}

function refusal(reason: string): FsError {
  return new FsError("FILE_NOT_OURS", reason, { blame: "local" });
}
