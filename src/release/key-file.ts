/** Owner keys at rest: z-base-32 of the 32-byte ed25519 seed, as the Rust crate's `gen` writes it. */
import { closeSync, fstatSync, fsyncSync, openSync } from "node:fs";
import type { SecretSeed } from "../core/brand.ts";
import { toAscii, utf8 } from "../core/bytes.ts";
import { checkPublicKey, keyText, parseSeed, publicKeyOf } from "../core/keys.ts";
import { KEY_FILE_MAX_BYTES } from "../core/limits.ts";
import { FsError, isErrno } from "../fs/error.ts";
import { withFile } from "../fs/file-source.ts";
import { writeAll } from "../fs/temporary-file.ts";
import { ReleaseError } from "./error.ts";

const OTHERS = 0o077;

/**
 * The key in a file of its own. Never creates one: a signing key that appears by itself is a key nobody
 * has a copy of, and no installed app trusts it.
 * @throws {ReleaseError} KEY_MISSING, KEY_EXPOSED
 * @throws {CoreError} KEY_TEXT, KEY_WEAK
 */
export function readKeyFile(path: string): SecretSeed {
  try {
    return withFile(path, (source, fd) => {
      // NTFS has no such bits; Node invents them.
      if (process.platform !== "win32" && (fstatSync(fd).mode & OTHERS) !== 0) {
        throw new ReleaseError(
          "KEY_EXPOSED",
          `${path} can be read by others: run chmod 600 on it (and think of a new key)`,
          { blame: "usage", path },
        );
      }
      const sizeBytes = Math.min(source.sizeBytes, KEY_FILE_MAX_BYTES);
      return parseSeedText(toAscii(source.read(0, sizeBytes)));
    });
  } catch (error) {
    if (error instanceof FsError && isErrno(error.cause, "ENOENT")) {
      throw new ReleaseError(
        "KEY_MISSING",
        `there is no owner key at ${path}: make one with \`rustpatcher gen ${path}\` or name the right file`,
        { blame: "usage", path, cause: error },
      );
    }
    throw error;
  }
}

/**
 * A key as text, with the line break that editors add.
 * @throws {CoreError} KEY_TEXT, KEY_WEAK
 */
export function parseSeedText(text: string): SecretSeed {
  const seed = parseSeed(text.trim());
  checkPublicKey(publicKeyOf(seed));
  return seed;
}

/**
 * Writes a new key file that only its owner may read.
 * @throws {ReleaseError} KEY_EXISTS; an existing key is never overwritten.
 * @throws {FsError} IO_FAILED
 */
export function writeKeyFile(path: string, seed: SecretSeed): void {
  let fd: number;
  try {
    fd = openSync(path, "wx", 0o600);
  } catch (cause) {
    if (isErrno(cause, "EEXIST")) {
      throw new ReleaseError("KEY_EXISTS", `${path} exists already and is not overwritten`, {
        blame: "usage",
        path,
      });
    }
    throw new FsError("IO_FAILED", `${path} cannot be created`, { blame: "local", cause, path });
  }
  try {
    writeAll(fd, utf8(keyText(seed)), 0);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
