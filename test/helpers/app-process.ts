/** A compiled app as a child process that is watched line by line and never outlives its test. */
export interface AppOptions {
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** In front of the command, such as nsenter and where to. */
  readonly prefix?: readonly string[];
  /** It is killed after this. */
  readonly lifetimeMs?: number;
}

/** What the app of e2e-app.ts prints: one JSON object a line, with at least a name. */
export interface AppEvent {
  readonly name: string;
  readonly [field: string]: unknown;
}

const WAIT_MS = 20_000;
/** Whatever a test does, the child is gone by then; a restart keeps the PID and with it this limit. */
const LIFETIME_MS = 60_000;

export class AppProcess {
  readonly events: AppEvent[] = [];
  /** Lines on stderr. */
  readonly log: string[] = [];
  readonly #child: Bun.Subprocess<"pipe", "pipe", "pipe">;
  readonly #readers: Promise<void>[];

  constructor(
    path: string,
    { args = [], env = {}, cwd, prefix = [], lifetimeMs = LIFETIME_MS }: AppOptions = {},
  ) {
    this.#child = Bun.spawn([...prefix, path, ...args], {
      stdin: "pipe",
      stdout: "pipe",
      stderr: "pipe",
      // Nothing of the test runner's own environment may decide what the app does.
      env: { PATH: process.env["PATH"] ?? "", ...env },
      ...(cwd === undefined ? {} : { cwd }),
      timeout: lifetimeMs,
      killSignal: "SIGKILL",
    });
    this.#readers = [
      eachLine(this.#child.stdout, (line) => this.events.push(parse(line))),
      eachLine(this.#child.stderr, (line) => this.log.push(line)),
    ];
  }

  get pid(): number {
    return this.#child.pid;
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  get exited(): Promise<number> {
    return this.#child.exited;
  }

  /** Writes a line to the app's stdin. */
  send(line: string): void {
    void this.#child.stdin.write(`${line}\n`);
    void this.#child.stdin.flush();
  }

  /** Events of this name so far. */
  all(name: string): AppEvent[] {
    return this.events.filter((event) => event.name === name);
  }

  /** The `count`th event of this name, past or to come. */
  async event(name: string, count = 1, waitMs: number = WAIT_MS): Promise<AppEvent> {
    await this.until(() => this.all(name).length >= count, `${count} × ${name}`, waitMs);
    const found = this.all(name)[count - 1];
    if (found === undefined) throw new Error(`no ${name}`);
    return found;
  }

  /** Waits for `isDone`, for the child's end, or too long; the last two are errors that show the output. */
  async until(isDone: () => boolean, what: string, waitMs: number = WAIT_MS): Promise<void> {
    const endMs = performance.now() + waitMs;
    while (!isDone()) {
      if (!this.isRunning) throw new Error(`the app ended before ${what}${this.#output()}`);
      if (performance.now() > endMs)
        throw new Error(`waited too long for ${what}${this.#output()}`);
      await Bun.sleep(10);
    }
  }

  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#child.exited;
    await Promise.all(this.#readers);
  }

  #output(): string {
    const events = this.events.slice(-40).map((event) => JSON.stringify(event));
    return `\n${[...events, ...this.log.slice(-40)].join("\n")}`;
  }
}

function parse(line: string): AppEvent {
  try {
    return JSON.parse(line) as AppEvent;
  } catch {
    // Nothing but the app may write to stdout: a test that looks for this name finds it.
    return { name: "stray", line };
  }
}

async function eachLine(
  stream: ReadableStream<Uint8Array>,
  visit: (line: string) => void,
): Promise<void> {
  let rest = "";
  const decoder = new TextDecoder();
  for await (const chunk of stream) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) visit(line);
  }
  if (rest !== "") visit(rest);
}
