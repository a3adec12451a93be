import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "./swarm-world.ts";

const SCRATCH = join(import.meta.dir, "scratch.ts");

const PROGRAM = `
  import { mkdtempSync } from "node:fs";
  import { tmpdir } from "node:os";
  import { join } from "node:path";
  import { scratchDirectory } from ${JSON.stringify(SCRATCH)};
  const directory = scratchDirectory("test");
  const child = Bun.spawn(["sleep", "30"], { stdio: ["ignore", "ignore", "ignore"] });
  const other = mkdtempSync(join(tmpdir(), "other-"));
  console.log(JSON.stringify({ directory, other, pid: child.pid }));
  if (process.argv.at(-1) === "throws") throw new Error("as programs do");
  if (process.argv.at(-1) === "waits") setInterval(() => undefined, 1_000);
  else process.exit(0);
`;

interface Said {
  readonly directory: string;
  readonly other: string;
  readonly pid: number;
}

test.each([
  ["ends", undefined, 0],
  ["throws", undefined, 1],
  ["waits", "SIGINT", 130],
  ["waits", "SIGTERM", 143],
] as const)(
  "a program that %s (signal: %p) leaves neither files nor children",
  async (way, signal, code) => {
    const child = Bun.spawn([process.execPath, "-e", PROGRAM, "--", way], {
      stdio: ["ignore", "pipe", "ignore"],
      timeout: 10_000,
    });
    const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    const { value = "" } = await reader.read();
    const { directory, other, pid } = JSON.parse(value) as Said;
    if (signal !== undefined) {
      expect(existsSync(other)).toBe(true);
      child.kill(signal);
    }
    expect(await child.exited).toBe(code);
    expect(directory).toStartWith(join(tmpdir(), "rustpatcher-test-"));
    expect(other).toStartWith(directory);
    expect(existsSync(directory)).toBe(false);
    await until(() => !isRunning(pid), "its child to be gone");
  },
);

/** Killed is enough: who has not been waited for yet is a zombie. */
function isRunning(pid: number): boolean {
  try {
    return !/^.*\) Z /s.test(readFileSync(`/proc/${pid}/stat`, "latin1"));
  } catch {
    return false;
  }
}
