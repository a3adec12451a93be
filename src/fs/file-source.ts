import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { checkRange, type ByteSource } from "../core/source.ts";
import { FsError, isErrno } from "./error.ts";

/**
 * An open file as a ByteSource; the size is the one at this call. What `read` returns is overwritten by
 * the next `read`. The descriptor stays the caller's, who closes it. Memory is held while somebody holds what was
 * read: a program stays open for as long as it runs, and is read whole only once.
 * @throws {FsError} from `read`: FILE_CHANGED when the file became shorter.
 */
export function fileSource(fd: number): ByteSource {
  let last: WeakRef<Uint8Array> | undefined;
  const bufferOf = (sizeBytes: number): Uint8Array => {
    const kept = last?.deref();
    if (kept !== undefined && kept.length >= sizeBytes) return kept;
    const buffer = new Uint8Array(sizeBytes);
    last = new WeakRef(buffer);
    return buffer;
  };
  const source: ByteSource = {
    sizeBytes: fstatSync(fd).size,
    read(offset, sizeBytes) {
      checkRange(source, offset, sizeBytes);
      const buffer = bufferOf(sizeBytes);
      let done = 0;
      while (done < sizeBytes) {
        const count = readSync(fd, buffer, done, sizeBytes - done, offset + done);
        if (count === 0) {
          throw new FsError("FILE_CHANGED", "the file became shorter while it was being read", {
            blame: "local",
            offset: offset + done,
          });
        }
        done += count;
      }
      return buffer.subarray(0, sizeBytes);
    },
  };
  return source;
}

/**
 * Opens a regular file for reading; the caller closes the descriptor. Never blocks on a pipe.
 * @throws {FsError} NOT_A_FILE, IO_FAILED
 */
export function openFile(path: string): number {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (cause) {
    if (isErrno(cause, "ENOENT")) {
      throw new FsError("NOT_A_FILE", `there is no file at ${path}`, {
        blame: "usage",
        cause,
        path,
      });
    }
    throw new FsError("IO_FAILED", `${path} cannot be opened`, { blame: "local", cause, path });
  }
  if (!fstatSync(fd).isFile()) {
    closeSync(fd);
    throw new FsError("NOT_A_FILE", `${path} is not a file`, { blame: "usage", path });
  }
  return fd;
}

/** Opens `path`, lends it to `use` as a ByteSource, and closes it. @throws {FsError} as openFile. */
export function withFile<T>(path: string, use: (source: ByteSource, fd: number) => T): T {
  const fd = openFile(path);
  try {
    return use(fileSource(fd), fd);
  } finally {
    closeSync(fd);
  }
}
