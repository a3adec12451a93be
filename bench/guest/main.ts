/**
 * All that is asked of a good guest: `bun bench/guest/main.ts`; half an hour on a machine that does nothing else. Runs
 * guest.ts, delay.ts and swarm.ts, one after another, with their defaults. Ends with code 1 when a bound is not kept.
 */
import { join } from "node:path";

const PARTS = ["guest.ts", "delay.ts", "swarm.ts"] as const;
const PART_MAX_MS = 40 * 60_000;

for (const part of PARTS) {
  console.log(`bun bench/guest/${part}`);
  const child = Bun.spawn([process.execPath, join(import.meta.dir, part)], {
    stdio: ["ignore", "inherit", "inherit"],
    timeout: PART_MAX_MS,
  });
  const exitCode = await child.exited;
  console.log(exitCode === 0 ? "ok\n" : `ended with ${child.signalCode ?? `code ${exitCode}`}\n`);
  if (exitCode !== 0) process.exitCode = 1;
}
