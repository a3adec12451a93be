/** The package as others get it: the tarball, installed into a project that has nothing else. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { isBuiltin } from "node:module";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { aliasPlugin } from "../../embed/alias/plugin.ts";

const ROOT = join(import.meta.dir, "../..");
const BIN = join(ROOT, "node_modules/.bin");
const TIMEOUT_MS = 120_000;

const UNPACKED_MAX_BYTES = 2_000_000;

let directory = "";
let project = "";
let tarball = "";

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
  const [name = "no tarball"] = readdirSync(directory).filter((file) => file.endsWith(".tgz"));
  tarball = join(directory, name);
  project = join(directory, "project");
  mkdirSync(project);
  writeFileSync(join(project, "package.json"), '{ "name": "my-app", "version": "1.0.0" }');
  writeFileSync(join(project, "app.ts"), 'import "rustpatcher/auto";\nconsole.log("my app");\n');
  succeed("bun", "add", tarball);
  succeed("bunx", "--no-install", "rustpatcher", "init");
}, TIMEOUT_MS);
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const installed = (): string => join(project, "node_modules/rustpatcher");
/** Beside Bun's own mark of what it installed. */
const filesOf = (folder: string): string[] =>
  readdirSync(folder, { recursive: true })
    .map(String)
    .filter((name) => name !== ".bun-tag");

test("is small", () => {
  const sizes = filesOf(installed())
    .filter((name) => !name.endsWith(".map"))
    .map((name) => statSync(join(installed(), name)))
    .filter((entry) => entry.isFile());
  const sizeBytes = sizes.reduce((sum, { size }) => sum + size, 0);
  expect(sizeBytes).toBeGreaterThan(1_000_000);
  expect(sizeBytes).toBeLessThanOrEqual(UNPACKED_MAX_BYTES);
});

test("carries what people read, and may be published", () => {
  const files = filesOf(installed());
  for (const name of ["README.md", "LICENSE", "CHANGELOG.md", "dist/THIRD-PARTY-NOTICES.txt"]) {
    expect(files).toContain(name);
  }
  const manifest = JSON.parse(readFileSync(join(installed(), "package.json"), "utf8")) as object;
  expect(manifest).not.toHaveProperty("private");
  expect(manifest).not.toHaveProperty("dependencies");
});

test("names each bundled package, with its licence", async () => {
  // What goes in is asked of the bundler anew, and by another way than the pack step's.
  const notices = readFileSync(join(installed(), "dist/THIRD-PARTY-NOTICES.txt"), "utf8");
  const inputs: string[] = [];
  for (const entry of ["embed/worker.ts", "src/cli/main.ts", "src/hyperdht.ts", "src/build.ts"]) {
    const { metafile } = await Bun.build({
      entrypoints: [join(ROOT, entry)],
      target: "bun",
      metafile: true,
      plugins: [aliasPlugin()],
    });
    inputs.push(...Object.keys(metafile?.inputs ?? {}));
  }
  const names = new Set(
    inputs.flatMap((input) => {
      // One may lie inside of another: the last folder is the one that owns the file.
      const [folder] = /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(resolve(input)) ?? [];
      if (folder === undefined) return [];
      const { name, version } = JSON.parse(
        readFileSync(join(folder, "package.json"), "utf8"),
      ) as Record<string, string>;
      return [`${name} ${version}`];
    }),
  );
  expect([...names].filter((name) => name.startsWith("libsodium-sumo "))).toHaveLength(1);
  expect([...names].filter((name) => !notices.includes(`\n${name} (`))).toEqual([]);
  const listed = [...notices.matchAll(/^(?:@?[a-z][\w./-]*) \d+\.\d+\.\d+ \(([\w.-]+)\)$/gm)];
  expect(listed.length).toBe(names.size);
  for (const [, licence] of listed) expect(["MIT", "ISC", "Apache-2.0"]).toContain(licence ?? "");
});

test("publint and @arethetypeswrong/cli have nothing to say", () => {
  expect(run(["publint", tarball, "--strict"])).toMatchObject({ code: 0 });
  // Bun loads ES modules only: so do the types.
  expect(run(["attw", tarball, "--profile", "esm-only"])).toMatchObject({ code: 0 });
});

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

/** What is carried by an app stands alone; what stays in the package shares its chunks. */
function mayImport(name: string, path: string): boolean {
  if (/^(auto|index)\.js$/.test(name)) {
    return /^\.\/(region\.bin|main-half\.js|watchdog\.js|worker\.js)$/.test(path);
  }
  // Loaded from inside of an executable, where they would find no file beside them.
  if (/^(main-half|watchdog|worker)\.js$/.test(name)) return false;
  if (/^(hyperdht|network)\.js$/.test(name)) return path === "./network.js";
  return /^\.\/(chunk-\w+|network)\.js$/.test(path);
}

test("its scripts import nothing but built-in modules, assets and each other", () => {
  const dist = join(project, "node_modules/rustpatcher/dist");
  const scripts = readdirSync(dist).filter((name) => name.endsWith(".js"));
  expect(scripts).toContain("auto.js");
  for (const name of scripts) {
    const { imports } = new Bun.Transpiler({ loader: "js" }).scan(readFileSync(join(dist, name)));
    const foreign = imports
      .map(({ path }) => path)
      .filter((path) => !isBuiltin(path) && path !== "bun" && !mayImport(name, path));
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

const API = `import "rustpatcher/auto";
import { spawn, UpdaterMode, Version, Patch, PatcherError, type Patcher } from "rustpatcher";
import { build, sign, runBuild } from "rustpatcher/build";
import HyperDHT from "rustpatcher/hyperdht";
export const kinds: string[] = [spawn, build, sign, runBuild, Patch, Version, UpdaterMode].map((v) => typeof v);
export const modes: UpdaterMode[] = [UpdaterMode.Now, UpdaterMode.At(3, 30)];
export async function use(): Promise<number> {
  const patcher: Patcher = await spawn({ mode: UpdaterMode.Manual, intervalSeconds: 5 });
  patcher.on("available", ({ version }) => console.log(version.toUpperCase()));
  await patcher.stop();
  // @ts-expect-error the types are there: it is a number
  const size: string = (await Patch.fromSelf()).info.size;
  return size.length;
}
export const node = (): HyperDHT => new HyperDHT({ bootstrap: [{ host: "127.0.0.1", port: 1 }] });
if (process.argv[2] === "print") {
  console.log(kinds.includes("undefined") ? "missing" : "complete", PatcherError.name);
}
`;

/** As strict as it gets, and over our declarations too. */
const STRICTEST = {
  target: "ESNext",
  types: ["bun"],
  typeRoots: [join(ROOT, "node_modules/@types")],
  strict: true,
  exactOptionalPropertyTypes: true,
  noImplicitOverride: true,
  noPropertyAccessFromIndexSignature: true,
  noUncheckedIndexedAccess: true,
  noUnusedLocals: true,
  noUnusedParameters: true,
  verbatimModuleSyntax: true,
  isolatedModules: true,
  noEmit: true,
};

describe("installed by npm", () => {
  let elsewhere = "";
  beforeAll(() => {
    elsewhere = join(directory, "npm-project");
    mkdirSync(elsewhere);
    const manifest = { name: "npm-app", version: "2.0.0", type: "module" };
    writeFileSync(join(elsewhere, "package.json"), JSON.stringify(manifest));
    writeFileSync(join(elsewhere, "api.ts"), API);
    const cache = join(directory, "npm-cache");
    const args = ["--offline", "--no-audit", "--no-fund", "--cache", cache, tarball];
    const { code, err } = run(["npm", "install", ...args], elsewhere);
    if (code !== 0) throw new Error(err);
  }, TIMEOUT_MS);

  test("it has the same files, and the command runs", () => {
    expect(filesOf(join(elsewhere, "node_modules/rustpatcher")).sort()).toEqual(
      filesOf(installed()).sort(),
    );
    const help = run(["node_modules/.bin/rustpatcher", "--help"], elsewhere);
    expect(help).toMatchObject({ code: 0, err: "" });
  });

  test("the API has values, and errors their names", () => {
    const { out } = run(["bun", "api.ts", "print"], elsewhere);
    expect(out).toBe("complete PatcherError\n");
  });

  test.each([
    ["Preserve", "bundler"],
    ["NodeNext", "nodenext"],
  ])(
    "and types, under the strictest settings: module %s, resolution %s",
    (module, moduleResolution) => {
      const compilerOptions = { ...STRICTEST, module, moduleResolution };
      writeFileSync(
        join(elsewhere, "tsconfig.json"),
        JSON.stringify({ compilerOptions, files: ["api.ts"] }),
      );
      expect(run(["tsc", "-p", "."], elsewhere)).toEqual({ code: 0, out: "", err: "" });
    },
    TIMEOUT_MS,
  );
});
