/** A compiled app that updates itself, watched from outside. */
import { residentMiB } from "./memory.ts";

const LOOK_EVERY_MS = 5;
/** Its memory has settled when it has not changed by more than this for so long. */
const SETTLED_MIB = 0.5;
const SETTLED_MS = 3_000;
const TIMEOUT_MS = 60_000;
const INTERVAL_S = "1";

export class AppProcess {
  readonly #child: Bun.Subprocess<"ignore", "pipe", "pipe">;
  readonly #seen: { readonly text: string; readonly atMs: number }[] = [];

  constructor(path: string, bootstrap: string) {
    this.#child = Bun.spawn([path, "stay"], {
      cwd: "/",
      env: {
        PATH: "/bin",
        RUSTPATCHER_BOOTSTRAP: bootstrap,
        RUSTPATCHER_INTERVAL: INTERVAL_S,
        RUSTPATCHER_LOG: "info",
      },
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
    void this.#read(this.#child.stdout);
    void this.#read(this.#child.stderr);
  }

  /** Resolves with what is resident once that stays the same. */
  async settled(): Promise<number> {
    await this.#until(/serving/);
    let [sinceMs, baseMiB] = [performance.now(), 0];
    while (performance.now() - sinceMs < SETTLED_MS) {
      await Bun.sleep(100);
      const nowMiB = residentMiB(this.#child.pid) ?? 0;
      if (Math.abs(nowMiB - baseMiB) <= SETTLED_MIB) continue;
      [sinceMs, baseMiB] = [performance.now(), nowMiB];
    }
    return baseMiB;
  }

  /** From the newer record seen to the new version running, and the most that was resident in between. */
  async updated(): Promise<{ readonly seconds: number; readonly peakMiB: number }> {
    const starts = this.#count(/hello from line 1,|line was changed/);
    let peakMiB = 0;
    let startMs: number | undefined;
    const untilMs = performance.now() + TIMEOUT_MS;
    while (performance.now() < untilMs) {
      await Bun.sleep(LOOK_EVERY_MS);
      startMs ??= this.#seen.find(({ text }) => /found \d/.test(text))?.atMs;
      const started = this.#seen.filter(({ text }) =>
        /hello from line 1,|line was changed/.test(text),
      );
      const last = started.at(-1);
      if (started.length > starts && last !== undefined && startMs !== undefined) {
        return { seconds: (last.atMs - startMs) / 1000, peakMiB };
      }
      if (startMs !== undefined) peakMiB = Math.max(peakMiB, residentMiB(this.#child.pid) ?? 0);
    }
    throw new Error(`no update: ${this.#seen.map(({ text }) => text).join("\n")}`);
  }

  async stop(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#child.exited;
  }

  #count(pattern: RegExp): number {
    return this.#seen.filter(({ text }) => pattern.test(text)).length;
  }

  async #until(pattern: RegExp): Promise<void> {
    const untilMs = performance.now() + TIMEOUT_MS;
    while (this.#count(pattern) === 0) {
      if (performance.now() > untilMs) throw new Error(`waited too long for ${pattern.source}`);
      await Bun.sleep(LOOK_EVERY_MS);
    }
  }

  async #read(stream: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<void> {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      this.#seen.push({ text, atMs: performance.now() });
    }
  }
}
