/**
 * A process with our own rights swaps the update's file at every moment it can (attack F9). SWAP_TRIES=10000
 * is what attacks are judged by, and takes minutes.
 */
import { expect, test } from "bun:test";
import { linkSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { TwoVersions } from "../helpers/two-versions.ts";

const TRIES = Number(process.env["SWAP_TRIES"] ?? 60);
const MS_PER_TRY = 500;
const SWAPPER = join(import.meta.dir, "../helpers/swapper.ts");

test(
  "whatever is swapped, no other file stays in the executable's place (F9)",
  async () => {
    const two = new TwoVersions();
    const { path, directory } = two.app;
    const master = join(two.elsewhere, "old");
    const forged = join(two.elsewhere, "forged");
    linkSync(path, master);
    writeFileSync(forged, "#!/bin/sh\necho owned\n", { mode: 0o755 });
    const swapper = Bun.spawn([process.execPath, SWAPPER, directory, forged], {
      stdio: ["ignore", "pipe", "ignore"],
    });
    try {
      await swapper.stdout.getReader().read();
      const outcomes = new Map<string, number>();
      for (let tries = 0; tries < TRIES; tries++) {
        for (const name of readdirSync(directory)) {
          rmSync(join(directory, name), { recursive: true, force: true });
        }
        linkSync(master, path);
        const code = (await two.install()) || "installed";
        outcomes.set(code, (outcomes.get(code) ?? 0) + 1);
        expect([tries, code, two.version]).toEqual([
          tries,
          code,
          code === "installed" ? "new" : "old",
        ]);
        expect(statSync(path).ino).not.toBe(statSync(forged).ino);
      }
      console.log(outcomes);
      // Else it was asleep.
      expect((outcomes.get("installed") ?? 0) < TRIES).toBe(true);
    } finally {
      swapper.kill("SIGKILL");
      await swapper.exited;
      two.remove();
    }
  },
  TRIES * MS_PER_TRY + 30_000,
);
