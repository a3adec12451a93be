/**
 * Step 8 (restart) where a process cannot become another program: it starts the new version with the same
 * arguments, directory, console and standard streams, and waits. Who started it sees one program, and gets
 * its exit code. Nothing of the app runs meanwhile, since the thread does nothing but wait.
 *
 * A version that was started like this does not wait for the next one: it ends and has whoever waits start
 * again, so that any number of updates takes two processes. It asks by a file that holds its process id.
 */
import type { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import type { FileSystemNames } from "../fs/names.ts";
import { patiently } from "../fs/patiently.ts";
import { pathBeside } from "../fs/own-files.ts";
import { systemSwap } from "../update/system-swap.ts";
import { SUPERVISOR_VARIABLE, type ProcessFacts } from "./process-facts.ts";

/** Ctrl-C and the like go to every process of a console: the new version decides what to do. */
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK"] as const;
type FileSystem = FileSystemNames & {
  readonly existsSync: typeof existsSync;
  readonly readFileSync: typeof readFileSync;
  readonly rmSync: typeof rmSync;
  readonly writeFileSync: typeof writeFileSync;
};

/** Returns only by throwing the system's error, when nothing could be started. */
export function becomeBySpawning(facts: ProcessFacts): never {
  const fs = process.getBuiltinModule("node:fs") as FileSystem;
  const request = pathBeside(facts.execPath, "restart");
  if (facts.supervisor !== undefined) {
    fs.writeFileSync(request, `${process.pid}\n`);
    return process.reallyExit(0);
  }
  for (const signal of SIGNALS) process.on(signal, () => undefined);
  for (;;) {
    const { pid, code } = run(facts);
    recover(fs, facts.execPath);
    if (!takeRequest(fs, request, pid)) return process.reallyExit(code);
  }
}

function run({ execPath, argv0, args, env, cwd }: ProcessFacts): { pid: number; code: number } {
  // A scanner may look at the new file before anybody else can start it.
  const child = patiently(
    () =>
      Bun.spawnSync([execPath, ...args], {
        argv0,
        ...(cwd !== undefined && { cwd }),
        env: { ...env, [SUPERVISOR_VARIABLE]: String(process.pid) },
        stdio: ["inherit", "inherit", "inherit"],
      }),
    (waitMs) => Bun.sleepSync(waitMs),
  );
  return { pid: child.pid, code: exitCodeOf(child) };
}

/** Killed in the middle of an installation, it has left no executable at the path. */
function recover(fs: FileSystem, path: string): void {
  // Nothing was being installed: then somebody has removed the program, and it is to stay away.
  if (!fs.existsSync(pathBeside(path, "pending"))) return;
  systemSwap(fs, path).recover(pathBeside(path, "previous"), path);
}

/** As a shell has it. Bun passes on eight bits; a crash has more, and must not become a success. */
function exitCodeOf({ exitCode, signalCode }: Bun.SyncSubprocess): number {
  if (signalCode !== undefined) return 1;
  return exitCode !== 0 && (exitCode & 0xff) === 0 ? 1 : exitCode;
}

function takeRequest(fs: FileSystem, path: string, pid: number): boolean {
  try {
    if (!fs.existsSync(path) || fs.readFileSync(path, "latin1") !== `${pid}\n`) return false;
    fs.rmSync(path);
    return true;
  } catch {
    return false;
  }
}
