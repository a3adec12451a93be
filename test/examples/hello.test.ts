/** The smallest app that updates itself, and with it the demo of the README: both versions compiled, one becomes the other. */
import { expect, test } from "bun:test";
import { join } from "node:path";

const TIMEOUT_MS = 120_000;
const DEMO = join(import.meta.dir, "../../examples/demo/demo.ts");

test(
  "examples/hello becomes its next version, as the demo shows it",
  () => {
    const { exitCode, stdout, stderr } = Bun.spawnSync([process.execPath, DEMO], {
      timeout: TIMEOUT_MS,
    });
    const shown = stdout.toString() + stderr.toString();
    for (const step of ["✓ verified", "✓ replaced", "✓ restarted same pid"]) {
      expect(shown).toContain(step);
    }
    expect(exitCode).toBe(0);
  },
  TIMEOUT_MS,
);
