/**
 * The one file that knows the order: discover → decide → plan → fetch → assemble → verify → apply →
 * restart. One cycle at a time, one reading of the wall clock a cycle. Whatever fails, the program that
 * is running stays as it is and the next cycle comes.
 */
import { existsSync, lstatSync } from "node:fs";
import { asContentRoot, type PublicKey } from "../core/brand.ts";
import { equal, fromHex } from "../core/bytes.ts";
import type { Clock } from "../core/clock.ts";
import { keyText } from "../core/keys.ts";
import { DISCOVER_TIMEOUT_MS } from "../core/limits.ts";
import type { Log } from "../core/log.ts";
import type { VerifiedRecord } from "../core/release-record.ts";
import type { UpdateMode } from "../core/update-mode.ts";
import { decodeRegion } from "../exe/full-region.ts";
import { notesIn } from "../exe/notes.ts";
import { REGION_BYTES } from "../exe/region.ts";
import type { VerifiedFull } from "../exe/verify-executable.ts";
import { applyUpdate, restorePrevious, rollBack, rollBackTo } from "./apply.ts";
import { Assembly, hasLeftovers, removePartial, sweepLeftovers } from "./assemble.ts";
import { Attempts } from "./attempts.ts";
import { jittered } from "./backoff.ts";
import { checkDiskSpace, presentBytes } from "./disk-space.ts";
import type { DurableState } from "./durable-state.ts";
import { UpdateError } from "./error.ts";
import type { ReleaseInfo, UpdateEvent } from "./events.ts";
import { Fetcher, type DownloadProgress } from "./fetch.ts";
import type { Installation } from "./installation.ts";
import { InstalledFile } from "./installed-file.ts";
import type { Journal } from "./journal.ts";
import { tryLock, type Lock } from "./lock.ts";

import { FAILED_STARTS_MAX, failureText } from "./pending.ts";
import { badEnds, endProbation, isOnProbation, readPending, settleProbation } from "./probation.ts";
import type { Rehearse } from "./rehearse.ts";
import type { ReleaseSource } from "./release-source.ts";
import { codeOf, isPassing, messageOf, Reporter } from "./reporter.ts";
import { DailyMoment, type TimeOfDay } from "./schedule.ts";
import type { Candidate } from "./trusted-state.ts";
import { within } from "./within.ts";

export interface UpdaterOptions {
  readonly installation: Installation;
  /** The running executable, verified. */
  readonly own: VerifiedFull;
  readonly state: DurableState;
  readonly source: ReleaseSource;
  readonly mode: UpdateMode;
  readonly intervalMs: number;
  readonly clock: Clock;
  /** From 0 to 1, 1 excluded. */
  readonly random: () => number;
  readonly emit: (event: UpdateEvent) => void;
  readonly log: Log;
  /** Where it is written down how the looks go. */
  readonly journal?: Journal;
  /** Step 7: starts the new version once before it is installed. */
  readonly rehearse: Rehearse;
  /** Step 8: asks for the process to be replaced. Answered, if ever, by `restartFailed`. */
  readonly restart: () => void;
  /** The owner key was handed over, and that is on the disk: start anew, in the swarm of the other key. */
  readonly rejoin?: () => void;
}

/** After these nothing is left on the disk: the release is not wanted any more, or the disk is in trouble. */
const WORTHLESS = new Set(["REHEARSAL_FAILED", "IO_FAILED", "DISK_FULL"]);
/** For a region, two kilobytes, from peers that are about to be asked for more. */
const NOTES_TIMEOUT_MS = 5_000;
const DAY_MS = 86_400_000;
/** After so many days without a release it is worth telling whoever listens. Many apps are that calm. */
const FREEZE_DAYS = 30;

export class Updater {
  readonly #options: UpdaterOptions;
  readonly #attempts: Attempts;
  readonly #fetcher: Fetcher;
  readonly #stop = new AbortController();
  readonly #reporter: Reporter;
  /** Tasks run one after the other: an update is never in the middle of another one. */
  #work: Promise<unknown> = Promise.resolve();
  #cancelCycle: (() => void) | undefined;
  #cancelMoment: (() => void) | undefined;
  /** Content root of the release that `available` was last told for. */
  #announced = "";
  /** Of that release. */
  #notes: string | undefined;
  #fetching: Candidate | undefined;
  /** Ends the download under way, and nothing else. */
  #supersede = new AbortController();
  /** At the executable's path, waiting for a restart. */
  #installed: InstalledFile | undefined;
  #isRestarting = false;
  #isLeaving = false;
  /** In whose swarm we are. */
  readonly #owner: PublicKey;
  #hasToldOfNames = false;

  constructor(options: UpdaterOptions) {
    this.#options = options;
    this.#owner = options.state.trusted.owner;
    const { clock, intervalMs, random, installation, own, source } = options;
    this.#reporter = new Reporter(options.emit, options.log, (error) =>
      options.journal?.failed(error),
    );
    this.#attempts = new Attempts(clock, intervalMs, random);
    this.#fetcher = new Fetcher({
      installation,
      own,
      source,
      clock,
      onProgress: (progress) => this.#progress(progress),
    });
  }

  start(): void {
    this.#settle();
    this.#schedule(0);
  }

  /** One cycle, steps 1 to 7, for a process that ends afterwards. What goes wrong is reported. */
  async lookOnce(): Promise<void> {
    this.#settle();
    await this.#enqueue(() => this.#cycle(true));
  }

  /** The swarm has heard of a newer record: no need to wait for the next look. */
  noticed(record: VerifiedRecord): void {
    if (this.#isOver) return;
    if (!this.#learn(record, this.#options.clock.nowMs())) return;
    // Whoever offers an older release slowly does not keep the newer one away.
    this.#supersede.abort();
    this.#schedule(0, false);
  }

  /**
   * Steps 1 and 2 now: the release to update to, if there is one. Installing it is up to the mode.
   * Rejects with an UpdateError.
   */
  check(): Promise<ReleaseInfo | undefined> {
    return this.#enqueue(async () => {
      const candidate = await this.#look(true);
      if (candidate !== undefined) this.#schedule(0, false);
      return candidate && this.#infoOf(candidate);
    });
  }

  /**
   * Steps 1 to 8 now, whatever the mode: resolves with the release that the process is about to become,
   * or undefined when there is none. Rejects with the error of the step that failed.
   */
  apply(): Promise<ReleaseInfo | undefined> {
    return this.#enqueue(async () => {
      const candidate = await this.#look(true);
      if (candidate !== undefined) await this.#install(candidate);
      return this.#restart();
    });
  }

  /**
   * Puts the previous version back and restarts into it; the version that is left is refused from now on.
   * Rejects with an UpdateError: NO_PREVIOUS, BUSY, …
   */
  rollback(): Promise<ReleaseInfo | undefined> {
    return this.#enqueue(async () => {
      const { installation, own, state, clock } = this.#options;
      const lock = tryLock(installation.lockPath);
      if (lock === undefined) throw busy();
      try {
        const left = this.#installed?.executable ?? own;
        const refuse = (): void => {
          state.trusted.refuse(left.table.root);
          state.save(clock.nowMs(), lock);
        };
        const previous = rollBack(installation, own, refuse, lock);
        const { version, channel } = previous.record.record;
        state.trusted.markInstalled(version, channel);
        state.save(clock.nowMs(), lock);
        const release = this.#infoOf(previous.record);
        if (!installation.isRunningAtPath()) this.#restartInto(release);
        return release;
      } finally {
        lock.release();
      }
    });
  }

  /** Ends the work under way, without a trace on disk. */
  async stop(): Promise<void> {
    this.#stop.abort();
    this.#cancelCycle?.();
    this.#cancelMoment?.();
    await this.#work;
    this.#installed?.close();
  }

  /** Step 8 failed: the new version could not be started. Puts the running one back for good. */
  restartFailed(reason: string): void {
    const { installation, state, clock } = this.#options;
    const installed = this.#installed;
    if (installed === undefined) return;
    const lock = tryLock(installation.lockPath);
    if (lock === undefined) return;
    try {
      if (restorePrevious(installation, lock))
        state.trusted.refuse(installed.executable.table.root);
      state.save(clock.nowMs(), lock);
    } finally {
      lock.release();
    }
    const { text } = installed.executable.record.record.version;
    this.#reporter.report(
      new UpdateError("RESTART_FAILED", `version ${text} could not be started: ${reason}`, {
        blame: "artifact",
      }),
    );
  }

  get #isOver(): boolean {
    return this.#stop.signal.aborted || this.#isRestarting || this.#isLeaving;
  }

  #enqueue<T>(task: () => Promise<T>): Promise<T> {
    const run = this.#work.then(async () => {
      if (this.#isOver)
        throw new UpdateError("STOPPED", "the updater has ended", { blame: "usage" });
      return task();
    });
    this.#work = run.catch(() => undefined);
    return run;
  }

  #schedule(delayMs: number, isDiscovering = true): void {
    this.#cancelCycle?.();
    if (this.#isOver) return;
    this.#cancelCycle = this.#options.clock.after(delayMs, () => {
      this.#cancelCycle = undefined;
      void this.#tick(isDiscovering);
    });
  }

  async #tick(isDiscovering: boolean): Promise<void> {
    try {
      await this.#enqueue(() => this.#cycle(isDiscovering));
    } catch (cause) {
      // A look that came due while the last update was being installed.
      if (!this.#isOver) this.#reporter.report(cause);
    }
    const { intervalMs, random, journal, clock } = this.#options;
    const delayMs = jittered(intervalMs, random());
    if (!this.#stop.signal.aborted) journal?.end(clock.nowMs() + delayMs);
    // A newer record may have come in meanwhile: its cycle is sooner.
    if (this.#cancelCycle === undefined) this.#schedule(delayMs);
  }

  async #cycle(isDiscovering: boolean): Promise<void> {
    const { journal, mode, state } = this.#options;
    let candidate: Candidate | undefined;
    try {
      candidate = await this.#look(isDiscovering);
      if (candidate === undefined) return journal?.upToDate(state.trusted.installed.text);
      const { text } = candidate.record.version;
      if (mode.kind === "manual") return journal?.available(text);
      if (!this.#attempts.isAllowed(candidate)) return;
      await this.#install(candidate);
      this.#attempts.succeeded(candidate);
      journal?.installed(text);
      this.#takeOver();
    } catch (cause) {
      if (candidate !== undefined && !isPassing(cause)) this.#attempts.failed(candidate);
      this.#reporter.report(cause);
    }
  }

  /** Steps 1 and 2. */
  async #look(isDiscovering: boolean): Promise<Candidate | undefined> {
    const { source, state, clock } = this.#options;
    const nowMs = clock.nowMs();
    this.#options.journal?.begin(nowMs);
    this.#options.emit({ name: "checking" });
    // Learnt when nothing could be written: tried again, for the next start must not follow the old key.
    if (this.#hasSuccessor && state.save(nowMs)) this.#rejoinSuccessor();
    if (isDiscovering) {
      try {
        const found = await within(clock, DISCOVER_TIMEOUT_MS, source.discover());
        if (found !== undefined) this.#learn(found, nowMs);
      } catch (cause) {
        // A release that a peer or an earlier run has told us of can be fetched without the DHT.
        this.#reporter.report(cause);
      }
    }
    const candidate = state.trusted.decide(nowMs);
    if (candidate === undefined) {
      this.#forgetPartial();
      this.#suspectFreeze(nowMs);
    }
    if (candidate !== undefined && this.#announced !== candidate.record.root.toHex()) {
      this.#announced = candidate.record.root.toHex();
      this.#notes = undefined;
      if (candidate.record.x.notes !== undefined) {
        this.#notes = await this.#fetchNotes(candidate);
      }
      this.#announce(candidate);
    }
    return candidate;
  }

  /** Nothing is to be installed: what an interrupted download has left is of no use. */
  #forgetPartial(): void {
    const { installation } = this.#options;
    if (!existsSync(installation.partialPath)) return;
    const lock = tryLock(installation.lockPath);
    if (lock === undefined) return;
    try {
      installation.checkSafe();
      removePartial(installation);
    } catch (cause) {
      this.#options.log("debug", `the unfinished download was not removed: ${messageOf(cause)}`);
    } finally {
      lock.release();
    }
  }

  #announce(candidate: Candidate): void {
    const { state, emit, log } = this.#options;
    const release = this.#infoOf(candidate);
    if (!state.trusted.isWithdrawn) return emit({ name: "available", release });
    const version = state.trusted.installed.text;
    emit({ name: "withdrawn", version, release });
    log("warn", `version ${version} was withdrawn by its owner; going back to ${release.version}`);
  }

  /** What nobody gives soon is left out: an update does not wait for its description. */
  async #fetchNotes(candidate: Candidate): Promise<string | undefined> {
    const { clock } = this.#options;
    const timeout = new AbortController();
    const cancel = clock.after(NOTES_TIMEOUT_MS, () => timeout.abort());
    try {
      const signal = AbortSignal.any([this.#stop.signal, timeout.signal]);
      const { extension } = decodeRegion(await this.#fetcher.region(candidate, signal));
      return extension && notesIn(extension, candidate.record);
    } catch {
      // The download says what is wrong with the peers, if something is.
      return undefined;
    } finally {
      cancel();
    }
  }

  #infoOf({ record }: VerifiedRecord): ReleaseInfo {
    const { version, lengthBytes, publishedS, x } = record;
    const isAnnounced = record.root.toHex() === this.#announced;
    return {
      version: version.text,
      sizeBytes: lengthBytes + REGION_BYTES,
      publishedS,
      critical: x.isCritical === true,
      ...(isAnnounced && this.#notes !== undefined && { notes: this.#notes }),
    };
  }

  /** A freeze looks like an owner who releases nothing (attack E5): all that can be told is the age. */
  #suspectFreeze(nowMs: number): void {
    const { newest } = this.#options.state.trusted;
    if (newest === undefined) return;
    const { publishedS } = newest.record;
    const days = Math.floor((nowMs - publishedS * 1_000) / DAY_MS);
    if (days < FREEZE_DAYS) return;
    this.#reporter.reportOnce(
      new UpdateError("FREEZE_SUSPECTED", `the newest release that was found is ${days} days old`, {
        blame: "local",
        days,
      }),
    );
  }

  #learn(record: VerifiedRecord, nowMs: number): boolean {
    const { state, log } = this.#options;
    try {
      if (!state.trusted.learn(record, nowMs)) return false;
      if (state.save(nowMs)) this.#rejoinSuccessor();
      return true;
    } catch (cause) {
      // A peer that is behind us is no news.
      if (codeOf(cause) === "RECORD_STALE") log("debug", messageOf(cause));
      else this.#reporter.report(cause);
      return false;
    }
  }

  get #hasSuccessor(): boolean {
    return !equal(this.#options.state.trusted.owner, this.#owner);
  }

  #rejoinSuccessor(): void {
    if (!this.#hasSuccessor || this.#isOver) return;
    const { state, log, rejoin } = this.#options;
    log(
      "warn",
      `the owner key was handed over: from now on ${keyText(state.trusted.owner)} counts`,
    );
    if (rejoin === undefined) return;
    this.#isLeaving = true;
    this.#cancelCycle?.();
    rejoin();
  }

  /** Steps 3 to 7. Afterwards the installed executable is the candidate, or a newer one. */
  async #install(candidate: Candidate): Promise<void> {
    const { installation, state, emit, clock, own } = this.#options;
    const release = this.#infoOf(candidate);
    this.#recover();
    installation.probe(installation.checkSafe());
    this.#tellOfOtherNames();
    const lock = tryLock(installation.lockPath);
    if (lock === undefined) {
      throw busy();
    }
    try {
      this.#settleHeld(lock);
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
        const signal = AbortSignal.any([this.#stop.signal, this.#supersede.signal]);
        const update = await this.#fetcher.fill(assembly, candidate, signal);
        emit({ name: "verified", release });
        const sealed = assembly.seal(update);
        await this.#options.rehearse(installation, sealed, clock);
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

  /** Steps 3 to 7 for a release that was here before: no download, and one rename. */
  #goBack(candidate: Candidate, lock: Lock): boolean {
    const { installation, own, state, emit } = this.#options;
    if (!state.trusted.isWithdrawn || !installation.isCurrent()) return false;
    const applied = rollBackTo(candidate, installation, own, lock);
    if (applied === undefined) return false;
    const identity = lstatSync(installation.path, { bigint: true });
    this.#setInstalled(InstalledFile.ofUpdate(installation, { ...applied, identity }));
    emit({ name: "applied", release: this.#infoOf(candidate) });
    return true;
  }

  #recover(): void {
    const { installation } = this.#options;
    if (!installation.swap.leavesFiles) return;
    const lock = tryLock(installation.lockPath);
    if (lock === undefined) return;
    try {
      installation.recover(lock);
    } finally {
      lock.release();
    }
  }

  /** A version that was healthy stays (H4): who knows why it ends. But that it does is told, once a run. */
  #tellOfBadEnds(): void {
    const { installation, own, log } = this.#options;
    const count = badEnds(installation, own);
    if (count === 0) return;
    const { text } = own.record.record.version;
    const reason = `version ${text} has ended badly ${count} of its first times, although it was healthy`;
    if (count < FAILED_STARTS_MAX) return log("info", reason);
    this.#reporter.report(
      new UpdateError("UNSTABLE", `${reason}; patcher.rollback() goes back`, {
        blame: "artifact",
        count,
      }),
    );
  }

  /** What an earlier run has left: a probation that came to its end, files of an attempt that was killed. */
  #settle(): void {
    const { installation } = this.#options;
    try {
      this.#tellOfBadEnds();
      if (readPending(installation.pendingPath) === undefined && !hasLeftovers(installation))
        return;
      const lock = tryLock(installation.lockPath);
      if (lock === undefined) return;
      try {
        installation.recover(lock);
        this.#settleHeld(lock);
        sweepLeftovers(installation);
      } finally {
        lock.release();
      }
    } catch (cause) {
      this.#reporter.report(cause);
    }
  }

  /** Step 9, when this version is back: the newer one is refused from now on. */
  #settleHeld(lock: Lock): void {
    const { installation, own, state, clock, emit, log } = this.#options;
    const failed = settleProbation(installation, own, lock);
    if (failed === undefined) return;
    const { version, root, failure } = failed;
    const isNews = !state.trusted.refused.includes(root);
    state.trusted.refuse(asContentRoot(fromHex(root)));
    // Not before it is noted: this is all that keeps the version from being installed again.
    if (state.save(clock.nowMs(), lock)) endProbation(installation);
    if (!isNews) return;
    const reason = failureText(failure);
    emit({ name: "rolled-back", version, reason });
    log(
      "warn",
      `version ${version} failed on this machine (${reason}) and is not installed again; waiting for a newer one`,
    );
  }

  /** Once: whoever has linked the executable elsewhere may expect the other name to follow. */
  #tellOfOtherNames(): void {
    const count = this.#options.installation.otherNames();
    if (count === 0 || this.#hasToldOfNames) return;
    this.#hasToldOfNames = true;
    const { path } = this.#options.installation;
    this.#options.log(
      "warn",
      `${path} has ${count} other ${count === 1 ? "name" : "names"} (hard links), which will keep the version of today`,
    );
  }

  /** Another copy was faster: what it has installed is ours as well, if it is a release of ours. */
  #adopt(): void {
    const { installation, own, state } = this.#options;
    const file = InstalledFile.adopt(installation, own, state.trusted);
    this.#setInstalled(file);
    this.#options.emit({ name: "applied", release: this.#infoOf(file.executable.record) });
  }

  #setInstalled(file: InstalledFile): void {
    const { installation, state } = this.#options;
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

  /** Step 8, by the mode. */
  #takeOver(): void {
    const { mode, source } = this.#options;
    const installed = this.#installed;
    if (installed === undefined) return;
    if (mode.kind === "now") {
      this.#restart();
      return;
    }
    source.serve(installed.holding);
    if (mode.kind === "at") this.#awaitMoment(mode);
  }

  #awaitMoment(time: TimeOfDay): void {
    // One moment for all updates that are waiting: the newest of them will be the one that starts.
    if (this.#cancelMoment !== undefined) return;
    const { clock } = this.#options;
    const moment = new DailyMoment(time, clock.nowMs());
    const look = (): void => {
      const nowMs = clock.nowMs();
      if (moment.isDue(nowMs)) {
        void this.#enqueue(async () => this.#restart()).catch((cause) =>
          this.#reporter.report(cause),
        );
      } else {
        this.#cancelMoment = clock.after(moment.waitMs(nowMs), look);
      }
    };
    look();
  }

  #restart(): ReleaseInfo | undefined {
    if (this.#installed === undefined) return undefined;
    const release = this.#infoOf(this.#installed.executable.record);
    this.#restartInto(release);
    return release;
  }

  #restartInto(release: ReleaseInfo): void {
    this.#isRestarting = true;
    this.#cancelCycle?.();
    this.#options.emit({ name: "restarting", release });
    this.#options.restart();
  }

  #progress(made: DownloadProgress): void {
    if (this.#fetching === undefined) return;
    const progress = { ...this.#infoOf(this.#fetching), ...made };
    this.#options.emit({ name: "progress", progress });
  }
}

function busy(): UpdateError {
  return new UpdateError("BUSY", "another copy of this program is updating it", { blame: "local" });
}
