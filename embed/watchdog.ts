/**
 * Step 9, a thread of its own while a new version is on probation: when the app's thread has not turned its
 * event loop for too long, the version hangs, and nobody else would ever do anything about it. Puts the
 * previous version back and has the process become it.
 */
import { ptr } from "bun:ffi";
import * as fs from "node:fs";
import { cString, openLibc } from "../src/fs/libc.ts";
import type { ProcessFacts } from "../src/patcher/process-facts.ts";
import { isShown, type Verbosity } from "../src/patcher/stderr.ts";
import { failureText } from "../src/update/pending.ts";
import { putPreviousBack } from "./go-back.ts";

declare const self: Worker;

export interface Watch {
  /** One 32-bit number, which the app's thread counts up once a second. */
  readonly beats: SharedArrayBuffer;
  /** So many seconds without a beat are a hang. */
  readonly hangSeconds: number;
  readonly facts: ProcessFacts;
  readonly version: string;
  readonly verbosity: Verbosity;
}

const SECOND_MS = 1_000;
/** read(2), by machine. */
const READ: Readonly<Record<string, string>> = { x64: "0", arm64: "63" };
const TERMINAL = /^\/dev\/(tty|pts\/|console)/;
const SIG_SETMASK = 2;
/** Larger than any system's sigset_t. */
const NO_SIGNALS = new Uint8Array(128);

self.addEventListener("message", ({ data }: MessageEvent<Watch>) => {
  const beats = new Int32Array(data.beats);
  let last = -1;
  let stillSeconds = 0;
  // Counted in turns of our own: a process that is stopped, or a host that sleeps, stops both threads.
  setInterval(() => {
    const now = Atomics.load(beats, 0);
    stillSeconds = now === last ? stillSeconds + 1 : 0;
    last = now;
    if (stillSeconds < data.hangSeconds) return;
    stillSeconds = 0;
    if (!waitsForOthers()) giveUp(data);
  }, SECOND_MS);
});

/** Does the app's thread wait for a person at the terminal, for its standard input or for a child? */
function waitsForOthers(): boolean {
  const thread = `/proc/self/task/${process.pid}`;
  try {
    if (fs.readFileSync(`${thread}/children`, "latin1") !== "") return true;
    const [call, descriptor = ""] = fs.readFileSync(`${thread}/syscall`, "latin1").split(" ");
    if (call !== READ[process.arch]) return false;
    const number = Number(descriptor);
    return number === 0 || TERMINAL.test(fs.readlinkSync(`/proc/self/fd/${number}`));
  } catch {
    // A system that does not say.
    return false;
  }
}

function giveUp({ facts, version, verbosity }: Watch): void {
  // The app's thread is what process.stderr writes through.
  const warn = (text: string): void => {
    if (isShown("warn", verbosity)) fs.writeSync(2, `rustpatcher: ${text}\n`);
  };
  try {
    if (!putPreviousBack(fs, facts.execPath, "hung")) {
      return warn(`version ${version} hangs, and there is no version to go back to`);
    }
    warn(`version ${version}: ${failureText("hung")}; the previous version is back`);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    return warn(`version ${version} hangs, and the previous one cannot be put back: ${reason}`);
  }
  become(facts);
  // Whoever starts the program gets the previous version.
  process.kill(process.pid, "SIGKILL");
}

/**
 * `process.execve` belongs to the app's thread, which never comes back to do it. Returns when the system
 * allows no machine code made at run time, or no exec.
 */
function become({ execPath, argv0, args, env, cwd }: ProcessFacts): void {
  const c = openLibc({
    chdir: { args: ["ptr"], returns: "i32" },
    pthread_sigmask: { args: ["i32", "ptr", "ptr"], returns: "i32" },
    execve: { args: ["ptr", "ptr", "ptr"], returns: "i32" },
  });
  if (c === undefined) return;
  const path = cString(execPath);
  const argv = pointers([argv0, ...args]);
  const envp = pointers(Object.entries(env).map(([name, value]) => `${name}=${value}`));
  if (cwd !== undefined) c.chdir(ptr(cString(cwd)));
  // The mask of a thread survives exec.
  c.pthread_sigmask(SIG_SETMASK, ptr(NO_SIGNALS), null);
  c.execve(ptr(path), ptr(argv.addresses), ptr(envp.addresses));
}

interface Pointers {
  readonly addresses: BigUint64Array;
  /** What they lead to. */
  readonly texts: readonly Uint8Array[];
}

function pointers(list: readonly string[]): Pointers {
  const texts = list.map(cString);
  return { addresses: BigUint64Array.from([...texts.map((text) => BigInt(ptr(text))), 0n]), texts };
}
