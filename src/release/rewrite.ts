import { forEachPiece, type ByteSource } from "../core/source.ts";
import { fileSource, withFile } from "../fs/file-source.ts";
import { checkReplaceable, replaceFile } from "../fs/replace-file.ts";
import { writeAll } from "../fs/temporary-file.ts";

/** An executable that is being rewritten: the copy, not the file at the path. */
export interface Draft {
  /** Sees what was written so far. */
  readonly source: ByteSource;
  write(offset: number, bytes: Uint8Array): void;
}

/**
 * Lends `edit` a copy of the executable and, when it returns, puts the copy in its place in one step,
 * with the same mode and owner. When `edit` throws, the file stays as it was.
 * @throws {FsError}
 */
export function rewriteExecutable<T>(path: string, edit: (draft: Draft) => T): T {
  const { path: real } = checkReplaceable(path);
  return withFile(real, (original) =>
    replaceFile(real, (fd) => {
      forEachPiece(original, (piece, offset) => writeAll(fd, piece, offset));
      const source = fileSource(fd);
      return edit({ source, write: (offset, bytes) => writeAll(fd, bytes, offset) });
    }),
  );
}
