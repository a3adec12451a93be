/** First setup of an app: owner key, package.json, .gitignore, import, build.ts. Existing content is kept. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import type { SecretSeed } from "../core/brand.ts";
import { utf8 } from "../core/bytes.ts";
import { generateSeed, keyText, publicKeyOf } from "../core/keys.ts";
import { replaceFile } from "../fs/replace-file.ts";
import { writeAll } from "../fs/temporary-file.ts";
import { tryParseVersion } from "../core/version.ts";
import { ReleaseError } from "./error.ts";
import { readKeyFile, writeKeyFile } from "./key-file.ts";
import { readJson, type Json } from "./project.ts";

export interface InitResult {
  /** z-base-32. */
  readonly publicKey: string;
  /** One sentence for each thing that was done. */
  readonly changes: readonly string[];
  /** Command lines that make the first release and give it to others. */
  readonly next: readonly string[];
}

export interface InitOptions {
  readonly directory: string;
  readonly keyPath: string;
  /** First source file; undefined: what `findEntry` finds. */
  readonly entry?: string | undefined;
  /** Writes a workflow for GitHub Actions as well. */
  readonly github?: boolean;
}

/** Where `sign` and `build` look for it by themselves. */
const DEFAULT_KEY = "owner_key";
const IGNORE_LINE = "owner_key*";
const DEFAULT_ENTRY = "./app.ts";
const ENTRIES = ["app.ts", "index.ts", "main.ts", "src/index.ts", "src/main.ts", "src/app.ts"];
const IMPORT = 'import "rustpatcher/auto";';
const FIRST_VERSION = "0.1.0";
const WORKFLOW = ".github/workflows/release.yml";

/**
 * The app's package.json, which has nothing of ours yet.
 *
 * @throws {ReleaseError} CONFIG_MISSING when there is none, CONFIG_INVALID when it has a `rustpatcher` block already
 */
export function readFreshPackage(directory: string): Json {
  const path = join(directory, "package.json");
  if (!existsSync(path)) {
    throw new ReleaseError(
      "CONFIG_MISSING",
      `there is no package.json in ${directory}: run \`bun init\` first`,
      { blame: "usage", path },
    );
  }
  const json = readJson(path);
  if (json["rustpatcher"] === undefined) return json;
  throw new ReleaseError("CONFIG_INVALID", `${path} has a "rustpatcher" block already`, {
    blame: "usage",
    path,
  });
}

/**
 * @throws {ReleaseError} CONFIG_MISSING, CONFIG_INVALID, as `readFreshPackage` does
 * @throws {FsError}
 */
export function initProject(options: InitOptions): InitResult {
  const { directory, keyPath } = options;
  const json = readFreshPackage(directory);
  const key = resolve(directory, keyPath);
  const changes: string[] = [];
  // Before the key exists: it must never stand in a repository, not even for a moment.
  changes.push(...ignoreKey(directory));
  const isNew = !existsSync(key);
  const seed = isNew ? createKey(key) : readKeyFile(key);
  changes.push(isNew ? `Wrote the secret owner key to ${key}: keep a copy.` : `Using ${key}.`);
  const publicKey = keyText(publicKeyOf(seed));
  const complete = withNameAndVersion(json, directory);
  addBlock(join(directory, "package.json"), complete, publicKey);
  changes.push('Added the "rustpatcher" block to package.json.');
  const entry = options.entry ?? findEntry(directory, json);
  changes.push(...importAuto(directory, entry), ...writeBuildScript(directory, entry));
  if (options.github === true) changes.push(...writeWorkflow(directory));
  const isDefaultKey = key === resolve(directory, DEFAULT_KEY);
  const keyFlag = isDefaultKey ? "" : ` --key-file ${keyPath}`;
  const app = basename(String(complete["name"]));
  return {
    publicKey,
    changes,
    next: [`bun build.ts --sign${keyFlag}`, `bunx rustpatcher publish ./${app}`],
  };
}

/** What package.json names, else the first of the usual names that is there. */
export function findEntry(directory: string, json: Json): string {
  const main = json["module"] ?? json["main"];
  if (typeof main === "string") return main;
  const found = ENTRIES.find((name) => existsSync(join(directory, name)));
  return found === undefined ? DEFAULT_ENTRY : `./${found}`;
}

/** A release has both; `bun init` writes no version. */
function withNameAndVersion(json: Json, directory: string): Json {
  const name = typeof json["name"] === "string" ? json["name"] : basename(resolve(directory));
  const { version } = json;
  const isVersion = typeof version === "string" && tryParseVersion(version) !== undefined;
  return { ...json, name, ...(isVersion ? {} : { version: version ?? FIRST_VERSION }) };
}

/** First of all, behind a #! line: the updater is there before the app does anything. */
function importAuto(directory: string, entry: string): string[] {
  const path = join(directory, entry);
  if (!existsSync(path)) {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, `${IMPORT}\n\nconsole.log("hello");\n`, { flag: "wx" });
    return [`Wrote ${entry} to start from.`];
  }
  const text = readFileSync(path, "utf8");
  if (/["']rustpatcher\/auto["']/.test(text)) return [];
  const [head = ""] = /^#!.*\n/.exec(text) ?? [];
  replaceFile(path, (fd) => writeAll(fd, utf8(`${head}${IMPORT}\n${text.slice(head.length)}`), 0));
  return [`Added ${IMPORT} to ${entry}.`];
}

/** The owner key comes from the repository's secrets, so that it is on no disk of the runner. */
function writeWorkflow(directory: string): string[] {
  const path = join(directory, WORKFLOW);
  if (existsSync(path)) return [`Left ${WORKFLOW} as it is.`];
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, WORKFLOW_TEXT, { flag: "wx" });
  return [
    `Wrote ${WORKFLOW}: a release for each tag. Its key: gh secret set RUSTPATCHER_KEY < owner_key`,
  ];
}

const WORKFLOW_TEXT = `# A tag like v1.2.3 makes a release: built for every system, signed, and served until ten copies have it.
name: release
on:
  push:
    tags: ["v*"]
permissions:
  contents: write
jobs:
  release:
    runs-on: ubuntu-latest
    timeout-minutes: 60
    steps:
      - uses: actions/checkout@v4
      - uses: oven-sh/setup-bun@v2
        with:
          bun-version: ${Bun.version}
      - run: bun install --frozen-lockfile
      - run: bun build.ts --target all --outfile release/app --sign --version "\${GITHUB_REF_NAME#v}"
        env:
          RUSTPATCHER_KEY: \${{ secrets.RUSTPATCHER_KEY }}
      - run: gh release create "$GITHUB_REF_NAME" --generate-notes release/*
        env:
          GH_TOKEN: \${{ github.token }}
      - run: timeout 30m bunx rustpatcher publish release/release.json --until-peers 10 || test $? = 124
`;

function createKey(path: string): SecretSeed {
  const seed = generateSeed();
  writeKeyFile(path, seed);
  return seed;
}

function ignoreKey(directory: string): string[] {
  const path = join(directory, ".gitignore");
  const text = existsSync(path) ? readFileSync(path, "utf8") : "";
  if (text.split(/\r?\n/).includes(IGNORE_LINE)) return [];
  const lead = text === "" || text.endsWith("\n") ? text : `${text}\n`;
  writeFileSync(path, `${lead}${IGNORE_LINE}\n`);
  return [`Added ${IGNORE_LINE} to .gitignore.`];
}

/** Keeps the order of keys and the indentation. */
function addBlock(path: string, json: Json, publicKey: string): void {
  const indent = /^[\t ]+(?=")/m.exec(readFileSync(path, "utf8"))?.[0] ?? "  ";
  const text = JSON.stringify({ ...json, rustpatcher: { publicKey } }, undefined, indent);
  replaceFile(path, (fd) => writeAll(fd, utf8(`${text}\n`), 0));
}

function writeBuildScript(directory: string, entry: string): string[] {
  const path = join(directory, "build.ts");
  if (existsSync(path)) return ["Left build.ts as it is."];
  const lines = [
    "#!/usr/bin/env bun",
    "// A release of this app, with the flags of `rustpatcher build`:",
    "//   bun build.ts --sign                       for this machine",
    "//   bun build.ts --sign --target all          for every system that Bun compiles for",
    "// Raise the version in package.json first.",
    'import { runBuild } from "rustpatcher/build";',
    "",
    `await runBuild(${JSON.stringify(entry)});`,
    "",
  ];
  writeFileSync(path, lines.join("\n"), { flag: "wx" });
  return [`Wrote build.ts, which compiles ${entry}.`];
}
