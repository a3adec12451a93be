/**
 * Step 9 (confirm), the main half's part, before any code of the app: a new version counts its starts, and
 * one that has failed too often puts the previous version back and becomes it. Without a supervisor: the
 * start that notices is the next one. Costs one look for a file as long as nothing is pending.
 */
import type { Probation } from "../src/patcher/assets.ts";
import { startFacts } from "../src/patcher/process-facts.ts";
import { becomeNewVersion } from "../src/patcher/restart.ts";
import { stderrLog, verbosityOf } from "../src/patcher/stderr.ts";
import {
  BACK_LINE,
  FAILED_STARTS_MAX,
  hasFailed,
  parsePending,
  PENDING_MAX_BYTES,
  pendingPath,
  regionDigest,
  type Pending,
} from "../src/update/pending.ts";
import { readOwnRegion } from "./region.ts";

/** Alive for so long, with the event loop turning: healthy. */
const HEALTHY_MS = 10_000;
/** `auto` and the API are bundled separately, and a start is counted once. */
const SLOT = Symbol.for("rustpatcher.probation");
const OTHERS_MAY_WRITE = 0o022;

type FileSystem = typeof import("node:fs");

function fileSystem(): FileSystem {
  // Loading it takes 3 ms: only here, where something is pending.
  return process.getBuiltinModule("node:fs");
}

class OwnProbation implements Probation {
  readonly #path: string;
  readonly #timer: ReturnType<typeof setTimeout>;
  readonly #onExit = (code: number): void => {
    // A short-lived program has done what it is for.
    if (code === 0) this.confirm();
  };

  constructor(path: string) {
    this.#path = path;
    this.#timer = setTimeout(() => this.confirm(), HEALTHY_MS);
    this.#timer.unref();
    process.on("exit", this.#onExit);
  }

  /** From now on only the app says that it is healthy. */
  awaitApp(): void {
    clearTimeout(this.#timer);
    process.off("exit", this.#onExit);
  }

  /** The version is healthy: it stays. */
  confirm(): void {
    this.awaitApp();
    try {
      // A newer version may have been installed meanwhile: its probation is not ours to end.
      if (readOwn(this.#path) !== undefined) fileSystem().rmSync(this.#path, { force: true });
    } catch {
      // It cannot be removed: the next start confirms once more.
    }
  }
}

/** The running version's probation, if it is on one. Must be called before any code of the app. */
export function beginOwnProbation(): void {
  if (!Bun.isMainThread || Reflect.has(globalThis, SLOT)) return;
  const path = pendingPath(startFacts.execPath);
  // Bun asks for the size at once, and 0 is what a missing file has.
  if (Bun.file(path).size === 0) return;
  try {
    const pending = readOwn(path);
    if (pending === undefined) return;
    if (hasFailed(pending, process.pid, isAlive)) goBack(path, pending);
    append(path, `${process.pid}\n`);
    Reflect.set(globalThis, SLOT, new OwnProbation(path));
  } catch {
    // Nothing can be counted here; the app comes first.
  }
}

export function ownProbation(): Probation | undefined {
  return Reflect.get(globalThis, SLOT) as Probation | undefined;
}

/** What is pending, when it is this very version and nobody else could have written it. */
function readOwn(path: string): Pending | undefined {
  const fs = fileSystem();
  const stats = fs.lstatSync(path);
  const isOurs = stats.isFile() && stats.uid === process.geteuid?.();
  if (!isOurs || (stats.mode & OTHERS_MAY_WRITE) !== 0) return undefined;
  if (stats.size > PENDING_MAX_BYTES) return undefined;
  const pending = parsePending(fs.readFileSync(path, "latin1"));
  return pending?.region === regionDigest(readOwnRegion()) ? pending : undefined;
}

function append(path: string, line: string): void {
  const { closeSync, constants, openSync, writeSync } = fileSystem();
  const flag = constants.O_WRONLY | constants.O_APPEND | constants.O_NOFOLLOW;
  const fd = openSync(path, flag);
  try {
    writeSync(fd, line);
  } finally {
    closeSync(fd);
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (cause) {
    // Somebody else's process is one as well.
    return Reflect.get(Object(cause), "code") === "EPERM";
  }
}

/** One rename, which needs no space; the version that comes back clears the rest away. */
function goBack(path: string, { version }: Pending): void {
  const fs = fileSystem();
  const { execPath, env } = startFacts;
  const previous = path.replace(/pending$/, "previous");
  const log = stderrLog(verbosityOf(env["RUSTPATCHER_LOG"]));
  const stats = fs.lstatSync(previous, { throwIfNoEntry: false });
  if (stats?.isFile() !== true || stats.uid !== process.geteuid?.()) {
    return log("warn", `version ${version} keeps failing, and there is no version to go back to`);
  }
  append(path, BACK_LINE);
  fs.renameSync(previous, execPath);
  log(
    "warn",
    `version ${version} ended ${FAILED_STARTS_MAX} times before it was healthy: the previous version is back`,
  );
  becomeNewVersion(startFacts);
}
