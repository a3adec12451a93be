/** The verified executable at the path, which is not the one that runs: served to others meanwhile. */
import { closeSync, fstatSync } from "node:fs";
import { canonicalStream } from "../exe/canonical.ts";
import { verifyExecutable, type VerifiedFull } from "../exe/verify-executable.ts";
import { fileSource, openFile } from "../fs/file-source.ts";
import type { Holding } from "../swarm/holdings.ts";
import { UpdateError } from "./error.ts";
import { isSameFile, type FileIdentity, type Installation } from "./installation.ts";
import type { TrustedState } from "./trusted-state.ts";
import type { VerifiedUpdate } from "./verify.ts";

export class InstalledFile {
  readonly executable: VerifiedFull;
  readonly identity: FileIdentity;
  readonly #fd: number;

  private constructor(fd: number, executable: VerifiedFull) {
    this.#fd = fd;
    this.executable = executable;
    this.identity = fstatSync(fd, { bigint: true });
  }

  /**
   * What step 7 has just put there, new or back. Opened anew, for reading: a program whose file is open for writing
   * cannot be started (ETXTBSY).
   * @throws {UpdateError} EXECUTABLE_CHANGED
   */
  static ofUpdate(
    installation: Installation,
    update: Pick<VerifiedUpdate, "identity" | "executable">,
  ): InstalledFile {
    const fd = openFile(installation.path);
    if (isSameFile(fstatSync(fd, { bigint: true }), update.identity)) {
      return new InstalledFile(fd, update.executable);
    }
    closeSync(fd);
    throw changed(installation);
  }

  /**
   * What another copy of this program has put there: verified from the first byte to the last, and only
   * as a release of the followed owner, our app and target, in our own channel or the one we follow, that may follow on
   * what was installed.
   * @throws {UpdateError} EXECUTABLE_CHANGED
   */
  static adopt(
    installation: Installation,
    own: VerifiedFull,
    trusted: TrustedState,
  ): InstalledFile {
    const fd = openFile(installation.path);
    try {
      const found = verifyExecutable(fileSource(fd), { owner: trusted.owner });
      if (found.kind === "full" && isSuccessor(found, own, trusted)) {
        return new InstalledFile(fd, found);
      }
    } catch (cause) {
      closeSync(fd);
      throw changed(installation, cause);
    }
    closeSync(fd);
    throw changed(installation);
  }

  get holding(): Holding {
    const { record, region, table, offset } = this.executable;
    return { record, region, table, stream: canonicalStream(fileSource(this.#fd), offset) };
  }

  close(): void {
    closeSync(this.#fd);
  }
}

function isSuccessor(found: VerifiedFull, own: VerifiedFull, trusted: TrustedState): boolean {
  const [theirs, ours] = [found.record.record, own.record.record];
  return (
    theirs.app === ours.app &&
    theirs.target === ours.target &&
    [ours.channel, trusted.channel].includes(theirs.channel) &&
    trusted.isNext(theirs.version)
  );
}

function changed({ path }: Installation, cause?: unknown): UpdateError {
  return new UpdateError(
    "EXECUTABLE_CHANGED",
    `${path} was replaced by something that is not a newer release of this program; it is left alone`,
    { blame: "local", cause, path },
  );
}
