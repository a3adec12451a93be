/**
 * The one file that knows the order: discover → decide → install (installer.ts) → restart. One cycle at a time,
 * one reading of the wall clock a cycle. Whatever fails, the program that is running stays as it is and the
 * next cycle comes.
 */
import type { PublicKey } from "../core/brand.ts";
import { equal } from "../core/bytes.ts";
import { keyText } from "../core/keys.ts";
import { DISCOVER_TIMEOUT_MS } from "../core/limits.ts";
import type { VerifiedRecord } from "../core/release-record.ts";
import type { UpdateMode } from "../core/update-mode.ts";
import { Announcements } from "./announcements.ts";
import { Attempts } from "./attempts.ts";
import { jittered } from "./backoff.ts";
import type { UpdateContext } from "./context.ts";
import { EarlierRuns } from "./earlier-runs.ts";
import { UpdateError } from "./error.ts";
import type { ReleaseInfo } from "./events.ts";
import { Installer } from "./installer.ts";
import type { Journal } from "./journal.ts";
import type { Rehearse } from "./rehearse.ts";
import type { ReleaseSource } from "./release-source.ts";
import { codeOf, isPassing, messageOf, Reporter } from "./reporter.ts";
import { DailyMoment, type TimeOfDay } from "./schedule.ts";
import type { Candidate } from "./trusted-state.ts";
import { within } from "./within.ts";

export interface UpdaterOptions extends UpdateContext {
  readonly source: ReleaseSource;
  readonly mode: UpdateMode;
  readonly intervalMs: number;
  /** From 0 to 1, 1 excluded. */
  readonly random: () => number;
  /** Where it is written down how the looks go. */
  readonly journal?: Journal;
  /** Step 7: starts the new version once before it is installed. */
  readonly rehearse: Rehearse;
  /** Step 8: asks for the process to be replaced. Answered, if ever, by `restartFailed`. */
  readonly restart: () => void;
  /** The owner key was handed over, and that is on the disk: start anew, in the swarm of the other key. */
  readonly rejoin?: () => void;
}

const DAY_MS = 86_400_000;
/** A release is known that nobody gave, or nobody answered: whoever looks once a day does not wait another day. */
const MISSED_RETRY_MS = 60_000;
/** After so many days without a release it is worth telling whoever listens. Many apps are that calm. */
const FREEZE_DAYS = 30;

export class Updater {
  readonly #options: UpdaterOptions;
  readonly #attempts: Attempts;
  readonly #earlier: EarlierRuns;
  readonly #installer: Installer;
  readonly #announcements: Announcements;
  readonly #stop = new AbortController();
  readonly #reporter: Reporter;
  /** Tasks run one after the other: an update is never in the middle of another one. */
  #work: Promise<unknown> = Promise.resolve();
  #cancelCycle: (() => void) | undefined;
  #cancelMoment: (() => void) | undefined;
  #isRestarting = false;
  #isLeaving = false;
  /** In whose swarm we are. */
  readonly #owner: PublicKey;

  constructor(options: UpdaterOptions) {
    this.#options = options;
    this.#owner = options.state.trusted.owner;
    const { clock, intervalMs, random, source, rehearse } = options;
    this.#reporter = new Reporter(options.emit, options.log, (error) =>
      options.journal?.failed(error),
    );
    this.#attempts = new Attempts(clock, intervalMs, random);
    this.#earlier = new EarlierRuns(options, this.#reporter);
    this.#announcements = new Announcements(options, (candidate, signal) =>
      this.#installer.region(candidate, signal),
    );
    this.#installer = new Installer({
      context: options,
      source,
      rehearse,
      earlier: this.#earlier,
      infoOf: (record) => this.#announcements.infoOf(record),
    });
  }

  start(): void {
    this.#earlier.settle();
    this.#schedule(0);
  }

  /** One cycle, steps 1 to 7, for a process that ends afterwards. What goes wrong is reported. */
  async lookOnce(): Promise<void> {
    this.#earlier.settle();
    await this.#enqueue(() => this.#cycle(true));
  }

  /** The swarm has heard of a newer record: no need to wait for the next look. */
  noticed(record: VerifiedRecord): void {
    if (this.#isOver) return;
    if (!this.#learn(record, this.#options.clock.nowMs())) return;
    // Whoever offers an older release slowly does not keep the newer one away.
    this.#installer.supersede();
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
      return candidate && this.#announcements.infoOf(candidate);
    });
  }

  /**
   * Steps 1 to 8 now, whatever the mode: resolves with the release that the process is about to become,
   * or undefined when there is none. Rejects with the error of the step that failed.
   */
  apply(): Promise<ReleaseInfo | undefined> {
    return this.#enqueue(async () => {
      const candidate = await this.#look(true);
      if (candidate !== undefined) await this.#installer.install(candidate, this.#stop.signal);
      return this.#restart();
    });
  }

  /**
   * Puts the previous version back and restarts into it; the version that is left is refused from now on.
   * Rejects with an UpdateError: NO_PREVIOUS, BUSY, …
   */
  rollback(): Promise<ReleaseInfo | undefined> {
    return this.#enqueue(async () => {
      const release = this.#installer.rollBack();
      if (!this.#options.installation.isRunningAtPath()) this.#restartInto(release);
      return release;
    });
  }

  /** Ends the work under way, without a trace on disk. */
  async stop(): Promise<void> {
    this.#stop.abort();
    this.#cancelCycle?.();
    this.#cancelMoment?.();
    await this.#work;
    this.#installer.close();
  }

  /** Step 8 failed: the new version could not be started. Puts the running one back for good. */
  restartFailed(reason: string): void {
    const failure = this.#installer.restartFailed(reason);
    if (failure !== undefined) this.#reporter.report(failure);
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
    let isMissed = false;
    try {
      isMissed = await this.#enqueue(() => this.#cycle(isDiscovering));
    } catch (cause) {
      // A look that came due while the last update was being installed.
      if (!this.#isOver) this.#reporter.report(cause);
    }
    const { intervalMs, random, journal, clock } = this.#options;
    const nextMs = isMissed ? Math.min(MISSED_RETRY_MS, intervalMs) : intervalMs;
    const delayMs = jittered(nextMs, random());
    if (!this.#stop.signal.aborted) journal?.end(clock.nowMs() + delayMs);
    // A newer record may have come in meanwhile: its cycle is sooner.
    if (this.#cancelCycle === undefined) this.#schedule(delayMs);
  }

  /** Resolves with whether nobody answered, or gave the release that there is. */
  async #cycle(isDiscovering: boolean): Promise<boolean> {
    const { journal, mode, state, source } = this.#options;
    let candidate: Candidate | undefined;
    try {
      candidate = await this.#look(isDiscovering);
      if (candidate === undefined) {
        journal?.upToDate(state.trusted.installed.text);
        return isDiscovering && !source.hasReached;
      }
      const { text } = candidate.record.version;
      if (mode.kind === "manual") {
        journal?.available(text);
        return false;
      }
      if (!this.#attempts.isAllowed(candidate)) return false;
      await this.#installer.install(candidate, this.#stop.signal);
      this.#attempts.succeeded(candidate);
      journal?.installed(text);
      this.#takeOver();
      return false;
    } catch (cause) {
      if (candidate !== undefined && !isPassing(cause)) this.#attempts.failed(candidate);
      this.#reporter.report(cause);
      return codeOf(cause) === "NO_PROVIDER";
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
      this.#earlier.forgetPartial();
      this.#suspectFreeze(nowMs);
    }
    if (candidate !== undefined) await this.#announcements.announce(candidate, this.#stop.signal);
    return candidate;
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

  /** Step 8, by the mode. */
  #takeOver(): void {
    const { mode, source } = this.#options;
    const { installed } = this.#installer;
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
    const { installed } = this.#installer;
    if (installed === undefined) return undefined;
    const release = this.#announcements.infoOf(installed.executable.record);
    this.#restartInto(release);
    return release;
  }

  #restartInto(release: ReleaseInfo): void {
    this.#isRestarting = true;
    this.#cancelCycle?.();
    this.#options.emit({ name: "restarting", release });
    this.#options.restart();
  }
}
