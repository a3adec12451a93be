/**
 * Makes dist/, which is all that the package consists of: the scripts that apps carry, the command line,
 * the build API, the blank region, and type declarations. Runs after `bun install` in a checkout, so that
 * `bunx rustpatcher` and `import "rustpatcher/auto"` work in it, and before `bun pm pack`.
 */
import { chmodSync, rmSync } from "node:fs";
import { join } from "node:path";
import { bundleScripts, RUNTIME_ENTRIES, TOOL_ENTRIES } from "../src/release/runtime-bundle.ts";

const ROOT = join(import.meta.dir, "..");
const DIST = join(ROOT, "dist");
const TSC_TIMEOUT_MS = 120_000;

rmSync(DIST, { recursive: true, force: true });
await bundleScripts({ ...RUNTIME_ENTRIES, ...TOOL_ENTRIES }, DIST);
chmodSync(join(DIST, "cli.js"), 0o755);

const tsc = Bun.spawn(
  [process.execPath, join(ROOT, "node_modules/.bin/tsc"), "-p", ".ci/tsconfig.types.json"],
  { cwd: ROOT, stdio: ["ignore", "inherit", "inherit"], timeout: TSC_TIMEOUT_MS },
);
process.exitCode = await tsc.exited;
