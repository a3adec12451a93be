/** Where a copy finds a release: a DHT, and who serves it, for as long as a world lasts. */
import { join } from "node:path";

const SCRIPT = join(import.meta.dir, "swarm.ts");

export interface Publisher {
  /** "host:port,…" */
  readonly bootstrap: string;
  readonly end: () => Promise<void>;
}

export async function publish(path: string): Promise<Publisher> {
  const child = Bun.spawn([process.execPath, SCRIPT, path], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const reader = child.stdout.getReader();
  const { value } = await reader.read();
  reader.releaseLock();
  return {
    bootstrap: new TextDecoder().decode(value).trim(),
    end: async () => {
      void child.stdin.end();
      await child.exited;
    },
  };
}
