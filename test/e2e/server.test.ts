/** The server of examples/server becomes the new version under load. In a network namespace of its own. */
import { afterAll, expect, test } from "bun:test";
import { join } from "node:path";
import { E2eReleases } from "../helpers/e2e-world.ts";

const TIMEOUT_MS = 60_000;
const ROOT = join(import.meta.dir, "../..");
const SOURCE = await Bun.file(join(ROOT, "examples/server/main.ts")).text();
const UNSHARE = ["unshare", "--user", "--map-root-user", "--net"];
const releases = new E2eReleases();
afterAll(() => releases.remove());

const hasNamespaces =
  process.platform === "linux" && Bun.spawnSync([...UNSHARE, "true"]).exitCode === 0;
if (!hasNamespaces) console.log("server: skipped, because no network namespace can be made here");

test.skipIf(!hasNamespaces)(
  "answers every request, on new connections and on kept ones, while it becomes the new version",
  async () => {
    const paths = await Promise.all(
      ["1.0.0", "1.0.1"].map((version) => releases.get({ version, source: SOURCE })),
    );
    const program = join(ROOT, "test/helpers/server-under-load.ts");
    const child = Bun.spawn([...UNSHARE, process.execPath, program, ...paths, "4"], {
      cwd: ROOT,
      stdio: ["ignore", "pipe", "inherit"],
      timeout: TIMEOUT_MS,
      killSignal: "SIGKILL",
    });
    const result = JSON.parse(await new Response(child.stdout).text()) as {
      answers: Record<string, number>;
    };
    expect(result).toMatchObject({
      failures: {},
      last: "hello from 1.0.1\n",
      isSameProcess: true,
    });
    const versions = ["hello from 1.0.0\n", "hello from 1.0.1\n"];
    expect(Object.keys(result.answers).sort()).toEqual(versions);
    for (const version of versions) expect(result.answers[version]).toBeGreaterThan(100);
  },
  TIMEOUT_MS,
);
