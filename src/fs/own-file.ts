/** Small files that nobody but us may have written: what is said in them decides something. */
import { closeSync, constants, fstatSync, fsyncSync, openSync, readSync } from "node:fs";
import { dirname } from "node:path";
import { FsError, isErrno } from "./error.ts";
import { isOnlyOurs, isOurs } from "./ownership.ts";
import { renameOver } from "./rename-over.ts";
import { createBeside, discard, syncDirectory, writeAll } from "./temporary-file.ts";

/**
 * What a power failure may take. nothing: neither content nor name · name: it may be the old file again ·
 * content: anything goes, since nothing depends on it.
 */
export type Losable = "nothing" | "name" | "content";

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

/**
 * Replaces the file: whole or not at all. `namedAfter`: what the temporary file is called like, for the sweep
 * that clears it away after a kill.
 * @throws {FsError} IO_FAILED @throws the system's error
 */
export function writeOwnFile(
  path: string,
  bytes: Uint8Array,
  losable: Losable,
  namedAfter: string = path,
): void {
  const temporary = createBeside(namedAfter);
  try {
    writeAll(temporary.fd, bytes, 0);
    // Content before name: the name must not lead to an empty file.
    if (losable !== "content") fsyncSync(temporary.fd);
    renameOver(temporary.path, path);
    if (losable === "nothing") syncDirectory(dirname(path));
  } finally {
    discard(temporary);
  }
}

function refusal(reason: string): FsError {
  return new FsError("FILE_NOT_OURS", reason, { blame: "local" });
}
