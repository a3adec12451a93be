/** Faults below the process boundary: strace(1) finds a program's system calls and makes one of them fail. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { start, type Ending, type Program } from "./program.ts";

const STRACE = Bun.which("strace");
export const hasStrace: boolean = STRACE !== null;
/** "PID call(", as strace -f writes the entry of a call, whole or unfinished. */
const ENTRY = /^(\d+) +([a-z0-9_]+)\((.*)$/;
/** A thread becomes another program: it has the number of the process from then on, and its own counts. */
const SUPERSEDED = /^(\d+) +\+\+\+ superseded by execve in pid (\d+) /;

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

export interface Call extends Point {
  /** Its arguments, as strace shows them, descriptors with their paths. */
  readonly rest: string;
}

export interface Disturbed extends Ending {
  /** The fault has taken place. */
  readonly isHit: boolean;
}

/** Every call of an undisturbed run that has to do with what lies in `directory`, in the order of the run. */
export async function callsOf(program: Program, directory: string): Promise<Call[]> {
  const options = ["--seccomp-bpf", "-y", "-e", "trace=%file,%desc"];
  return traced(options, program, (_ending, log) => {
    const counts = new Map<string, Map<string, number>>();
    const calls: Call[] = [];
    for (const line of log.split("\n")) {
      const [, process, superseded] = SUPERSEDED.exec(line) ?? [];
      if (process !== undefined && superseded !== undefined) {
        counts.set(process, counts.get(superseded) ?? new Map());
      }
      const [, thread, call, rest] = ENTRY.exec(line) ?? [];
      if (thread === undefined || call === undefined || rest === undefined) continue;
      const ofThread = counts.get(thread) ?? new Map<string, number>();
      counts.set(thread, ofThread);
      const nth = (ofThread.get(call) ?? 0) + 1;
      ofThread.set(call, nth);
      // Code that is mapped is read without a call; an error of the mapping is none of the disk's.
      if (rest.includes(directory) && call !== "mmap") calls.push({ call, nth, rest });
    }
    return calls;
  });
}

export async function runWith(fault: Fault, program: Program): Promise<Disturbed> {
  const { call, nth, kind, lasts } = fault;
  const what = kind === "SIGKILL" ? `signal=${kind}` : `error=${kind}`;
  const inject = `inject=${call}:${what}:when=${nth}${lasts ? "+" : ""}`;
  // Quicker by far, but under it no signal is sent (strace 6.1).
  const filter = kind === "SIGKILL" ? [] : ["--seccomp-bpf"];
  return traced([...filter, "-e", `trace=${call}`, "-e", inject], program, (ending, log) => ({
    ...ending,
    // strace ends as its program did.
    isHit: kind === "SIGKILL" ? log.includes("killed by SIGKILL") : log.includes("(INJECTED)"),
  }));
}

async function traced<T>(
  options: readonly string[],
  program: Program,
  read: (ending: Ending, log: string) => T,
): Promise<T> {
  if (STRACE === null) throw new Error("strace is not installed");
  const directory = mkdtempSync(join(tmpdir(), "rustpatcher-strace-"));
  try {
    const log = join(directory, "log");
    const strace = [STRACE, "-f", "-o", log, ...options] as const;
    const ending = await (program.gate === undefined
      ? start({ ...program, argv: [...strace, "-q", ...program.argv] }).ended
      : watched(strace, program));
    return read(ending, readFileSync(log, "latin1"));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** From where it waits. */
async function watched(strace: Program["argv"], program: Program): Promise<Ending> {
  const started = start(program);
  await started.atGate;
  const { pid } = started;
  // Takes no filter for what runs already.
  const options = strace.filter((option) => option !== "--seccomp-bpf");
  const tracer = Bun.spawn([...options, "-p", String(pid)], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  const attached = Promise.withResolvers<void>();
  const said = (async () => {
    // "Process … attached".
    for await (const _bytes of tracer.stderr) attached.resolve();
    attached.resolve();
  })();
  await attached.promise;
  started.open();
  const ending = await started.ended;
  await Promise.all([tracer.exited, said]);
  return ending;
}
