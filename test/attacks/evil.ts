/** An evil peer or client as a process that never outlives its test. */
import { join } from "node:path";

const LIFETIME_MS = 180_000;

export interface Evil {
  /** Ends it, and resolves with what it has counted. */
  end(): Promise<Readonly<Record<string, number>>>;
  kill(): Promise<unknown>;
}

/** Resolves when it is at work. */
export async function startEvil(
  script: string,
  options: Readonly<Record<string, string>>,
): Promise<Evil> {
  const flags = Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]);
  const child = Bun.spawn([process.execPath, join(import.meta.dir, script), ...flags], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "inherit",
    timeout: LIFETIME_MS,
    killSignal: "SIGKILL",
  });
  const lines: string[] = [];
  const ready = Promise.withResolvers<void>();
  const reading = (async () => {
    for await (const text of child.stdout) {
      lines.push(...new TextDecoder().decode(text).trim().split("\n"));
      ready.resolve();
    }
    ready.reject(new Error(`${script} ended`));
  })();
  reading.catch(() => undefined);
  await ready.promise;
  return {
    end: async () => {
      child.kill("SIGTERM");
      await reading.catch(() => undefined);
      return JSON.parse(lines.at(-1) ?? "{}") as Record<string, number>;
    },
    kill: () => {
      child.kill("SIGKILL");
      return child.exited;
    },
  };
}

/** The names of all lies. */
export function behaviours(): string[] {
  const { stdout } = Bun.spawnSync([
    process.execPath,
    join(import.meta.dir, "evil-peer.ts"),
    "--list",
  ]);
  return stdout.toString().trim().split("\n");
}
