import { afterAll, beforeAll, expect, test } from "bun:test";
import { cp, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bundleScripts, NETWORK_ENTRIES } from "../../src/release/runtime-bundle.ts";

const ROOT = join(import.meta.dir, "../..");
const TIMEOUT_MS = 60_000;

/** A project of a user: app.ts, and in node_modules what the package consists of. */
let project = "";

beforeAll(async () => {
  project = await mkdtemp(join(tmpdir(), "rustpatcher-hyperdht-"));
  const installed = join(project, "node_modules/rustpatcher");
  await mkdir(installed, { recursive: true });
  await cp(join(ROOT, "package.json"), join(installed, "package.json"));
  await bundleScripts(NETWORK_ENTRIES, join(installed, "dist"));
  await cp(join(import.meta.dir, "fixtures/app.ts"), join(project, "app.ts"));
}, TIMEOUT_MS);

afterAll(() => rm(project, { recursive: true, force: true }));

async function run(...command: string[]): Promise<{ exitCode: number; stdout: string }> {
  const child = Bun.spawn(command, { cwd: project, stdout: "pipe", timeout: TIMEOUT_MS });
  const [stdout, exitCode] = await Promise.all([new Response(child.stdout).text(), child.exited]);
  return { stdout, exitCode };
}

test(
  "an app that has only this package talks HyperDHT",
  async () => {
    expect(await run(process.execPath, "app.ts")).toEqual({ exitCode: 0, stdout: "hello" });
  },
  TIMEOUT_MS,
);

// Bytecode is compiled as CommonJS unless told otherwise, and the module awaits at its top level.
test.each(["", "--minify", "--bytecode --format=esm"])(
  "so does the executable compiled from it: bun build --compile %s",
  async (text) => {
    const flags = text.split(" ").filter((flag) => flag !== "");
    const app = join(project, "app");
    const built = await run(
      process.execPath,
      "build",
      "--compile",
      ...flags,
      "app.ts",
      `--outfile=${app}`,
    );
    expect(built.exitCode).toBe(0);
    expect(await run(app)).toEqual({ exitCode: 0, stdout: "hello" });
    await rm(app);
  },
  TIMEOUT_MS,
);
