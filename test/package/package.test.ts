/** The package as others get it: the tarball, installed into a project that has nothing else. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { isBuiltin } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";

const ROOT = join(import.meta.dir, "../..");
const BIN = join(ROOT, "node_modules/.bin");
const TIMEOUT_MS = 120_000;

let directory = "";
let project = "";

function run(argv: readonly string[], cwd = project): { code: number; out: string; err: string } {
  const { RUSTPATCHER_KEY: _none, ...inherited } = process.env;
  const { exitCode, stdout, stderr } = Bun.spawnSync([...argv], {
    cwd,
    env: { ...inherited, PATH: `${BIN}:${process.env["PATH"] ?? ""}`, RUSTPATCHER_DISABLE: "1" },
    timeout: TIMEOUT_MS,
  });
  return { code: exitCode, out: stdout.toString(), err: stderr.toString() };
}

function succeed(...argv: string[]): string {
  const { code, out, err } = run(argv);
  if (code !== 0) throw new Error(`${argv.join(" ")} exited ${code}: ${err}`);
  return out;
}

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "rustpatcher-test-"));
  const packed = run(["bun", "pm", "pack", "--destination", directory], ROOT);
  if (packed.code !== 0) throw new Error(packed.err);
  const [tarball] = readdirSync(directory).filter((name) => name.endsWith(".tgz"));
  project = join(directory, "project");
  mkdirSync(project);
  writeFileSync(join(project, "package.json"), '{ "name": "my-app", "version": "1.0.0" }');
  writeFileSync(join(project, "app.ts"), 'import "rustpatcher/auto";\nconsole.log("my app");\n');
  succeed("bun", "add", join(directory, tarball ?? "no tarball"));
  succeed("bunx", "--no-install", "rustpatcher", "init");
}, TIMEOUT_MS);
afterAll(() => rmSync(directory, { recursive: true, force: true }));

test("installs nothing but itself, and no native code", () => {
  expect(
    readdirSync(join(project, "node_modules")).filter((name) => !name.startsWith(".")),
  ).toEqual(["rustpatcher"]);
  const files = readdirSync(join(project, "node_modules/rustpatcher"), { recursive: true }).map(
    String,
  );
  expect(files.filter((name) => /\.(node|so|dylib|dll|wasm)$/.test(name))).toEqual([]);
  expect(files).toContain("dist/worker.js");
  expect(files.filter((name) => /^(src|test|embed|\.ci)/.test(name))).toEqual([]);
});

test("its scripts import nothing but built-in modules and their own assets", () => {
  const dist = join(project, "node_modules/rustpatcher/dist");
  const scripts = readdirSync(dist).filter((name) => name.endsWith(".js"));
  expect(scripts).toContain("auto.js");
  for (const name of scripts) {
    const { imports } = new Bun.Transpiler({ loader: "js" }).scan(readFileSync(join(dist, name)));
    const foreign = imports
      .map(({ path }) => path)
      .filter(
        (path) =>
          !isBuiltin(path) && path !== "bun" && !/^\.\/(region\.bin|worker\.js)$/.test(path),
      );
    expect({ name, foreign }).toEqual({ name, foreign: [] });
  }
});

test(
  "plain `bun build --compile`, then `rustpatcher sign`: version and owner from package.json",
  () => {
    succeed("bun", "build", "--compile", "./app.ts", "--outfile", "plain");
    const signed = run(["bunx", "--no-install", "rustpatcher", "sign", "plain"]);
    expect(signed.code).toBe(0);
    expect(signed.err).toContain("--no-compile-autoload-bunfig");
    expect(succeed("bunx", "--no-install", "rustpatcher", "verify", "plain", "--json")).toContain(
      '"1.0.0"',
    );
    expect(succeed("./plain")).toBe("my app\n");
  },
  TIMEOUT_MS,
);

test(
  "`rustpatcher build --sign`, and the build.ts that init wrote",
  () => {
    succeed(
      "bunx",
      "--no-install",
      "rustpatcher",
      "build",
      "./app.ts",
      "--outfile",
      "built",
      "--sign",
    );
    expect(succeed("./built")).toBe("my app\n");
    expect(
      succeed("bun", "build.ts", "--sign", "--outfile", "scripted", "--version", "1.1.0"),
    ).toContain("1.1.0");
    expect(succeed("./scripted")).toBe("my app\n");
  },
  TIMEOUT_MS,
);

test(
  "the API has values and types",
  () => {
    writeFileSync(
      join(project, "api.ts"),
      `import "rustpatcher/auto";
import { spawn, UpdaterMode, Version, Patch } from "rustpatcher";
import { build, sign, runBuild } from "rustpatcher/build";
export const kinds: string[] = [spawn, build, sign, runBuild, Patch, Version, UpdaterMode].map((v) => typeof v);
if (process.argv[2] === "print") console.log(kinds.includes("undefined") ? "missing" : "complete");
`,
    );
    expect(succeed("bun", "api.ts", "print")).toContain("complete");
    writeFileSync(
      join(project, "tsconfig.json"),
      JSON.stringify({
        compilerOptions: {
          target: "ESNext",
          module: "Preserve",
          moduleResolution: "bundler",
          types: ["bun"],
          typeRoots: [join(ROOT, "node_modules/@types")],
          strict: true,
          noEmit: true,
          skipLibCheck: true,
        },
        files: ["api.ts"],
      }),
    );
    expect(run(["tsc", "-p", "."])).toEqual({ code: 0, out: "", err: "" });
  },
  TIMEOUT_MS,
);
