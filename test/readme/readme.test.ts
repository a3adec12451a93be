/** The README's own commands and code, in an empty project that has the tarball. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { packInto } from "../helpers/tarball.ts";
import { blocksOf } from "./markdown.ts";

const ROOT = join(import.meta.dir, "../..");
const BIN = join(ROOT, "node_modules/.bin");
const TIMEOUT_MS = 55_000;

/** What the test cannot do as it stands, and why. */
const NOT_HERE: readonly (readonly [command: RegExp, reason: string])[] = [
  [/^npx --yes bun@/, "downloads Bun, and is the demo or this suite itself"],
];

const blocks = blocksOf(await Bun.file(join(ROOT, "README.md")).text());
const code = (language: string): string[] =>
  blocks.filter((block) => block.language === language).map(({ text }) => text);

let directory = "";
let project = "";
let tarball = "";

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "rustpatcher-readme-"));
  tarball = packInto(directory);
  project = join(directory, "project");
  mkdirSync(project);
}, TIMEOUT_MS);
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const isHere = (line: string): boolean => !NOT_HERE.some(([pattern]) => pattern.test(line));

function freePort(): number {
  const server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response() });
  const { port = 0 } = server;
  void server.stop(true);
  return port;
}

/** Runs a block as one script; what it left running in the background ends with it. */
function run(block: string): string {
  const command = `set -em
trap 'for job in $(jobs -p); do kill -- "-$job" || true; done; wait' EXIT
${block}`;
  const { RUSTPATCHER_KEY: _none, ...inherited } = process.env;
  const { exitCode, stdout, stderr } = Bun.spawnSync(["bash", "-c", command], {
    cwd: project,
    env: { ...inherited, PATH: `${BIN}:${process.env["PATH"] ?? ""}`, RUSTPATCHER_DISABLE: "1" },
    timeout: TIMEOUT_MS,
  });
  if (exitCode !== 0)
    throw new Error(`${command}\nexited ${exitCode}: ${stdout.toString()}${stderr.toString()}`);
  return stdout.toString();
}

test(
  "from the first command to a signed app, in the order of the text",
  async () => {
    const executed: string[] = [];
    let publicKey = "";
    for (const { language, text } of blocks) {
      if (language === "jsonc" && text.startsWith("// package.json")) {
        const manifest = text.replace(/<the public key>/, publicKey);
        expect(publicKey).toMatch(/^[a-z1-9]{52}$/);
        const parsed = Bun.JSON5.parse(manifest) as object;
        const { dependencies, devDependencies } = (await Bun.file(
          join(project, "package.json"),
        ).json()) as Record<string, unknown>;
        writeFileSync(
          join(project, "package.json"),
          JSON.stringify({ ...parsed, dependencies, devDependencies }),
        );
      } else if (language === "ts" && text.startsWith("// app.ts")) {
        writeFileSync(join(project, "app.ts"), text);
      } else if (language === "sh") {
        const lines = text.split("\n").filter((line) => {
          executed.push(...(isHere(line) && line !== "" ? [line] : []));
          return isHere(line);
        });
        const out = run(
          lines
            .join("\n")
            .replace(/^bun add -d rustpatcher$/m, `bun add -d ${tarball}`)
            .replaceAll("<the public key>", publicKey)
            .replaceAll("49737", String(freePort())),
        );
        publicKey = /^Public key: (\S+)$/m.exec(out)?.[1] ?? publicKey;
      }
    }
    expect(executed.length).toBeGreaterThanOrEqual(7);
    expect(executed.some((command) => command.includes("rustpatcher build"))).toBe(true);
    // What came out of them is what was promised.
    expect(run(`bunx rustpatcher verify ./my-app --public-key ${publicKey}`)).toContain("valid");
    expect(run("./my-app")).toBe("");
    const [built, fetched] = await Promise.all(
      ["my-app", "elsewhere"].map((name) => Bun.file(join(project, name)).bytes()),
    );
    expect(Buffer.compare(built ?? new Uint8Array(), fetched ?? new Uint8Array(1))).toBe(0);
  },
  TIMEOUT_MS,
);

test(
  "the code examples are valid TypeScript, under strict settings",
  () => {
    const examples = code("ts");
    expect(examples.length).toBeGreaterThanOrEqual(3);
    run(`test -d node_modules/rustpatcher || bun add -d ${tarball}`);
    const files = examples.map((text, index) => {
      writeFileSync(join(project, `example-${index}.ts`), `${text}\nexport {};\n`);
      return `example-${index}.ts`;
    });
    // What the reader's own app has already.
    writeFileSync(join(project, "app.d.ts"), "declare const server: { stop(): Promise<void> };\n");
    files.push("app.d.ts");
    const compilerOptions = {
      target: "ESNext",
      module: "Preserve",
      moduleResolution: "bundler",
      types: ["bun"],
      typeRoots: [join(ROOT, "node_modules/@types")],
      strict: true,
      noUncheckedIndexedAccess: true,
      noEmit: true,
    };
    writeFileSync(join(project, "tsconfig.json"), JSON.stringify({ compilerOptions, files }));
    expect(run("tsc -p .")).toBe("");
  },
  TIMEOUT_MS,
);
