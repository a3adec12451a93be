/** Faults below the process boundary: strace(1) finds a program's system calls and makes one of them fail. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const STRACE = Bun.which("strace");
export const hasStrace: boolean = STRACE !== null;
/** Whoever does not end by then hangs, which is a failure of its own. */
const RUN_TIMEOUT_MS = 60_000;
/** "PID call(", as strace -f writes the entry of a call, whole or unfinished. */
const ENTRY = /^(\d+) +([a-z0-9_]+)\((.*)$/;

/** Killed before the call does anything, or told by the system that it cannot be done. */
export const KINDS = [
  "SIGKILL",
  "ENOSPC",
  "EDQUOT",
  "EIO",
  "EROFS",
  "EACCES",
  "EXDEV",
  "EMFILE",
] as const;
export type Kind = (typeof KINDS)[number];

/** The `nth` call of this kind that one thread makes. */
export interface Point {
  readonly call: string;
  readonly nth: number;
}

export interface Fault extends Point {
  readonly kind: Kind;
  /** From this call on every one of its kind fails, as on a disk that stays full. */
  readonly lasts: boolean;
}

export interface Outcome {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** The fault has taken place. */
  readonly isHit: boolean;
}

export type Command = readonly [program: string, ...args: string[]];

export interface Call extends Point {
  /** Its arguments, as strace shows them, descriptors with their paths. */
  readonly rest: string;
}

/** Every call of an undisturbed run that has to do with what lies in `directory`, in the order of the run. */
export async function callsOf(command: Command, directory: string): Promise<Call[]> {
  const options = ["--seccomp-bpf", "-y", "-e", "trace=%file,%desc"];
  return traced(options, command, (_outcome, log) => {
    const counts = new Map<string, number>();
    const calls: Call[] = [];
    for (const line of log.split("\n")) {
      const [, thread, call, rest] = ENTRY.exec(line) ?? [];
      if (thread === undefined || call === undefined || rest === undefined) continue;
      const nth = (counts.get(thread + call) ?? 0) + 1;
      counts.set(thread + call, nth);
      // Code that is mapped is read without a call; an error of the mapping is none of the disk's.
      if (rest.includes(directory) && call !== "mmap") calls.push({ call, nth, rest });
    }
    return calls;
  });
}

export async function runWith(fault: Fault, command: Command): Promise<Outcome> {
  const { call, nth, kind, lasts } = fault;
  const what = kind === "SIGKILL" ? `signal=${kind}` : `error=${kind}`;
  const inject = `inject=${call}:${what}:when=${nth}${lasts ? "+" : ""}`;
  // Quicker by far, but under it no signal is sent (strace 6.1).
  const filter = kind === "SIGKILL" ? [] : ["--seccomp-bpf"];
  return traced([...filter, "-e", `trace=${call}`, "-e", inject], command, (outcome, log) => ({
    ...outcome,
    // strace ends as its program did.
    isHit: kind === "SIGKILL" ? outcome.exitCode === null : log.includes("(INJECTED)"),
  }));
}

export async function run(command: Command): Promise<Outcome> {
  const child = Bun.spawn([...command], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { PATH: process.env["PATH"] ?? "", RUSTPATCHER_DISABLE: "1" },
    timeout: RUN_TIMEOUT_MS,
    killSignal: "SIGKILL",
  });
  const [stdout, stderr, exitCode] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { stdout, stderr, exitCode: child.signalCode === null ? exitCode : null, isHit: false };
}

async function traced<T>(
  options: readonly string[],
  command: Command,
  read: (outcome: Outcome, log: string) => T,
): Promise<T> {
  if (STRACE === null) throw new Error("strace is not installed");
  const directory = mkdtempSync(join(tmpdir(), "rustpatcher-strace-"));
  try {
    const log = join(directory, "log");
    const strace = [STRACE, "-f", "-qq", "-o", log, ...options] as const;
    const outcome = await run([...strace, ...command]);
    return read(outcome, readFileSync(log, "latin1"));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
