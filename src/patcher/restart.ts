import type { ProcessFacts } from "./process-facts.ts";
import { becomeBySpawning } from "./restart-windows.ts";

/**
 * Step 8 (restart): this process becomes the executable at its own path. Same PID, arguments, environment
 * and working directory; nothing of ours stays open, since every descriptor of Bun's closes on exec.
 * Returns only by throwing the system's error: ENOENT, ENOEXEC, EACCES, …
 */
export function becomeNewVersion(facts: ProcessFacts): never {
  if (process.platform === "win32") return becomeBySpawning(facts);
  const { execPath, argv0, args, env, cwd } = facts;
  try {
    // Arguments may be paths relative to it.
    if (cwd !== undefined) process.chdir(cwd);
  } catch {
    // It is gone: the new version starts where this one is now.
  }
  if (process.execve === undefined) throw new Error("this system cannot replace a running program");
  return process.execve(execPath, [argv0, ...args], { ...env });
}
