/** Starts a real udx-native endpoint under Node and reads its events. */

export interface NativeSettings {
  /** `receive` and `echo` answer, `send` writes `bytes` and ends, `destroy` aborts; the last two on `start`. */
  readonly mode: "receive" | "echo" | "send" | "destroy";
  readonly bytes?: number;
  readonly chunkSize?: number;
  readonly id: number;
  readonly remoteId: number;
  readonly remotePort: number;
  readonly host: string;
}

export interface NativeEvent {
  readonly event: string;
  readonly [field: string]: unknown;
}

const EVENT_TIMEOUT_MS = 20_000;

export class NativePeer {
  private readonly process: Bun.Subprocess<"pipe", "pipe", "inherit">;
  private readonly seen: NativeEvent[] = [];
  private readonly waiting: (() => void)[] = [];

  constructor(settings: NativeSettings) {
    const script = new URL("native.cjs", import.meta.url).pathname;
    const argument = JSON.stringify({ bytes: 0, chunkSize: 65_536, ...settings });
    this.process = Bun.spawn(["node", script, argument], {
      stdin: "pipe",
      stdout: "pipe",
      stderr: "inherit",
    });
    void this.read();
  }

  start(): void {
    void this.process.stdin.write("start\n");
    void this.process.stdin.flush();
  }

  /** The first event of that name, past or future. Rejects after a while. */
  async event(name: string): Promise<NativeEvent> {
    const deadline = performance.now() + EVENT_TIMEOUT_MS;
    for (;;) {
      const found = this.seen.find(({ event }) => event === name);
      if (found !== undefined) return found;
      const left = deadline - performance.now();
      if (left <= 0)
        throw new Error(`no "${name}" from the native peer: ${JSON.stringify(this.seen)}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.waiting.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  async port(): Promise<number> {
    return Number((await this.event("listening"))["port"]);
  }

  async stop(): Promise<void> {
    this.process.kill();
    await this.process.exited;
  }

  private async read(): Promise<void> {
    let rest = "";
    const decoder = new TextDecoder();
    for await (const bytes of this.process.stdout) {
      const lines = (rest + decoder.decode(bytes, { stream: true })).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) this.seen.push(JSON.parse(line));
      for (const wake of this.waiting.splice(0)) wake();
    }
  }
}
