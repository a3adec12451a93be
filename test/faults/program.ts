/** A program that is run to its end, or from where it waits. */
import { AT_GATE, GATE_VARIABLE, type Gate } from "./gate.ts";

/** Whoever does not end by then hangs, which is a failure of its own. */
const TIMEOUT_MS = 60_000;

export interface Program {
  readonly argv: readonly [path: string, ...args: string[]];
  /** Beside PATH; without any, updates are switched off. */
  readonly env?: Readonly<Record<string, string>>;
  /** It is disturbed from there on, and not from its start. */
  readonly gate?: Gate;
  readonly timeoutMs?: number;
}

export interface Ending {
  /** Null when a signal has ended it. */
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** It had to be killed. */
  readonly isLate: boolean;
}

export interface Started {
  readonly pid: number;
  /** It waits at its gate, or has ended. */
  readonly atGate: Promise<void>;
  /** Lets it go on. */
  open(): void;
  readonly ended: Promise<Ending>;
}

/** To its end, undisturbed. */
export function run({ argv, env }: Program): Promise<Ending> {
  return start({ argv, ...(env === undefined ? {} : { env }) }).ended;
}

export function start({ argv, env, gate, timeoutMs = TIMEOUT_MS }: Program): Started {
  const child = Bun.spawn([...argv], {
    stdio: ["pipe", "pipe", "pipe"],
    env: {
      PATH: process.env["PATH"] ?? "",
      ...(env ?? { RUSTPATCHER_DISABLE: "1" }),
      ...(gate === undefined ? {} : { [GATE_VARIABLE]: gate }),
    },
  });
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    child.kill("SIGKILL");
  }, timeoutMs);
  const atGate = Promise.withResolvers<void>();
  const output = async (): Promise<string> => {
    let text = "";
    const decoder = new TextDecoder();
    for await (const bytes of child.stdout) {
      text += decoder.decode(bytes, { stream: true });
      if (text.startsWith(AT_GATE)) atGate.resolve();
    }
    atGate.resolve();
    return text.replace(AT_GATE, "");
  };
  const ended = Promise.all([output(), new Response(child.stderr).text(), child.exited]).then(
    ([stdout, stderr, exitCode]): Ending => {
      clearTimeout(timer);
      return { stdout, stderr, exitCode: child.signalCode === null ? exitCode : null, isLate };
    },
  );
  const open = (): void => {
    void child.stdin.write("\n");
    void child.stdin.end();
  };
  if (gate === undefined) open();
  return {
    pid: child.pid,
    atGate: atGate.promise,
    open,
    ended,
  };
}
