import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { aliasPlugin } from "../../embed/alias/plugin.ts";
import { createLoopbackDht } from "../helpers/dht.ts";

const TIMEOUT_MS = 60_000;
const FIXTURES = join(import.meta.dir, "fixtures");
const NODE_MODULES = join(import.meta.dir, "../../node_modules");
const ELF_MAGIC = Buffer.from([0x7f, 0x45, 0x4c, 0x46]);

interface Compiled {
  readonly path: string;
  /** Paths of all bundled files. */
  readonly inputs: readonly string[];
}

let directory = "";
let emptyDirectory = "";

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "rustpatcher-alias-"));
  emptyDirectory = await mkdtemp(join(directory, "tmp-"));
});

afterAll(() => rm(directory, { recursive: true, force: true }));

async function compile(entry: string, plugins: Bun.BunPlugin[]): Promise<Compiled> {
  const path = join(directory, entry.replace(/\.ts$/, ""));
  const result = await Bun.build({
    entrypoints: [join(FIXTURES, entry)],
    target: "bun",
    minify: true,
    metafile: true,
    plugins,
    compile: { outfile: path, autoloadBunfig: false, autoloadDotenv: false },
  });
  return { path, inputs: Object.keys(result.metafile?.inputs ?? {}) };
}

/** How many ELF files `bytes` contains: the runtime itself, and each native addon carried along. */
async function elfCount(path: string): Promise<number> {
  const bytes = await readFile(path);
  let count = 0;
  for (let at = bytes.indexOf(ELF_MAGIC); at !== -1; at = bytes.indexOf(ELF_MAGIC, at + 1)) count++;
  return count;
}

/**
 * Runs `command` with every name for the temporary directory pointing to a read-only, noexec file system, and
 * without this checkout's node_modules, where a bundled loader of addons would still find them. The mounts
 * live in a namespace of their own and are gone when the process is.
 */
async function runWithoutTmp(
  command: readonly string[],
): Promise<{ exitCode: number; stdout: string }> {
  const hide = (path: string): string => `mount -t tmpfs -o ro,noexec tmpfs "${path}"`;
  const script = `${hide(emptyDirectory)} && ${hide(NODE_MODULES)} && exec "$@"`;
  const tmp = { TMPDIR: emptyDirectory, BUN_TMPDIR: emptyDirectory, TMP: emptyDirectory };
  const child = Bun.spawn(["unshare", "--mount", "sh", "-c", script, "sh", ...command], {
    cwd: emptyDirectory,
    env: { PATH: process.env["PATH"] ?? "", ...tmp, TEMP: emptyDirectory },
    stdout: "pipe",
    stderr: "ignore",
    timeout: 20_000,
    killSignal: "SIGKILL",
  });
  const [stdout, exitCode] = await Promise.all([new Response(child.stdout).text(), child.exited]);
  return { exitCode, stdout };
}

// Mounting needs root; the bundle itself is examined everywhere.
const isRoot = process.getuid?.() === 0 && process.platform === "linux";

describe("a compiled app with HyperDHT", () => {
  let app: Compiled;
  beforeAll(async () => {
    app = await compile("app.ts", [aliasPlugin()]);
  }, TIMEOUT_MS);

  test("contains no native addon", async () => {
    expect(app.inputs.some((path) => path.includes("node_modules/@hyperswarm/dht/"))).toBe(true);
    const native = /\.node$|node_modules\/(udx-native|sodium-native|sodium-universal)\//;
    expect(app.inputs.filter((path) => native.test(path))).toEqual([]);
    expect(await elfCount(app.path)).toBe(await elfCount(process.execPath));
  });

  test.if(isRoot)(
    "connects and echoes with nothing but a read-only, noexec TMPDIR",
    async () => {
      const dht = await createLoopbackDht(2);
      try {
        const received: Buffer[] = [];
        const ours = await dht.createNode();
        const server = ours.createServer((stream) => {
          stream.on("data", (data) => {
            received.push(data);
            stream.end();
          });
          stream.on("error", () => undefined);
          stream.write(Buffer.alloc(100_000, "echo "));
        });
        await server.listen();
        const run = await runWithoutTmp([
          app.path,
          String(dht.bootstrap[0]?.port),
          ours.defaultKeyPair.publicKey.toString("hex"),
        ]);
        expect(run.exitCode).toBe(0);
        expect(JSON.parse(run.stdout)).toEqual({ failure: null, embedded: [] });
        expect(Buffer.concat(received)).toEqual(Buffer.alloc(100_000, "echo "));
        expect(await readdir(emptyDirectory)).toEqual([]);
        await server.close();
      } finally {
        await dht.destroy();
      }
    },
    TIMEOUT_MS,
  );
});

describe.if(process.platform === "linux" && process.arch === "x64")(
  "the same checks on an app with an addon",
  () => {
    let app: Compiled;
    beforeAll(async () => {
      app = await compile("native-app.ts", []);
    }, TIMEOUT_MS);

    test("see the addon in the executable", async () => {
      expect(app.inputs.some((path) => path.endsWith(".node"))).toBe(true);
      expect(await elfCount(app.path)).toBeGreaterThan(await elfCount(process.execPath));
    });

    test.if(isRoot)(
      "see that it does not start with such a TMPDIR, though it does with a usable one",
      async () => {
        const usual = Bun.spawnSync([app.path], { cwd: directory, env: { TMPDIR: directory } });
        expect(usual.stdout.toString()).toBe("loaded");
        const run = await runWithoutTmp([app.path]);
        expect(run.stdout).not.toContain("loaded");
        expect(run.exitCode).not.toBe(0);
      },
      TIMEOUT_MS,
    );
  },
);
