/**
 * The main half: what an app holds in its hand. It starts the Worker half once the app is up, passes on
 * what it reports, and replaces the process. It never writes to stdout, never keeps the process alive and
 * never throws into the app but from the methods that the app calls.
 */
import { parseUpdateMode } from "../core/update-mode.ts";
import { asksForBackground } from "../exe/region-glance.ts";
import type { Log } from "../core/log.ts";
import type { ErrorInfo, ProgressInfo, ReleaseInfo, UpdateEvent } from "../update/events.ts";
import type { Status } from "../update/status.ts";
import { askOnce } from "./ask-once.ts";
import { ownAssets } from "./assets.ts";
import { BackgroundMode } from "./background.ts";
import { closeSockets } from "./close-sockets.ts";
import { Emitter } from "./emitter.ts";
import { PatcherError } from "./error.ts";
import { inactiveReason } from "./own-region.ts";
import { startFacts } from "./process-facts.ts";
import type { FromWorker, Overrides } from "./protocol.ts";
import { becomeNewVersion } from "./restart.ts";
import { PATCHER_SLOT, START_DELAY_MS, startMessage, type StartPatcher } from "./start.ts";
import { stderrLog, verbosityOf } from "./stderr.ts";
import { WorkerLink } from "./worker-link.ts";

export interface PatcherEvents {
  checking: [];
  available: [release: ReleaseInfo];
  progress: [progress: ProgressInfo];
  verified: [release: ReleaseInfo];
  /** The executable at this program's path is the new version. */
  applied: [release: ReleaseInfo];
  /** The last moment of this version: what a listener does synchronously is still done. */
  restarting: [release: ReleaseInfo];
  /**
   * The owner has withdrawn `version`, which this program is or has installed. It goes back to `release`, as
   * the mode has it: with "manual", when the app calls `apply()`.
   */
  withdrawn: [version: string, release: ReleaseInfo];
  /** The newer version failed before it was healthy, in the way told: this one is back, that one is refused. */
  "rolled-back": [version: string, reason: string];
  error: [error: PatcherError];
}

/** Called before this process becomes another version; what it returns is awaited. */
export type BeforeRestart = () => unknown;

/** What servers are given to finish what they have begun. */
const DRAIN_TIMEOUT_MS = 10_000;

/** Updates this program. Made by `spawn` or by `import "rustpatcher/auto"`. */
export class Patcher extends Emitter<PatcherEvents> {
  readonly #log: Log;
  #link: WorkerLink | undefined;
  readonly #isBackground: boolean;
  #background: ReturnType<typeof BackgroundMode.begin>;
  #hasCrashed = false;
  #drain: { readonly hook: BeforeRestart; readonly timeoutMs: number } | undefined;

  /** @internal */
  constructor(overrides: Overrides, log: Log, startDelayMs: number) {
    super();
    this.#log = log;
    const reason = inactiveReason(startFacts.env["RUSTPATCHER_DISABLE"]);
    const isAsked = overrides.mode === undefined && asksForBackground(ownAssets().readRegion());
    this.#isBackground = isAsked || overrides.mode === "background";
    if (reason !== undefined) {
      // Such a program ends in a moment, and says nothing but what it is for.
      log(this.#isBackground ? "info" : "warn", reason);
      return;
    }
    const start = startMessage(overrides);
    this.#link = new WorkerLink({
      workerPath: ownAssets().workerPath,
      start,
      onMessage: (message) => this.#receive(message),
      onCrash: (crash) => this.#crashed(crash),
    });
    if (this.#isBackground) this.#background = BackgroundMode.begin(start);
    else this.#link.startAfter(startDelayMs);
  }

  /** False when this is not a signed executable, or updates are switched off: nothing will ever happen. */
  get active(): boolean {
    return this.#link !== undefined;
  }

  /**
   * Looks for a newer release now. Resolves with it, or with undefined when there is none; then the mode
   * decides what becomes of it. Rejects with a PatcherError.
   */
  async check(): Promise<ReleaseInfo | undefined> {
    return this.#link?.ask("check");
  }

  /**
   * Fetches, verifies and installs the newest release now and restarts into it, whatever the mode. Resolves
   * with undefined when there is nothing newer. Rejects with a PatcherError.
   */
  async apply(): Promise<ReleaseInfo | undefined> {
    return this.#link?.ask("apply");
  }

  /**
   * Has `hook` called, and awaited for at most `timeoutMs`, before every restart: the time for a server to
   * stop listening and to finish its requests. A hook that fails or takes too long is told of on the log,
   * and the restart takes place. A second call replaces the first.
   */
  beforeRestart(hook: BeforeRestart, timeoutMs: number = DRAIN_TIMEOUT_MS): void {
    this.#drain = { hook, timeoutMs };
  }

  /**
   * Puts the version before this one back, refuses this one from now on, and restarts. Resolves with what
   * the process is about to become. Rejects with a PatcherError, also when there is nothing to go back to.
   */
  async rollback(): Promise<ReleaseInfo | undefined> {
    return this.#link?.ask("rollback");
  }

  /**
   * Follows another channel from now on, over restarts: its first release above this version is installed, signed
   * for that channel like any. Never goes down: while that channel is behind, this version stays. Rejects with a
   * PatcherError, also where the executable's directory cannot be written to.
   */
  async switchChannel(channel: string): Promise<void> {
    await this.#link?.ask("switchChannel", channel);
  }

  /**
   * Which version this is, how the last look went and why, when the next one is due; undefined when this is not a
   * signed executable, or updates are switched off. Rejects with a PatcherError.
   */
  async status(): Promise<Status | undefined> {
    // In the background mode nothing runs that could be asked, and asking must not start it.
    if (this.active && this.#isBackground) {
      return askOnce("status", (message) =>
        message.type === "status" ? message.status : undefined,
      );
    }
    return this.#link?.ask("status");
  }

  /**
   * Says that a new version works, before the ten seconds are over after which it counts as healthy, or at
   * all when it was started with `confirm: "manual"`. Does nothing outside of a probation.
   */
  healthy(): void {
    ownAssets().probation()?.confirm();
  }

  /** Leaves the swarm and frees every socket, timer and thread. A stopped patcher stays stopped. */
  async stop(): Promise<void> {
    if (Reflect.get(globalThis, PATCHER_SLOT) === this) {
      Reflect.deleteProperty(globalThis, PATCHER_SLOT);
    }
    this.#background?.stop();
    await this.#link?.stop();
  }

  #receive(message: FromWorker): void {
    switch (message.type) {
      case "log":
        return this.#log(message.level, message.text);
      case "event":
        return this.#tell(message.event);
      case "restart":
        void this.#restart();
        return;
      default:
        // The rest is for the link.
        return;
    }
  }

  async #restart(): Promise<void> {
    await this.#drained();
    // This process stays, to wait for the new version, which needs what it listens on.
    if (process.platform === "win32") await closeSockets();
    try {
      becomeNewVersion(startFacts);
    } catch (cause) {
      // The Worker puts this version back; what it reports says why.
      const reason = cause instanceof Error ? cause.message : String(cause);
      this.#link?.tell({ type: "restart-failed", reason });
    }
  }

  async #drained(): Promise<void> {
    if (this.#drain === undefined) return;
    const { hook, timeoutMs } = this.#drain;
    const { promise, reject } = Promise.withResolvers<never>();
    // Not unref'ed: a server that has closed everything must not end here, before the restart.
    const timer = setTimeout(() => reject(new Error("it took too long")), timeoutMs);
    try {
      await Promise.race([(async () => hook())(), promise]);
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      this.#log("warn", `restarting although the beforeRestart hook has not ended well: ${reason}`);
    } finally {
      clearTimeout(timer);
    }
  }

  #tell(event: UpdateEvent): void {
    switch (event.name) {
      case "checking":
        this.emit("checking");
        return;
      case "progress":
        this.emit("progress", event.progress);
        return;
      case "rolled-back":
        this.emit("rolled-back", event.version, event.reason);
        return;
      case "withdrawn":
        this.emit("withdrawn", event.version, event.release);
        return;
      case "error":
        return this.#tellError(event.error);
      case "available":
      case "verified":
      case "applied":
      case "restarting":
        this.emit(event.name, event.release);
    }
  }

  /** An emitter throws an error nobody listens for; ours must not reach the app like that. */
  #tellError({ code, message }: ErrorInfo): void {
    if (this.listenerCount("error") === 0) return;
    const details = { blame: "local", updateCode: code } as const;
    this.emit("error", new PatcherError("UPDATE_FAILED", message, details));
  }

  #crashed(reason: string): void {
    this.#log(
      this.#hasCrashed ? "debug" : "warn",
      `the updater ended unexpectedly and is started again: ${reason}`,
    );
    this.#hasCrashed = true;
  }
}

/**
 * The one patcher of this process; started with `overrides` when there is none yet, and then its Worker after
 * `startDelayMs`.
 * @throws {CoreError} FIELD_INVALID for a mode that does not exist.
 */
export function startPatcher(
  overrides: Overrides = {},
  startDelayMs: number = START_DELAY_MS,
): Patcher {
  if (overrides.mode !== undefined) parseUpdateMode(overrides.mode);
  const log = stderrLog(verbosityOf(startFacts.env["RUSTPATCHER_LOG"]));
  // By symbol and not by class: the one that runs may come from the other bundle.
  const there = Reflect.get(globalThis, PATCHER_SLOT) as Patcher | StartPatcher | undefined;
  if (there !== undefined) {
    if (Object.keys(overrides).length > 0) {
      log("warn", "the updater runs already, with the options it was started with first");
    }
    return typeof there === "function" ? there() : there;
  }
  const patcher = new Patcher(overrides, log, startDelayMs);
  Reflect.set(globalThis, PATCHER_SLOT, patcher);
  return patcher;
}
