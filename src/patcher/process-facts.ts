import { withoutDeletedSuffix } from "../fs/deleted-name.ts";

/**
 * How this process was started, taken when it starts: a restart must repeat it, whatever the app changes
 * meanwhile.
 */
export interface ProcessFacts {
  readonly execPath: string;
  /** What the program was called as. */
  readonly argv0: string;
  /** Without the two entries that Bun puts in front. */
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Undefined when the directory was gone already. */
  readonly cwd: string | undefined;
  /** The version before this one, which waits for it and starts it again when asked; see restart-windows.ts. */
  readonly supervisor: number | undefined;
}

/** Set by a version that waits, to its process id. Not for the app, and not for what the app starts. */
export const SUPERVISOR_VARIABLE = "RUSTPATCHER_SUPERVISOR";
/** The scripts of the main half are bundled separately, and whichever is first knows best. */
const SLOT = Symbol.for("rustpatcher.start");

export const startFacts: ProcessFacts =
  (Reflect.get(globalThis, SLOT) as ProcessFacts | undefined) ?? takeFacts();
Reflect.set(globalThis, SLOT, startFacts);

function takeFacts(): ProcessFacts {
  // Before the environment is copied.
  const supervisor = takeSupervisor();
  return {
    execPath: withoutDeletedSuffix(process.execPath),
    argv0: process.argv0,
    args: process.argv.slice(2),
    // What is set has a value; going through the entries would take ten times as long.
    env: { ...process.env } as Record<string, string>,
    cwd: workingDirectory(),
    supervisor,
  };
}

function takeSupervisor(): number | undefined {
  const text = process.env[SUPERVISOR_VARIABLE];
  if (text === undefined) return undefined;
  Reflect.deleteProperty(process.env, SUPERVISOR_VARIABLE);
  return text === String(process.ppid) ? process.ppid : undefined;
}

function workingDirectory(): string | undefined {
  try {
    return process.cwd();
  } catch {
    // Removed under us: then there is nothing to go back to.
    return undefined;
  }
}
