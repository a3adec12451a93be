/**
 * Owner keys at rest: z-base-32 of the 32-byte ed25519 seed, as the Rust crate's `gen` writes it, or encrypted under a
 * passphrase.
 */
import { closeSync, fstatSync, fsyncSync, openSync } from "node:fs";
import type { PublicKey, SecretSeed } from "../core/brand.ts";
import { toAscii, utf8 } from "../core/bytes.ts";
import { checkPublicKey, keyText, parseSeed, publicKeyOf } from "../core/keys.ts";
import { KEY_FILE_MAX_BYTES } from "../core/limits.ts";
import { FsError, isErrno } from "../fs/error.ts";
import { withFile } from "../fs/file-source.ts";
import { replaceFile } from "../fs/replace-file.ts";
import { writeAll } from "../fs/temporary-file.ts";
import { decryptSeed, encryptSeed, isEncryptedKey } from "./encrypted-key.ts";
import { ReleaseError } from "./error.ts";

const OTHERS = 0o077;

/** Where the passphrase of an encrypted key comes from; asked only when there is one. */
export type AskPassphrase = () => string;

const PASSPHRASE_VARIABLE = "RUSTPATCHER_PASSPHRASE";

/** From the environment. @throws {ReleaseError} KEY_PASSPHRASE */
export const passphraseFromEnvironment: AskPassphrase = () => {
  const passphrase = process.env[PASSPHRASE_VARIABLE];
  if (passphrase !== undefined && passphrase !== "") return passphrase;
  throw new ReleaseError(
    "KEY_PASSPHRASE",
    `this owner key is encrypted: set ${PASSPHRASE_VARIABLE}, or run the command in a terminal`,
    { blame: "usage" },
  );
};

/**
 * The key in a file of its own. Never creates one: a signing key that appears by itself is a key nobody
 * has a copy of, and no installed app trusts it.
 * @throws {ReleaseError} KEY_MISSING, KEY_EXPOSED, KEY_PASSPHRASE, KEY_DAMAGED
 * @throws {CoreError} KEY_TEXT, KEY_WEAK
 */
export function readKeyFile(path: string, ask?: AskPassphrase): SecretSeed {
  return parseSeedText(readKeyText(path), ask);
}

/**
 * What stands in the key file, without the line break that editors add.
 * @throws {ReleaseError} KEY_MISSING, KEY_EXPOSED
 */
export function readKeyText(path: string): string {
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
      return toAscii(source.read(0, sizeBytes)).trim();
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
 * @throws {ReleaseError} KEY_PASSPHRASE, KEY_DAMAGED
 * @throws {CoreError} KEY_TEXT, KEY_WEAK
 */
export function parseSeedText(
  text: string,
  ask: AskPassphrase = passphraseFromEnvironment,
): SecretSeed {
  const trimmed = text.trim();
  const seed = isEncryptedKey(trimmed) ? decryptSeed(trimmed, ask()) : parseSeed(trimmed);
  checkPublicKey(publicKeyOf(seed));
  return seed;
}

/**
 * Puts the key in the file under a passphrase, and reads it back before the file changes.
 * @throws {ReleaseError} KEY_EXISTS when it is encrypted already
 * @throws {FsError}
 */
export function encryptKeyFile(path: string, passphrase: string): PublicKey {
  const text = readKeyText(path);
  if (isEncryptedKey(text)) {
    throw new ReleaseError("KEY_EXISTS", `${path} is encrypted already`, { blame: "usage", path });
  }
  const seed = parseSeedText(text);
  const encrypted = encryptSeed(seed, passphrase);
  const owner = publicKeyOf(decryptSeed(encrypted, passphrase));
  replaceFile(path, (fd) => writeAll(fd, utf8(`${encrypted}\n`), 0));
  return owner;
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
