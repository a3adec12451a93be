/** Real compilations: what comes out runs, carries one region, and loads nothing from its directory. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { generateSeed, keyText, publicKeyOf } from "../../src/core/keys.ts";
import { findMarkers } from "../../src/exe/find-region.ts";
import { readAutoload } from "../../src/exe/standalone.ts";
import { verifyExecutable } from "../../src/exe/verify-executable.ts";
import { withFile } from "../../src/fs/file-source.ts";
import { inspectExecutable } from "../../src/release/inspect.ts";
import {
  buildRelease,
  type BuildOptions,
  type BuiltExecutable,
} from "../../src/release/release.ts";
import { signExecutable } from "../../src/release/sign.ts";
import { copyBlank } from "../helpers/executable.ts";

const TIMEOUT_MS = 60_000;
const seed = generateSeed();
const owner = publicKeyOf(seed);

let directory = "";
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "rustpatcher-test-"));
  writeFileSync(join(directory, "package.json"), '{ "name": "built", "version": "1.2.3" }');
  writeFileSync(
    join(directory, "app.ts"),
    'import "rustpatcher/auto";\nconsole.log("runs", process.argv[2]);\n',
  );
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const build = (options: Partial<BuildOptions> = {}): Promise<BuiltExecutable> =>
  buildRelease({
    entry: join(directory, "app.ts"),
    outfile: join(directory, "app"),
    seed,
    publishedS: 1_790_000_000,
    ...options,
  });

async function refusal(options: Partial<BuildOptions>): Promise<string> {
  try {
    await build(options);
  } catch (error) {
    return error instanceof Error ? error.message : "";
  }
  return "";
}

function run(path: string, cwd = directory): string {
  const env = { ...process.env, RUSTPATCHER_DISABLE: "1" };
  const { stdout } = Bun.spawnSync([path, "well"], { cwd, env, timeout: 20_000 });
  return stdout.toString();
}

describe("build", () => {
  test(
    "compiles, reserves and signs; the result runs",
    async () => {
      const built = await build();
      expect(run(built.path)).toBe("runs well\n");
      expect(withFile(built.path, (source) => verifyExecutable(source, { owner }))).toMatchObject({
        kind: "full",
        extension: { app: "built" },
        core: { version: { text: "1.2.3" } },
      });
      expect(built.signed?.warnings).toEqual([]);
      expect(statSync(built.path).mode & 0o111).not.toBe(0);
      expect(readdirSync(directory).filter((name) => name.startsWith("."))).toEqual([]);
    },
    TIMEOUT_MS,
  );

  test(
    "minified bytecode carries one region all the same (A4)",
    async () => {
      const { path } = await build({ minify: true, bytecode: true });
      expect(withFile(path, findMarkers)).toHaveLength(2);
      expect(run(path)).toBe("runs well\n");
    },
    TIMEOUT_MS,
  );

  test(
    "without a key it only reserves, and sign completes it",
    async () => {
      const settings = { publicKey: keyText(owner), mode: "manual", channel: "beta" };
      const { path, signed } = await build({ seed: undefined, settings });
      expect(signed).toBeUndefined();
      expect(withFile(path, inspectExecutable)).toMatchObject({
        state: "reserved",
        version: "1.2.3",
        mode: "manual",
        channel: "beta",
        publicKey: keyText(owner),
        autoload: { bunfig: false, dotenv: false },
        record: null,
      });
      expect(run(path)).toBe("runs well\n");
      signExecutable(path, { seed, publishedS: 1 });
      expect(run(path)).toBe("runs well\n");
    },
    TIMEOUT_MS,
  );

  test(
    "the app runs no preload and reads no .env of the directory it is started in (A15)",
    async () => {
      const { path } = await build();
      const trap = mkdtempSync(join(directory, "trap-"));
      writeFileSync(join(trap, "bunfig.toml"), 'preload = ["./evil.ts"]\n');
      writeFileSync(join(trap, "evil.ts"), 'console.log("evil");\n');
      expect(run(path, trap)).toBe("runs well\n");
      // The trap works: the same app compiled by hand walks into it.
      const byHand = join(trap, "by-hand");
      writeFileSync(join(trap, "plain.ts"), 'console.log("runs", process.argv[2]);\n');
      Bun.spawnSync([process.execPath, "build", "--compile", "plain.ts", "--outfile", byHand], {
        cwd: trap,
      });
      expect(run(byHand, trap)).toBe("evil\nruns well\n");
      rmSync(trap, { recursive: true });
    },
    TIMEOUT_MS,
  );

  describe("refuses, and leaves what is at the outfile alone", () => {
    test.each<[string, Partial<BuildOptions>, string]>([
      ["no owner", { seed: undefined }, "no owner key"],
      [
        "a key that is not the owner's",
        { settings: { publicKey: keyText(publicKeyOf(generateSeed())) } },
        "belongs to owner",
      ],
      [
        "a weak owner (B2)",
        { seed: undefined, settings: { publicKey: "y".repeat(52) } },
        "public key",
      ],
      [
        "an owner of 31 bytes (B1)",
        { seed: undefined, settings: { publicKey: "y".repeat(50) } },
        "z-base-32",
      ],
      [
        "a version of 17 characters (B6)",
        { settings: { version: "1.2.3-abcdefghijk" } },
        "not a version",
      ],
      ["a mode", { settings: { mode: "x" } }, "update mode"],
    ])("%s, before it compiles", async (_what, options, message) => {
      const outfile = join(directory, "existing");
      writeFileSync(outfile, "as it was");
      expect(await refusal({ outfile, ...options })).toContain(message);
      expect(readFileSync(outfile, "utf8")).toBe("as it was");
      rmSync(outfile);
    });

    test(
      "an app that does not import the updater (A1), and one that does not compile",
      async () => {
        const entry = join(directory, "other.ts");
        const outfile = join(directory, "never");
        writeFileSync(entry, "console.log(1);");
        expect(await refusal({ entry, outfile })).toContain('import "rustpatcher/auto"');
        writeFileSync(entry, "this is not code");
        expect(await refusal({ entry, outfile })).toContain("does not compile");
        rmSync(entry);
        expect(existsSync(outfile)).toBe(false);
        expect(readdirSync(directory).filter((name) => name.startsWith("."))).toEqual([]);
      },
      TIMEOUT_MS,
    );
  });
});

test(
  "sign warns about an app that was compiled by hand without the flags (A15)",
  async () => {
    const source = join(directory, "hand.ts");
    writeFileSync(source, 'console.log("by hand");\n');
    const path = join(directory, "hand");
    for (const [flags, expected] of [
      [[], { bunfig: true, dotenv: true }],
      [["--no-compile-autoload-bunfig"], { bunfig: false, dotenv: true }],
      [["--no-compile-autoload-dotenv"], { bunfig: true, dotenv: false }],
    ] as const) {
      Bun.spawnSync([process.execPath, "build", "--compile", ...flags, source, "--outfile", path]);
      expect(withFile(path, readAutoload)).toEqual(expected);
    }
    expect(withFile(process.execPath, readAutoload)).toBeUndefined();
    const blank = await copyBlank(directory, "blank");
    expect(withFile(blank, readAutoload)).toEqual({ bunfig: false, dotenv: false });
  },
  TIMEOUT_MS,
);
