/** A bench/udx/peer.mjs process and its conversation in JSON lines. */

export type Implementation = "ours" | "native";
export type Role = "sender" | "receiver" | "pinger" | "ponger";

export interface PeerSettings {
  readonly bytes?: number;
  readonly chunkSize?: number;
  readonly rounds?: number;
  readonly id: number;
  readonly remoteId: number;
}

const ANSWER_TIMEOUT_MS = 60_000;
const PEER = new URL("peer.mjs", import.meta.url).pathname;

export class PeerProcess {
  private readonly child: Bun.Subprocess<"pipe", "pipe", "inherit">;
  private readonly seen: Record<string, unknown>[] = [];
  private readonly waiting: (() => void)[] = [];

  constructor(implementation: Implementation, role: Role, settings: PeerSettings) {
    const runtime = implementation === "ours" ? process.execPath : "node";
    this.child = Bun.spawn([runtime, PEER, implementation, role, JSON.stringify(settings)], {
      stdin: "pipe",
      stdout: "pipe",
      stderr: "inherit",
    });
    void this.read();
  }

  command(command: string, fields: Record<string, unknown> = {}): void {
    void this.child.stdin.write(`${JSON.stringify({ command, ...fields })}\n`);
    void this.child.stdin.flush();
  }

  /** The first answer that has this field. */
  async answer(field: string): Promise<Record<string, unknown>> {
    const deadline = performance.now() + ANSWER_TIMEOUT_MS;
    for (;;) {
      const found = this.seen.find((answer) => field in answer);
      if (found !== undefined) return found;
      const left = deadline - performance.now();
      if (left <= 0) throw new Error(`no ${field}, only ${JSON.stringify(this.seen)}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.waiting.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  async number(field: string): Promise<number> {
    return Number((await this.answer(field))[field]);
  }

  async stop(): Promise<void> {
    this.child.kill();
    await this.child.exited;
  }

  private async read(): Promise<void> {
    const decoder = new TextDecoder();
    let rest = "";
    for await (const bytes of this.child.stdout) {
      const lines = (rest + decoder.decode(bytes, { stream: true })).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) this.seen.push(JSON.parse(line));
      for (const wake of this.waiting.splice(0)) wake();
    }
  }
}
