import { ftruncateSync } from "node:fs";
import { forEachPiece, type ByteSource } from "../core/source.ts";
import { fileSource, withFile } from "../fs/file-source.ts";
import { checkReplaceable, replaceFile } from "../fs/replace-file.ts";
import { writeAll } from "../fs/temporary-file.ts";

export type OnRead = (sizeBytes: number, fileBytes: number) => void;

/** An executable that is being rewritten: the copy, not the file at the path. */
export interface Draft {
  /** Sees what was written so far. */
  readonly source: ByteSource;
  write(offset: number, bytes: Uint8Array): void;
  /** Drops everything behind the first `sizeBytes` bytes. */
  cut(sizeBytes: number): void;
}

/**
 * Lends `edit` a copy of the executable and, when it returns, puts the copy in its place in one step,
 * with the same mode and owner. When `edit` throws, the file stays as it was. `onRead` hears of every read: how
 * many bytes, of a file of what size.
 * @throws {FsError}
 */
export function rewriteExecutable<T>(
  path: string,
  edit: (draft: Draft) => T,
  onRead: OnRead = () => undefined,
): T {
  const { path: real } = checkReplaceable(path);
  return withFile(real, (original) =>
    replaceFile(real, (fd) => {
      forEachPiece(original, (piece, offset) => {
        writeAll(fd, piece, offset);
        onRead(piece.length, original.sizeBytes);
      });
      return edit({
        // A source has the size the file had when it was made.
        get source() {
          return watched(fileSource(fd), onRead);
        },
        write: (offset, bytes) => writeAll(fd, bytes, offset),
        cut: (sizeBytes) => ftruncateSync(fd, sizeBytes),
      });
    }),
  );
}

function watched(source: ByteSource, onRead: OnRead): ByteSource {
  return {
    sizeBytes: source.sizeBytes,
    read(offset, sizeBytes) {
      onRead(sizeBytes, source.sizeBytes);
      return source.read(offset, sizeBytes);
    },
  };
}
