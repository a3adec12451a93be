/**
 * A process that puts another file in the place of each temporary file of ours, at a moment of its life that
 * is drawn by lot. Arguments: the directory, the file to put there. Runs until it is ended.
 */
import { linkSync, lstatSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";

const [, , directory = "", forged = ""] = process.argv;
const OURS = /^\.app\.(update\.[0-9a-f]{16}\.rustpatcher-tmp|rustpatcher-partial)$/;
/** An installation of a made-up executable takes about as long. */
const LATEST_MS = 30;
const name = join(directory, "forged");
/** By file, whatever it is called. */
const swapAtMs = new Map<number, number>();
process.stdout.write("ready\n");
for (;;) {
  for (const found of readdirSync(directory)) {
    if (!OURS.test(found)) continue;
    const path = join(directory, found);
    const file = lstatSync(path, { throwIfNoEntry: false })?.ino ?? 0;
    const atMs = swapAtMs.get(file) ?? performance.now() + Math.random() * LATEST_MS;
    swapAtMs.set(file, atMs);
    if (performance.now() < atMs) continue;
    swapAtMs.delete(file);
    try {
      rmSync(name, { force: true });
      linkSync(forged, name);
      renameSync(name, path);
    } catch {
      // It was faster.
    }
  }
}
