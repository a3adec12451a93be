import { readdirSync } from "node:fs";
import { join } from "node:path";

const ROOT = join(import.meta.dir, "../..");
const TIMEOUT_MS = 120_000;

/** Packs this checkout into `directory`, as it would be published; returns the path of the tarball. */
export function packInto(directory: string): string {
  const { exitCode, stderr } = Bun.spawnSync(
    [process.execPath, "pm", "pack", "--destination", directory],
    { cwd: ROOT, timeout: TIMEOUT_MS },
  );
  const [name] = readdirSync(directory).filter((file) => file.endsWith(".tgz"));
  if (exitCode !== 0 || name === undefined) throw new Error(stderr.toString());
  return join(directory, name);
}
