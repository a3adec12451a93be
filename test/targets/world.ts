/** What the scripts here share: the command line as processes, a DHT on loopback, and nothing left of it. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { scratchDirectory } from "../helpers/scratch.ts";

const MAIN = join(import.meta.dir, "../../src/cli/main.ts");
export const STEP_TIMEOUT_MS = 180_000;
/** Of what serves, and of a script: longer than all steps of a busy machine together. */
export const LIFETIME_MS = 1_800_000;

export type Child = Bun.Subprocess<"ignore", "pipe", "pipe">;

export class TargetsWorld {
  readonly directory: string = scratchDirectory("targets");
  readonly #children: Child[] = [];

  async destroy(): Promise<void> {
    for (const child of this.#children) child.kill("SIGKILL");
    await Promise.all(this.#children.map((child) => child.exited));
  }

  path(...parts: string[]): string {
    return join(this.directory, ...parts);
  }

  spawn(
    command: readonly string[],
    env: Readonly<Record<string, string>> = {},
    cwd: string = this.directory,
    timeoutMs: number = STEP_TIMEOUT_MS,
  ): Child {
    const child = Bun.spawn([...command], {
      cwd,
      env: { PATH: process.env["PATH"] ?? "", HOME: process.env["HOME"] ?? "", ...env },
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
      timeout: timeoutMs,
      killSignal: "SIGKILL",
    });
    this.#children.push(child);
    return child;
  }

  /** A command that goes on until it is ended, at the latest by `destroy`. */
  cli(...args: readonly string[]): Child {
    return this.spawn([process.execPath, MAIN, ...args], {}, this.directory, LIFETIME_MS);
  }

  /** Runs a command to its end; what it printed, or its error. */
  async done(...args: readonly string[]): Promise<string> {
    const { out, err, code } = await finished(this.spawn([process.execPath, MAIN, ...args]));
    if (code !== 0) throw new Error(`rustpatcher ${args.join(" ")}: ${err}`);
    return out;
  }

  /** host:port of a bootstrap node of our own. */
  async dht(): Promise<string> {
    const dht = this.cli("dht", "--port", "0");
    const address = (await says(dht, /^127\.0\.0\.1:[0-9]+/m, STEP_TIMEOUT_MS))?.[0];
    if (address === undefined) throw new Error("no bootstrap node");
    return address;
  }

  app(source: string): void {
    writeFileSync(this.path("app.ts"), source);
  }
}

export interface Finished {
  readonly out: string;
  readonly err: string;
  readonly code: number;
}

export async function finished(child: Child): Promise<Finished> {
  const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  return { out, err, code: await child.exited };
}

/** Resolves with a match in everything said so far; undefined when that never happens: then the child is ended. */
export async function says(
  child: Child,
  pattern: RegExp,
  timeoutMs: number,
  stream: ReadableStream<Uint8Array> = child.stdout,
): Promise<RegExpExecArray | undefined> {
  const timer = setTimeout(() => child.kill("SIGKILL"), timeoutMs);
  try {
    let text = "";
    const decoder = new TextDecoder();
    for await (const bytes of stream) {
      text += decoder.decode(bytes, { stream: true });
      const match = pattern.exec(text);
      if (match !== null) return match;
    }
    return undefined;
  } finally {
    clearTimeout(timer);
  }
}
