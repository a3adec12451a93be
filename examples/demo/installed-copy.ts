/** A machine with the app on it: a directory of its own, and a process of the compiled executable. */
import { copyFile, mkdir } from "node:fs/promises";
import { join } from "node:path";

const KILL_AFTER_MS = 2_000;

export class InstalledCopy {
  readonly path: string;
  readonly #process: Bun.Subprocess<"ignore", "pipe", "pipe">;
  readonly #lines: string[] = [];
  readonly #waiting = new Set<() => void>();

  private constructor(path: string, bootstrap: string) {
    this.path = path;
    this.#process = Bun.spawn([path], {
      stdio: ["ignore", "pipe", "pipe"],
      env: {
        PATH: process.env["PATH"] ?? "",
        RUSTPATCHER_BOOTSTRAP: bootstrap,
        RUSTPATCHER_INTERVAL: "2",
        RUSTPATCHER_LOG: "info",
      },
    });
    void this.#collect(this.#process.stdout);
    void this.#collect(this.#process.stderr);
  }

  /** Copies `executable` to `directory` and starts it there. */
  static async start(
    executable: string,
    directory: string,
    bootstrap: string,
  ): Promise<InstalledCopy> {
    await mkdir(directory, { recursive: true });
    const path = join(directory, "hello");
    await copyFile(executable, path);
    return new InstalledCopy(path, bootstrap);
  }

  get pid(): number {
    return this.#process.pid;
  }

  /** The first line, past or future, that `pattern` matches. Rejects after `timeoutMs` or at the end. */
  async line(pattern: RegExp, timeoutMs: number): Promise<RegExpExecArray> {
    const untilMs = performance.now() + timeoutMs;
    for (;;) {
      for (const line of this.#lines) {
        const match = pattern.exec(line);
        if (match !== null) return match;
      }
      const leftMs = untilMs - performance.now();
      if (leftMs <= 0 || this.#process.exitCode !== null) {
        throw new Error(`not seen: ${pattern.source}\n${this.#lines.join("\n")}`);
      }
      await this.#more(leftMs);
    }
  }

  async stop(): Promise<void> {
    this.#process.kill("SIGTERM");
    const timer = setTimeout(() => this.#process.kill("SIGKILL"), KILL_AFTER_MS);
    await this.#process.exited;
    clearTimeout(timer);
  }

  async #collect(stream: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    let rest = "";
    for await (const piece of stream) {
      const lines = (rest + decoder.decode(piece, { stream: true })).split("\n");
      rest = lines.pop() ?? "";
      this.#lines.push(...lines);
      for (const wake of this.#waiting) wake();
    }
    for (const wake of this.#waiting) wake();
  }

  #more(timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, timeoutMs);
      this.#waiting.add(wake);
    });
  }
}
