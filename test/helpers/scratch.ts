/** For programs that people start: whatever ends one, Ctrl-C included, its files are gone and its children with it. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/**
 * A directory that is there for as long as this process. Other temporary files go into it too, those of its children
 * with them, if they get its environment.
 */
export function scratchDirectory(name: string): string {
  const directory = mkdtempSync(join(tmpdir(), `rustpatcher-${name}-`));
  process.env["TMPDIR"] = directory;
  process.on("exit", () => {
    for (const pid of children()) kill(pid);
    rmSync(directory, { recursive: true, force: true });
  });
  for (const signal of SIGNALS) {
    // As a shell says it of a program that the signal has ended. Not once: a second one would end it before its files are gone.
    process.on(signal, () => process.exit(128 + constants.signals[signal]));
  }
  return directory;
}

/** Of any thread of this process; none where there is no /proc. */
function children(): number[] {
  try {
    return readdirSync("/proc/self/task").flatMap((thread) =>
      readFileSync(`/proc/self/task/${thread}/children`, "latin1")
        .split(" ")
        .filter((pid) => pid !== "")
        .map(Number),
    );
  } catch {
    return [];
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended.
  }
}
