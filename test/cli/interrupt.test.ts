/** Ctrl-C in the middle of long work: the right exit code, and a directory as it was, but for what is gone on with. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { generateSeed, keyText, publicKeyOf } from "../../src/core/keys.ts";
import { writeKeyFile } from "../../src/release/key-file.ts";
import { createLoopbackDht, type LoopbackDht } from "../helpers/dht.ts";
import { copyBlank } from "../helpers/executable.ts";
import { makeRelease } from "../helpers/release.ts";
import { until, within } from "../helpers/swarm-world.ts";
import { tinyElf } from "../helpers/tiny-executables.ts";

const MAIN = join(import.meta.dir, "../../src/cli/main.ts");
const TIMEOUT_MS = 60_000;
const WAIT_MS = 30_000;
const INTERRUPTED = 130;
const seed = generateSeed();

let directory = "";
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "rustpatcher-interrupt-"));
  writeKeyFile(join(directory, "owner_key"), seed);
});
const children: Bun.Subprocess[] = [];
afterEach(async () => {
  for (const child of children.splice(0)) {
    child.kill("SIGKILL");
    await child.exited;
  }
  rmSync(directory, { recursive: true, force: true });
});

const names = (): string[] => readdirSync(directory).sort();

interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs a command, interrupts it when `isTime`, and waits for its end. */
async function interrupted(
  args: readonly string[],
  isTime: () => boolean,
  env = {},
): Promise<Ended> {
  const child = Bun.spawn([process.execPath, MAIN, ...args], {
    cwd: directory,
    env: {
      PATH: process.env["PATH"] ?? "",
      HOME: process.env["HOME"] ?? "",
      NO_COLOR: "1",
      ...env,
    },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: TIMEOUT_MS,
    killSignal: "SIGKILL",
  });
  children.push(child);
  const [out, err] = [child.stdout.text(), child.stderr.text()];
  await until(() => isTime() || child.exitCode !== null, "the moment", WAIT_MS).catch(
    async (error) => {
      child.kill("SIGKILL");
      throw new Error(`${String(error)}: ${await out}${await err}`);
    },
  );
  child.kill("SIGINT");
  const code = await within(child.exited, "the end", WAIT_MS);
  return { code, out: await out, err: await err };
}

const isThere = (pattern: RegExp) => () => names().some((name) => pattern.test(name));

test(
  "build: while it compiles",
  async () => {
    writeFileSync(join(directory, "app.ts"), 'import "rustpatcher/auto";\n');
    writeFileSync(join(directory, "package.json"), '{ "name": "my-app", "version": "1.0.0" }');
    const before = names();
    const build = ["build", "app.ts", "--sign", "--key-file", "owner_key"];
    const { code } = await interrupted(build, isThere(/^\.rustpatcher-build-/));
    expect({ code, names: names() }).toEqual({ code: INTERRUPTED, names: before });
  },
  TIMEOUT_MS,
);

test(
  "sign: what it has begun is finished or undone, never half done",
  async () => {
    const path = await copyBlank(directory, "app");
    const before = names();
    const sign = [
      "sign",
      "app",
      "--app",
      "my-app",
      "--version",
      "1.0.0",
      "--key-file",
      "owner_key",
    ];
    const { code } = await interrupted(sign, isThere(/rustpatcher-tmp$/));
    expect([0, INTERRUPTED]).toContain(code);
    expect(names()).toEqual(before);
    const inspected = Bun.spawnSync([
      process.execPath,
      MAIN,
      "inspect",
      path,
      "--json",
    ]).stdout.toString();
    expect(["blank", "signed"]).toContain((JSON.parse(inspected) as { state: string }).state);
  },
  TIMEOUT_MS,
);

async function inNetwork(
  work: (bootstrap: string, net: LoopbackDht) => Promise<void>,
): Promise<void> {
  const net = await createLoopbackDht(3);
  try {
    await work(net.bootstrap.map(({ host, port }) => `${host}:${port}`).join(","), net);
  } finally {
    await net.destroy();
  }
}

test(
  "fetch: in the middle of a download; publish: whenever",
  async () => {
    await inNetwork(async (RUSTPATCHER_BOOTSTRAP) => {
      const { file } = makeRelease(seed, { version: "1.0.1", blocks: 1_500, header: tinyElf() });
      writeFileSync(join(directory, "published"), file, { mode: 0o755 });
      const before = names();
      const env = { RUSTPATCHER_BOOTSTRAP };
      let fetched: Ended | undefined;
      const fetch = [
        "fetch",
        keyText(publicKeyOf(seed)),
        "--app",
        "hello",
        "--target",
        "linux-x64",
      ];
      const fetching = interrupted(fetch, isThere(/rustpatcher-partial$/), env).then(
        (end) => (fetched = end),
      );
      const published = await interrupted(
        ["publish", "published"],
        () => fetched !== undefined,
        env,
      );
      await fetching;
      // Stopped as soon as the file is there: with or without anything in it.
      const partial = ".hello.rustpatcher-partial";
      const said = names().includes(partial)
        ? "the same command goes on where this one was"
        : "nothing was left behind";
      expect(fetched).toMatchObject({ code: INTERRUPTED, err: expect.stringContaining(said) });
      expect(published).toMatchObject({ code: 0, err: "" });
      const left = new Set([...before, partial]);
      expect(names().filter((name) => !left.has(name))).toEqual([]);
      expect(Buffer.compare(readFileSync(join(directory, "published")), file)).toBe(0);
    });
  },
  TIMEOUT_MS,
);
