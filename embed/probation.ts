/**
 * Step 9 (confirm), the main half's part, before any code of the app: a new version counts its starts, and
 * one that has failed too often puts the previous version back and becomes it. Without a supervisor: the
 * start that notices is the next one, or a thread of its own when the new version hangs. Costs one look for
 * a file as long as nothing is pending.
 */
import { isOnlyOurs } from "../src/fs/ownership.ts";
import { ownAssets, type Probation } from "../src/patcher/assets.ts";
import { startFacts } from "../src/patcher/process-facts.ts";
import { becomeNewVersion } from "../src/patcher/restart.ts";
import { stderrLog, verbosityOf } from "../src/patcher/stderr.ts";
import {
  COUNTED_STARTS_MAX,
  failureOf,
  failureText,
  GOOD_LINE,
  isAlive,
  parsePending,
  PENDING_MAX_BYTES,
  pendingPath,
  regionDigest,
  type Failure,
  type Pending,
} from "../src/update/pending.ts";
import { append, isReplaced, putPreviousBack, type FileSystem } from "./go-back.ts";
import type { Watch } from "./watchdog.ts";

/** Alive for so long, with the event loop turning: healthy. */
const HEALTHY_MS = 10_000;
/** `auto` and the API are bundled separately, and a start is counted once. */
const SLOT = Symbol.for("rustpatcher.probation");
/** Not turning the event loop for so long is a hang; 0 is never. */
const HANG_SECONDS_DEFAULT = 45;
const BEAT_MS = 1_000;

function fileSystem(): FileSystem {
  // Loading it takes 3 ms: only here, where something is pending.
  return process.getBuiltinModule("node:fs");
}

class OwnProbation implements Probation {
  readonly #path: string;
  readonly #timer: ReturnType<typeof setTimeout>;
  readonly #endWatch: () => void;
  readonly #onExit = (code: number): void => {
    // A short-lived program has done what it is for.
    if (code === 0) this.confirm();
  };

  constructor(path: string, version: string) {
    this.#path = path;
    this.#endWatch = watch(version);
    this.#timer = setTimeout(() => this.confirm(), HEALTHY_MS);
    this.#timer.unref();
    process.on("exit", this.#onExit);
    noteEnd(path);
  }

  /** From now on only the app says that it is healthy. */
  awaitApp(): void {
    clearTimeout(this.#timer);
    process.off("exit", this.#onExit);
  }

  /** The version is healthy: it stays. */
  confirm(): void {
    this.awaitApp();
    this.#endWatch();
    try {
      // A newer version may have been installed meanwhile: its probation is not ours to end.
      if (readOwn(this.#path)?.isGood === false) append(fileSystem(), this.#path, GOOD_LINE);
    } catch {
      this.#forget();
    }
  }

  /** No room to say that it is healthy: then nothing is counted any more. */
  #forget(): void {
    try {
      if (readOwn(this.#path) !== undefined) fileSystem().rmSync(this.#path, { force: true });
    } catch {
      // It cannot be removed: the next start confirms once more.
    }
  }
}

/** The running version's probation, if it is on one. Must be called before any code of the app. */
export function beginOwnProbation(): void {
  if (!Bun.isMainThread || Reflect.has(globalThis, SLOT)) return;
  Reflect.set(globalThis, SLOT, undefined);
  const path = pendingPath(startFacts.execPath);
  // Bun asks for the size at once, and 0 is what a missing file has.
  if (Bun.file(path).size === 0) return;
  try {
    const pending = readOwn(path);
    if (pending === undefined) return;
    if (pending.isGood) return observe(path, pending);
    const failure = failureOf(pending, process.pid, isAlive);
    if (failure !== undefined) goBack(pending, failure);
    append(fileSystem(), path, `${process.pid}\n`);
    Reflect.set(globalThis, SLOT, new OwnProbation(path, pending.version));
  } catch {
    // Nothing can be counted here, and the app comes first, if it is still the one to run: another start may
    // have put the previous version back meanwhile, and that has cleared the file away.
    becomeWhatIsThere();
  }
}

/** A version that was healthy stays, but how its first starts end is counted; then they are as cheap as ever. */
function observe(path: string, { starts }: Pending): void {
  if (starts.length >= COUNTED_STARTS_MAX) return fileSystem().rmSync(path, { force: true });
  append(fileSystem(), path, `${process.pid}\n`);
  noteEnd(path);
}

function noteEnd(path: string): void {
  process.on("exit", (code) => {
    try {
      if (code === 0 && readOwn(path) !== undefined)
        append(fileSystem(), path, `-${process.pid}\n`);
    } catch {
      // Then this start counts as one that ended badly, which decides nothing.
    }
  });
}

function becomeWhatIsThere(): void {
  try {
    if (isReplaced(fileSystem(), startFacts.execPath)) becomeNewVersion(startFacts);
  } catch {
    // It cannot be started: then this version is.
  }
}

export function ownProbation(): Probation | undefined {
  return Reflect.get(globalThis, SLOT) as Probation | undefined;
}

/** What is pending, when it is this very version and nobody else could have written it. */
function readOwn(path: string): Pending | undefined {
  const fs = fileSystem();
  const stats = fs.lstatSync(path);
  if (!isOnlyOurs(stats)) return undefined;
  if (stats.size > PENDING_MAX_BYTES) return undefined;
  const pending = parsePending(fs.readFileSync(path, "latin1"), stats.mtimeMs);
  return pending?.region === regionDigest(ownAssets().readRegion()) ? pending : undefined;
}

/** Returns only when there is no way back: then the app is better started than not. */
function goBack({ version }: Pending, failure: Failure): void {
  const { execPath } = startFacts;
  const log = stderrLog(verbosityOf(startFacts.env["RUSTPATCHER_LOG"]));
  try {
    if (!putPreviousBack(fileSystem(), execPath, failure)) {
      return log("warn", `version ${version} keeps failing, and there is no version to go back to`);
    }
    log("warn", `version ${version}: ${failureText(failure)}; the previous version is back`);
    becomeNewVersion(startFacts);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    log(
      "warn",
      `version ${version} keeps failing, and the previous one cannot be put back: ${reason}`,
    );
  }
}

/** Has a thread of its own look whether ours still turns. Returns what ends that. */
function watch(version: string): () => void {
  const { env } = startFacts;
  const hangSeconds = secondsOf(env["RUSTPATCHER_HANG_SECONDS"]);
  // Windows does not say what a thread waits for: one that waits for a person would count as hanging.
  if (hangSeconds === 0 || process.platform === "win32") return () => undefined;
  const beats = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  const timer = setInterval(() => Atomics.add(beats, 0, 1), BEAT_MS);
  timer.unref();
  const worker = new Worker(ownAssets().watchdogPath, { name: "rustpatcher-watchdog" });
  worker.unref();
  // Without it a hang has to be ended by hand, and nothing else is lost.
  worker.addEventListener("error", (event) => event.preventDefault());
  const message: Watch = {
    beats: beats.buffer,
    hangSeconds,
    facts: startFacts,
    version,
    verbosity: verbosityOf(env["RUSTPATCHER_LOG"]),
  };
  worker.postMessage(message);
  return () => {
    clearInterval(timer);
    worker.terminate();
  };
}

function secondsOf(text: string | undefined): number {
  return text !== undefined && /^[0-9]{1,4}$/.test(text) ? Number(text) : HANG_SECONDS_DEFAULT;
}
