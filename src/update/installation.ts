/**
 * The executable that is running, and the place it is installed at. The two can part: the file at the path
 * may be replaced while the program runs, so the running image is read through a descriptor opened at
 * start, and the path is only ever compared with what we know to be there.
 */
import * as fs from "node:fs";
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  linkSync,
  lstatSync,
  openSync,
  readlinkSync,
  realpathSync,
  rmSync,
  statSync,
  type BigIntStats,
} from "node:fs";
import { dirname } from "node:path";
import { unfinishedPlace } from "../assembly/unfinished.ts";
import type { ByteSource } from "../core/source.ts";
import { fileSource } from "../fs/file-source.ts";
import { isErrno } from "../fs/error.ts";
import { renameOver } from "../fs/rename-over.ts";
import type { Swap } from "../fs/swap.ts";
import { createBeside, discard, temporaryPath } from "../fs/temporary-file.ts";
import { UpdateError } from "./error.ts";
import { hasCapabilities, keepProperties } from "./keep-properties.ts";
import { withoutDeletedSuffix } from "../fs/deleted-name.ts";
import type { Lock } from "../fs/lock.ts";
import { pathBeside } from "../fs/own-files.ts";
import { systemSwap } from "./system-swap.ts";
import { checkSafeOnWindows } from "./windows-safety.ts";

/** What tells two files apart, whatever they are called. */
export interface FileIdentity {
  readonly dev: bigint;
  readonly ino: bigint;
}

/** The running image, even when another file has its path by now. */
const LINUX_OWN_IMAGE = "/proc/self/exe";
const SETUID_SETGID = 0o6000n;
const OTHERS_MAY_WRITE = 0o022n;
const OWNER_MAY_WRITE = 0o200n;
/** Errors of `link` that will not go away by trying again soon. */
const CANNOT_LINK = ["EROFS", "EACCES", "EPERM", "EXDEV", "ENOTSUP", "EOPNOTSUPP", "EMLINK"];

export class Installation {
  /** Absolute, no symbolic links. */
  readonly path: string;
  readonly directory: string;
  /** Of the file this program was started from. */
  readonly running: FileIdentity;
  /** The running image. */
  readonly source: ByteSource;
  /** How the file at the path is replaced. */
  readonly swap: Swap;
  readonly #fd: number;
  #current: FileIdentity;

  private constructor(path: string, fd: number) {
    this.path = path;
    this.directory = dirname(path);
    this.source = fileSource(fd);
    this.swap = systemSwap(fs, path);
    this.running = fstatSync(fd, { bigint: true });
    this.#current = this.running;
    this.#fd = fd;
  }

  /**
   * `execPath` is `process.execPath` as it was when the program started. The caller closes it.
   * @throws {UpdateError} EXECUTABLE_CHANGED when there is no file at that path.
   */
  static open(execPath: string): Installation {
    try {
      const path = realpathSync(withoutDeletedSuffix(execPath));
      return new Installation(path, openSync(imageOf(path), constants.O_RDONLY));
    } catch (cause) {
      throw new UpdateError("EXECUTABLE_CHANGED", `there is no executable at ${execPath}`, {
        blame: "local",
        cause,
        path: execPath,
      });
    }
  }

  close(): void {
    closeSync(this.#fd);
  }

  /** Is the file at the path still the one we started from or installed last? */
  isCurrent(): boolean {
    return this.#isAtPath(this.#current);
  }

  isCurrentFile(file: FileIdentity): boolean {
    return isSameFile(file, this.#current);
  }

  /** Would the next start run what runs now? */
  isRunningAtPath(): boolean {
    return this.#isAtPath(this.running);
  }

  #isAtPath(file: FileIdentity): boolean {
    const found = lstatSync(this.path, { bigint: true, throwIfNoEntry: false });
    return found !== undefined && isSameFile(found, file);
  }

  /**
   * How many other names the executable has (hard links), our own rollback copy aside. They keep the version
   * they have when this one is replaced.
   */
  otherNames(): number {
    const previous = lstatSync(this.previousPath, { bigint: true, throwIfNoEntry: false });
    const found = lstatSync(this.path, { bigint: true, throwIfNoEntry: false });
    if (found === undefined) return 0;
    const isOurs = previous !== undefined && isSameFile(previous, found);
    return Number(found.nlink) - (isOurs ? 2 : 1);
  }

  /** Step 7 has put another file at the path. */
  setCurrent(identity: FileIdentity): void {
    this.#current = { dev: identity.dev, ino: identity.ino };
  }

  /** An installation was killed at the one moment at which Windows has nothing at the path: it is undone. */
  recover(_held: Lock): void {
    // Nothing was being installed: then somebody has removed the program, and it is to stay away.
    if (existsSync(this.pendingPath)) this.swap.recover(this.previousPath, this.path);
  }

  get statePath(): string {
    return pathBeside(this.path, "state");
  }

  get lockPath(): string {
    return pathBeside(this.path, "lock");
  }

  /** Hard link to the version before the installed one. */
  get previousPath(): string {
    return pathBeside(this.path, "previous");
  }

  /** Step 9: how the installed version is doing; see pending.ts. */
  get pendingPath(): string {
    return pathBeside(this.path, "pending");
  }

  /** Older versions, as differences; see older-versions.ts. */
  get olderPath(): string {
    return pathBeside(this.path, "older");
  }

  /** Peers and nodes of earlier runs; see contacts-file.ts. */
  get contactsPath(): string {
    return pathBeside(this.path, "contacts");
  }

  /** What an interrupted download leaves for the next attempt; see partial-file.ts. */
  get partialPath(): string {
    return unfinishedPlace(this.path).partialPath;
  }

  /** What our temporary files are named after; see temporary-file.ts. */
  get temporaryBase(): string {
    return unfinishedPlace(this.path).temporaryBase;
  }

  /**
   * Step 7, before anything is fetched and again before anything is replaced: nobody but us may be able
   * to put a file where we are about to, and an update must not hand out privileges.
   * @throws {UpdateError} PLATFORM_UNSUPPORTED, EXECUTABLE_CHANGED, EXECUTABLE_UNSAFE, DIRECTORY_UNSAFE,
   *   DIRECTORY_READ_ONLY
   */
  checkSafe(): BigIntStats {
    if (process.platform === "win32") return checkSafeOnWindows(this.path, this.directory);
    const user = process.geteuid?.();
    if (user === undefined) {
      throw new UpdateError(
        "PLATFORM_UNSUPPORTED",
        "updates cannot be installed on this system yet",
        {
          blame: "local",
        },
      );
    }
    const file = lstatSync(this.path, { bigint: true, throwIfNoEntry: false });
    // Removed or moved by somebody: it is not ours to bring back.
    if (file === undefined) {
      throw new UpdateError(
        "EXECUTABLE_CHANGED",
        `there is no executable at ${this.path} any more`,
        {
          blame: "local",
          path: this.path,
        },
      );
    }
    if (!file.isFile()) throw this.#unsafe("it is not a plain file");
    if (file.uid !== BigInt(user)) throw this.#unsafe("it belongs to another user");
    // Whoever may change the file could otherwise become its owner or group.
    if ((file.mode & SETUID_SETGID) !== 0n) throw this.#unsafe("it is setuid or setgid");
    if (hasCapabilities(this.path)) {
      throw this.#unsafe("it has file capabilities, which the new file would not have");
    }
    const directory = statSync(this.directory, { bigint: true });
    if (directory.uid !== BigInt(user) && directory.uid !== 0n) {
      throw this.#unsafeDirectory("belongs to another user");
    }
    if ((directory.mode & OTHERS_MAY_WRITE) !== 0n) {
      throw this.#unsafeDirectory("can be written to by others; run: chmod go-w");
    }
    if (!this.isWritable()) throw this.#readOnly(undefined);
    return file;
  }

  /** Root could write all the same, but somebody may have said that the directory is not to be changed. */
  isWritable(): boolean {
    const { mode } = statSync(this.directory, { bigint: true });
    return process.platform === "win32" || (mode & OWNER_MAY_WRITE) !== 0n;
  }

  /**
   * Step 7 can be done here: a file can be made in the directory and be given what the executable has, and
   * the executable can have a second name. Asked before the download, because a read-only system should
   * cost nobody any bandwidth.
   * @throws {UpdateError} EXECUTABLE_UNSAFE, DIRECTORY_READ_ONLY, IO_FAILED
   */
  probe(installed: BigIntStats): void {
    try {
      if (process.platform === "win32") this.#probeRename();
      else this.#probeLink();
      const file = createBeside(this.temporaryBase);
      try {
        keepProperties(file.fd, this.path, installed);
      } finally {
        discard(file);
      }
    } catch (cause) {
      if (cause instanceof UpdateError) throw cause;
      if (CANNOT_LINK.some((code) => isErrno(cause, code))) throw this.#readOnly(cause);
      throw new UpdateError("IO_FAILED", `nothing can be written to ${this.directory}`, {
        blame: "local",
        cause,
      });
    }
  }

  #probeLink(): void {
    const link = temporaryPath(this.temporaryBase);
    linkSync(this.path, link);
    // Another copy that holds the lock may have swept it by now.
    rmSync(link, { force: true });
  }

  /** What files are told apart by must not depend on their names, as it does on FAT. */
  #probeRename(): void {
    const file = createBeside(this.temporaryBase);
    const renamed = temporaryPath(this.temporaryBase);
    try {
      const before = lstatSync(file.path, { bigint: true });
      renameOver(file.path, renamed);
      if (isSameFile(lstatSync(renamed, { bigint: true }), before)) return;
      throw this.#readOnly(undefined);
    } finally {
      discard({ path: renamed, fd: file.fd });
    }
  }

  #unsafe(reason: string): UpdateError {
    return new UpdateError("EXECUTABLE_UNSAFE", `${this.path} is not updated, because ${reason}`, {
      blame: "local",
      path: this.path,
    });
  }

  #unsafeDirectory(reason: string): UpdateError {
    return new UpdateError(
      "DIRECTORY_UNSAFE",
      `${this.path} is not updated, because its directory ${reason}`,
      { blame: "local", path: this.directory },
    );
  }

  #readOnly(cause: unknown): UpdateError {
    const code = cause instanceof Error ? ` (${String(Reflect.get(cause, "code"))})` : "";
    return new UpdateError(
      "DIRECTORY_READ_ONLY",
      `${this.path} is not updated, because nothing can be replaced in its directory${code}`,
      { blame: "local", cause, path: this.directory },
    );
  }
}

export function isSameFile(a: FileIdentity, b: FileIdentity): boolean {
  return a.dev === b.dev && a.ino === b.ino;
}

/** What to read the running image from. In tests the executable looked after is not the one that runs. */
function imageOf(path: string): string {
  try {
    return withoutDeletedSuffix(readlinkSync(LINUX_OWN_IMAGE)) === path ? LINUX_OWN_IMAGE : path;
  } catch {
    // No /proc: another system, or a chroot.
    return path;
  }
}
