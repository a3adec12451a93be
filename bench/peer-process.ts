/** A child process under measurement, and its conversation in JSON lines: one answer for each command. */

/** Ours runs under Bun; the original, with its native packages, under Node. */
export type Implementation = "ours" | "native";

export type Fields = Record<string, unknown>;

const ANSWER_TIMEOUT_MS = 120_000;
const ROOT = new URL("..", import.meta.url).pathname;

export interface PeerOptions {
  /** A command that runs another, such as `nsenter`; it must become it, not start it. */
  readonly prefix?: readonly string[];
  readonly argv?: readonly string[];
}

export class PeerProcess {
  readonly implementation: Implementation;
  private readonly child: Bun.Subprocess<"pipe", "pipe", "inherit">;
  private readonly waiting: PromiseWithResolvers<Fields>[] = [];

  /** Starts `script`, which gets the implementation as its first argument, in front of `argv`. */
  constructor(implementation: Implementation, script: string, options: PeerOptions = {}) {
    const { prefix = [], argv = [] } = options;
    this.implementation = implementation;
    const runtime =
      implementation === "ours"
        ? [process.execPath, ...profileFlags(), script]
        : ["node", "--expose-gc", script];
    this.child = Bun.spawn([...prefix, ...runtime, implementation, ...argv], {
      // Where bunfig.toml is, with the replacements of the native packages.
      cwd: ROOT,
      stdin: "pipe",
      stdout: "pipe",
      stderr: "inherit",
    });
    void this.read();
  }

  get pid(): number {
    return this.child.pid;
  }

  /** Runs a command of the script. Rejects with its error, or when the process ends or takes too long. */
  async call(
    command: string,
    fields: Fields = {},
    timeoutMs: number = ANSWER_TIMEOUT_MS,
  ): Promise<Fields> {
    const answer = Promise.withResolvers<Fields>();
    this.waiting.push(answer);
    const timer = setTimeout(
      () => answer.reject(new Error(`${this.implementation}: no answer to ${command}`)),
      timeoutMs,
    );
    try {
      void this.child.stdin.write(`${JSON.stringify({ command, ...fields })}\n`);
      await this.child.stdin.flush();
      return await answer.promise;
    } finally {
      clearTimeout(timer);
    }
  }

  async stop(): Promise<void> {
    await this.child.stdin.end();
    const timer = setTimeout(() => this.child.kill("SIGKILL"), 3_000);
    await this.child.exited;
    clearTimeout(timer);
  }

  private async read(): Promise<void> {
    let rest = "";
    for await (const text of this.child.stdout.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        const answer = JSON.parse(line) as Fields & { error?: unknown };
        const waiting = this.waiting.shift();
        const { error } = answer;
        if (typeof error !== "string") waiting?.resolve(answer);
        else waiting?.reject(new Error(`${this.implementation}: ${error}`));
      }
    }
    for (const { reject } of this.waiting) reject(new Error(`${this.implementation}: ended`));
  }
}

/** BENCH_PROFILE=<directory> profiles our side. */
function profileFlags(): string[] {
  const directory = process.env["BENCH_PROFILE"];
  return directory === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${directory}`];
}
