/**
 * Steps 3 to 7 in their order: plan → fetch → assemble → verify → apply, under the lock; and the ways back.
 * Whatever fails, the program that is running stays as it is.
 */
import { lstatSync } from "node:fs";
import type { VerifiedRecord } from "../core/release-record.ts";
import { applyUpdate, restorePrevious, rollBack, rollBackTo } from "./apply.ts";
import { Assembly, sweepLeftovers } from "./assemble.ts";
import type { UpdateContext } from "./context.ts";
import { checkDiskSpace, presentBytes } from "./disk-space.ts";
import type { EarlierRuns } from "./earlier-runs.ts";
import { UpdateError } from "./error.ts";
import type { ReleaseInfo } from "./events.ts";
import { Fetcher, type DownloadProgress } from "./fetch.ts";
import { InstalledFile } from "./installed-file.ts";
import { tryLock, whenFree, type Lock } from "../fs/lock.ts";
import { isOnProbation } from "./probation.ts";
import type { Rehearse } from "./rehearse.ts";
import type { ReleaseSource } from "./release-source.ts";
import { codeOf } from "./reporter.ts";
import type { Candidate } from "./trusted-state.ts";

export interface InstallerOptions {
  readonly context: UpdateContext;
  readonly source: ReleaseSource;
  readonly rehearse: Rehearse;
  readonly earlier: EarlierRuns;
  readonly infoOf: (record: VerifiedRecord) => ReleaseInfo;
}

/** After these nothing is left on the disk: the release is not wanted any more, or the disk is in trouble. */
const WORTHLESS = new Set(["REHEARSAL_FAILED", "IO_FAILED", "DISK_FULL"]);

export class Installer {
  readonly #context: UpdateContext;
  readonly #fetcher: Fetcher;
  readonly #rehearse: Rehearse;
  readonly #earlier: EarlierRuns;
  readonly #infoOf: (record: VerifiedRecord) => ReleaseInfo;
  #fetching: Candidate | undefined;
  /** Ends the download under way, and nothing else. */
  #supersede = new AbortController();
  #installed: InstalledFile | undefined;
  #hasToldOfNames = false;

  constructor({ context, source, rehearse, earlier, infoOf }: InstallerOptions) {
    const { installation, own, clock } = context;
    this.#context = context;
    this.#rehearse = rehearse;
    this.#earlier = earlier;
    this.#infoOf = infoOf;
    this.#fetcher = new Fetcher({
      installation,
      own,
      source,
      clock,
      onProgress: (progress) => this.#progress(progress),
    });
  }

  /** At the executable's path, waiting for a restart. */
  get installed(): InstalledFile | undefined {
    return this.#installed;
  }

  /** The region of a release, checked, from any peer that has it. */
  region(candidate: Candidate, signal: AbortSignal): Promise<Uint8Array> {
    return this.#fetcher.region(candidate, signal);
  }

  /** A newer release is known: the download of an older one ends. */
  supersede(): void {
    this.#supersede.abort();
  }

  close(): void {
    this.#installed?.close();
  }

  /** Steps 3 to 7. Afterwards the installed executable is the candidate, or a newer one. */
  async install(candidate: Candidate, stop: AbortSignal): Promise<void> {
    const { installation, state, emit, clock, own } = this.#context;
    const release = this.#infoOf(candidate);
    if (installation.swap.leavesFiles) {
      whenFree(installation.lockPath, (lock) => installation.recover(lock));
    }
    installation.probe(installation.checkSafe());
    this.#tellOfOtherNames();
    const lock = tryLock(installation.lockPath);
    if (lock === undefined) throw busy();
    try {
      this.#earlier.settleHeld(lock);
      if (this.#goBack(candidate, lock)) return;
      if (isOnProbation(installation, own)) {
        throw new UpdateError("ON_PROBATION", "this version is still to prove itself", {
          blame: "local",
        });
      }
      const known = this.#installed?.identity ?? installation.running;
      if (!installation.isCurrent() || !installation.isCurrentFile(known)) this.#adopt();
      if (!state.trusted.isNext(candidate.record.version)) return;
      sweepLeftovers(installation);
      checkDiskSpace(
        installation.directory,
        release.sizeBytes,
        presentBytes(installation.partialPath),
      );
      const assembly = Assembly.begin(installation, candidate.record);
      try {
        this.#fetching = candidate;
        this.#supersede = new AbortController();
        const signal = AbortSignal.any([stop, this.#supersede.signal]);
        const update = await this.#fetcher.fill(assembly, candidate, signal);
        emit({ name: "verified", release });
        const sealed = assembly.seal(update);
        await this.#rehearse(installation, sealed, clock);
        applyUpdate(installation, sealed, lock);
        this.#setInstalled(InstalledFile.ofUpdate(installation, sealed));
      } catch (cause) {
        // What does not run here will not run tomorrow: it waits for a newer release.
        if (codeOf(cause) === "REHEARSAL_FAILED") {
          state.trusted.refuse(candidate.record.root);
          state.save(clock.nowMs(), lock);
        }
        // What is in the file is checked again by whoever takes it over.
        if (!WORTHLESS.has(codeOf(cause))) assembly.leave();
        throw cause;
      } finally {
        this.#fetching = undefined;
        assembly.discard();
      }
      emit({ name: "applied", release });
    } finally {
      lock.release();
    }
  }

  /**
   * Puts the previous version back; the version that is left is refused from now on.
   * @throws {UpdateError} NO_PREVIOUS, BUSY, …
   */
  rollBack(): ReleaseInfo {
    const { installation, own, state, clock } = this.#context;
    const release = whenFree(installation.lockPath, (lock) => {
      const left = this.#installed?.executable ?? own;
      const refuse = (): void => {
        state.trusted.refuse(left.table.root);
        state.save(clock.nowMs(), lock);
      };
      const previous = rollBack(installation, own, refuse, lock);
      const { version, channel } = previous.record.record;
      state.trusted.markInstalled(version, channel);
      state.save(clock.nowMs(), lock);
      return this.#infoOf(previous.record);
    });
    if (release === undefined) throw busy();
    return release;
  }

  /** Step 8 failed: the new version could not be started. Puts the running one back for good. */
  restartFailed(reason: string): UpdateError | undefined {
    const { installation, state, clock } = this.#context;
    const installed = this.#installed;
    if (installed === undefined) return undefined;
    const { table, record } = installed.executable;
    const isSettled = whenFree(installation.lockPath, (lock) => {
      if (restorePrevious(installation, lock)) state.trusted.refuse(table.root);
      state.save(clock.nowMs(), lock);
      return true;
    });
    if (isSettled === undefined) return undefined;
    const { text } = record.record.version;
    const message = `version ${text} could not be started: ${reason}`;
    return new UpdateError("RESTART_FAILED", message, { blame: "artifact" });
  }

  /** Steps 3 to 7 for a release that was here before: no download, and one rename. */
  #goBack(candidate: Candidate, lock: Lock): boolean {
    const { installation, own, state, emit } = this.#context;
    if (!state.trusted.isWithdrawn || !installation.isCurrent()) return false;
    const applied = rollBackTo(candidate, installation, own, lock);
    if (applied === undefined) return false;
    const identity = lstatSync(installation.path, { bigint: true });
    this.#setInstalled(InstalledFile.ofUpdate(installation, { ...applied, identity }));
    emit({ name: "applied", release: this.#infoOf(candidate) });
    return true;
  }

  /** Once: whoever has linked the executable elsewhere may expect the other name to follow. */
  #tellOfOtherNames(): void {
    const count = this.#context.installation.otherNames();
    if (count === 0 || this.#hasToldOfNames) return;
    this.#hasToldOfNames = true;
    const { path } = this.#context.installation;
    this.#context.log(
      "warn",
      `${path} has ${count} other ${count === 1 ? "name" : "names"} (hard links), which will keep the version of today`,
    );
  }

  /** Another copy was faster: what it has installed is ours as well, if it is a release of ours. */
  #adopt(): void {
    const { installation, own, state } = this.#context;
    const file = InstalledFile.adopt(installation, own, state.trusted);
    this.#setInstalled(file);
    this.#context.emit({ name: "applied", release: this.#infoOf(file.executable.record) });
  }

  #setInstalled(file: InstalledFile): void {
    const { installation, state } = this.#context;
    installation.setCurrent(file.identity);
    const { version, channel } = file.executable.record.record;
    state.trusted.markInstalled(version, channel);
    this.#installed?.close();
    this.#installed = file;
    if (!installation.isRunningAtPath()) return;
    // Back at what runs, before that was left: there is nothing to become.
    this.#installed = undefined;
    file.close();
  }

  #progress(made: DownloadProgress): void {
    if (this.#fetching === undefined) return;
    const progress = { ...this.#infoOf(this.#fetching), ...made };
    this.#context.emit({ name: "progress", progress });
  }
}

function busy(): UpdateError {
  return new UpdateError("BUSY", "another copy of this program is updating it", { blame: "local" });
}
