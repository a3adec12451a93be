/** publish, fetch and dht as processes, in a network that `dht` itself makes. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { generateSeed, keyText, publicKeyOf } from "../../src/core/keys.ts";
import { makeRelease, type ReleaseOptions, type TestRelease } from "../helpers/release.ts";
import { tinyElf } from "../helpers/tiny-executables.ts";
import { until, within } from "../helpers/swarm-world.ts";

const MAIN = join(import.meta.dir, "../../src/cli/main.ts");
const WAIT_MS = 15_000;
const seed = generateSeed();
const owner = keyText(publicKeyOf(seed));
const NOW_S = Math.floor(Date.now() / 1000);

let directory: string;
const running: Cli[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "rustpatcher-network-"));
});
afterEach(async () => {
  for (const cli of running.splice(0)) await cli.kill();
  rmSync(directory, { recursive: true, force: true });
});

class Cli {
  readonly #process: Bun.Subprocess<"ignore", "pipe", "pipe">;
  out = "";
  err = "";
  readonly #read: Promise<unknown>;

  constructor(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
    this.#process = Bun.spawn([process.execPath, MAIN, ...args], {
      cwd: directory,
      env: {
        PATH: process.env["PATH"] ?? "",
        HOME: process.env["HOME"] ?? "",
        NO_COLOR: "1",
        ...env,
      },
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
    const read = async (
      stream: ReadableStream<Uint8Array>,
      keep: (text: string) => void,
    ): Promise<void> => {
      const decoder = new TextDecoder();
      for await (const bytes of stream) keep(decoder.decode(bytes, { stream: true }));
    };
    this.#read = Promise.all([
      read(this.#process.stdout, (text) => (this.out += text)),
      read(this.#process.stderr, (text) => (this.err += text)),
    ]);
    running.push(this);
  }

  async says(pattern: RegExp): Promise<RegExpExecArray> {
    await until(
      () => pattern.test(this.out) || this.#process.exitCode !== null,
      `${String(pattern)} in ${this.out}${this.err}`,
      WAIT_MS,
    );
    const match = pattern.exec(this.out);
    if (match === null) throw new Error(`it ended with ${this.out}${this.err}`);
    return match;
  }

  /** Exit code, when it ends by itself. */
  async ended(): Promise<number> {
    const code = await within(this.#process.exited, `the end of ${this.out}${this.err}`, WAIT_MS);
    await this.#read;
    return code;
  }

  interrupt(): void {
    this.#process.kill("SIGINT");
  }

  async kill(): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#process.exited;
  }
}

function signed(options: Partial<ReleaseOptions> = {}): { path: string; release: TestRelease } {
  const header = tinyElf();
  const release = makeRelease(seed, { version: "1.0.1", blocks: 3, header, ...options });
  const path = join(directory, "published");
  writeFileSync(path, release.file, { mode: 0o755 });
  return { path, release };
}

async function network(): Promise<string> {
  const dht = new Cli(["dht", "--port", "0"]);
  const [, address] = await dht.says(/^(127\.0\.0\.1:\d+)$/m);
  return address ?? "";
}

const fetching = ["fetch", owner, "--app", "hello", "--target", "linux-x64"];

describe("from one machine to the next, with no server", () => {
  test("dht, publish and fetch: the file arrives whole, executable, and the publisher may stop", async () => {
    const bootstrap = await network();
    const { path, release } = signed();
    const publisher = new Cli(["publish", path, "--bootstrap", bootstrap, "--until-peers", "1"]);
    await publisher.says(/serving 1\.0\.1 for linux-x64: 0 copies/);
    const fetcher = new Cli([...fetching, "--out", "installed"], {
      RUSTPATCHER_BOOTSTRAP: bootstrap,
    });
    expect(await fetcher.ended()).toBe(0);
    expect(fetcher.err).toBe("");
    expect(fetcher.out).toContain("found 1.0.1");
    const installed = join(directory, "installed");
    expect(Buffer.compare(await Bun.file(installed).bytes(), release.file)).toBe(0);
    expect(statSync(installed).mode & 0o777).toBe(0o755);
    expect(await publisher.ended()).toBe(0);
    expect(publisher.out).toContain("1 copy has it");
    expect(publisher.err).toBe("");
    expect(readdirSync(directory).sort((a, b) => a.localeCompare(b))).toEqual([
      "installed",
      "published",
    ]);
  }, 40_000);

  test("--json: one document from fetch, one a line from publish", async () => {
    const bootstrap = await network();
    const { path, release } = signed();
    const publisher = new Cli(["publish", path, "--bootstrap", bootstrap, "--json"]);
    await publisher.says(/\n/);
    const fetcher = new Cli([...fetching, "--bootstrap", bootstrap, "--json"]);
    expect(await fetcher.ended()).toBe(0);
    expect(JSON.parse(fetcher.out)).toEqual({
      app: "hello",
      target: "linux-x64",
      channel: "stable",
      path: join(directory, "hello"),
      version: "1.0.1",
      sizeBytes: release.file.length,
    });
    await publisher.says(/"copies":1/);
    publisher.interrupt();
    expect(await publisher.ended()).toBe(0);
    const lines = publisher.out
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { version: string });
    expect(lines.every(({ version }) => version === "1.0.1")).toBe(true);
  }, 40_000);

  test("Ctrl-C in a fetch that finds nobody: exit 130, nothing left behind", async () => {
    const bootstrap = await network();
    const fetcher = new Cli([...fetching, "--bootstrap", bootstrap]);
    await Bun.sleep(1_500);
    fetcher.interrupt();
    expect(await fetcher.ended()).toBe(130);
    expect(fetcher.err).toContain("stopped: nothing was left behind");
    expect(readdirSync(directory)).toEqual([]);
  }, 30_000);

  test("an expired release is not served", async () => {
    const bootstrap = await network();
    const { path } = signed({ publishedS: NOW_S - 100, expiresS: NOW_S - 50 });
    const publisher = new Cli(["publish", path, "--bootstrap", bootstrap]);
    expect(await publisher.ended()).toBe(1);
    expect(publisher.err).toContain("it expired");
    // Control: the same release with its end in the future is served.
    const { path: fresh } = signed({ publishedS: NOW_S - 100, expiresS: NOW_S + 5_000 });
    const other = new Cli(["publish", fresh, "--bootstrap", bootstrap]);
    await other.says(/serving/);
  }, 30_000);
});

describe("refusals", () => {
  test("publish: what is not a signed executable, with one sentence and exit 1", async () => {
    const { path, release } = signed();
    const damaged = Uint8Array.from(release.file);
    damaged[20_000] = (damaged[20_000] ?? 0) ^ 1;
    writeFileSync(path, damaged);
    for (const [file, sentence] of [
      [path, /hash|content|changed/i],
      [join(directory, "missing"), /there is no file/],
      [directory, /not a file/],
      [MAIN, /no signature region/],
    ] as const) {
      const cli = new Cli(["publish", file, "--bootstrap", "127.0.0.1:1"]);
      expect(await cli.ended()).toBe(1);
      expect(cli.err).toMatch(sentence);
      expect(cli.err.trim().split("\n").length).toBe(1);
      expect(cli.out).toBe("");
    }
  }, 30_000);

  test("wrong usage is exit 2", async () => {
    for (const args of [
      ["publish"],
      ["publish", "x", "--until-peers", "0"],
      ["publish", "x", "--until-peers", "many"],
      ["fetch", owner],
      ["dht", "--host", "example.org"],
      ["dht", "--host", "0.0.0.0"],
      ["dht", "--port", "70000"],
      ["dht", "--nonsense"],
    ]) {
      const cli = new Cli(args);
      expect([args, await cli.ended()]).toEqual([args, 2]);
      expect(cli.err).not.toBe("");
    }
  }, 30_000);

  test("fetch: a wrong key, target, secret, address or place to write, before anything is sent", async () => {
    for (const args of [
      ["fetch", owner.slice(1), "--app", "hello", "--bootstrap", "127.0.0.1:1"],
      [...fetching, "--bootstrap", "127.0.0.1"],
      [...fetching, "--bootstrap", "127.0.0.1:99999"],
      ["fetch", owner, "--app", "hello", "--target", "amiga", "--bootstrap", "127.0.0.1:1"],
      [...fetching, "--shared-secret", "short", "--bootstrap", "127.0.0.1:1"],
      [...fetching, "--out", directory, "--bootstrap", "127.0.0.1:1"],
    ]) {
      const cli = new Cli(args);
      expect([args, await cli.ended()]).toEqual([args, 1]);
      expect(cli.err.trim().split("\n").length).toBe(1);
      expect(cli.out).toBe("");
    }
  }, 30_000);

  test("dht: a port that is taken", async () => {
    const address = await network();
    const cli = new Cli(["dht", "--port", address.split(":")[1] ?? ""]);
    expect(await cli.ended()).toBe(1);
    expect(cli.err).not.toContain("bug");
  }, 30_000);
});
