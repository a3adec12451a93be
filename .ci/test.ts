/**
 * Runs the whole suite in random order, each file in a world of its own, and closes with the line
 * `N passed, N failed`. What a test leaves behind among the temporary files counts as failed. Further arguments go to
 * `bun test`.
 */
import { chmodSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const TOTAL_TIMEOUT_MS = 60 * 60_000;
const directory = mkdtempSync(join(tmpdir(), "rustpatcher-suite-"));
// Some tests become another user, who has to reach what is in there.
chmodSync(directory, 0o711);
const reportPath = join(directory, "junit.xml");

const child = Bun.spawn(
  [
    process.execPath,
    "test",
    "--isolate",
    "--randomize",
    "--no-orphans",
    "--timeout=60000",
    "--reporter=junit",
    `--reporter-outfile=${reportPath}`,
    ...process.argv.slice(2),
  ],
  {
    cwd: join(import.meta.dir, ".."),
    env: { ...process.env, TMPDIR: directory },
    stdio: ["ignore", "inherit", "inherit"],
    timeout: TOTAL_TIMEOUT_MS,
  },
);
// Whoever is interrupted here has still to remove what the tests had no time to.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => child.kill(signal));
const exitCode = await child.exited;
const report = Bun.file(reportPath);
const summary = (await report.exists()) ? await report.text() : "";
rmSync(reportPath, { force: true });
const left = readdirSync(directory);
rmSync(directory, { recursive: true, force: true });

function count(attribute: string): number {
  const match = new RegExp(`<testsuites[^>]* ${attribute}="(\\d+)"`).exec(summary);
  return Number(match?.[1] ?? 0);
}

const [tests, failures, skipped] = [count("tests"), count("failures"), count("skipped")];
// A crash of the runner, or a file that could not be loaded, is a failure without a test to its name.
const unnamed = failures === 0 && (exitCode !== 0 || tests === 0) ? 1 : 0;
for (const name of left) console.error(`left behind among the temporary files: ${name}`);
const failed = failures + unnamed + left.length;
const passed = Math.max(0, tests - failures - skipped);
console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`);
process.exit(failed === 0 ? 0 : 1);
