/** First setup of an app: owner key, package.json, .gitignore, build.ts. Existing content is kept. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { SecretSeed } from "../core/brand.ts";
import { utf8 } from "../core/bytes.ts";
import { generateSeed, keyText, publicKeyOf } from "../core/keys.ts";
import { replaceFile } from "../fs/replace-file.ts";
import { writeAll } from "../fs/temporary-file.ts";
import { ReleaseError } from "./error.ts";
import { readKeyFile, writeKeyFile } from "./key-file.ts";
import { readJson, type Json } from "./project.ts";

export interface InitResult {
  /** z-base-32. */
  readonly publicKey: string;
  /** One sentence for each thing that was done. */
  readonly changes: readonly string[];
}

const IGNORE_LINE = "owner_key*";
const DEFAULT_ENTRY = "./app.ts";

/**
 * @throws {ReleaseError} CONFIG_MISSING without a package.json, CONFIG_INVALID when it has a
 *   `rustpatcher` block already
 * @throws {FsError}
 */
export function initProject(directory: string, keyPath: string): InitResult {
  const packagePath = join(directory, "package.json");
  if (!existsSync(packagePath)) {
    throw new ReleaseError(
      "CONFIG_MISSING",
      `there is no package.json in ${directory}: run \`bun init\` first`,
      { blame: "usage", path: packagePath },
    );
  }
  const json = readJson(packagePath);
  if (json["rustpatcher"] !== undefined) {
    throw new ReleaseError("CONFIG_INVALID", `${packagePath} has a "rustpatcher" block already`, {
      blame: "usage",
      path: packagePath,
    });
  }
  const key = resolve(directory, keyPath);
  const changes: string[] = [];
  // Before the key exists: it must never stand in a repository, not even for a moment.
  changes.push(...ignoreKey(directory));
  const isNew = !existsSync(key);
  const seed = isNew ? createKey(key) : readKeyFile(key);
  changes.push(isNew ? `Wrote the secret owner key to ${key}: keep a copy.` : `Using ${key}.`);
  const publicKey = keyText(publicKeyOf(seed));
  addBlock(packagePath, json, publicKey);
  changes.push('Added the "rustpatcher" block to package.json.');
  changes.push(...writeBuildScript(directory, json));
  return { publicKey, changes };
}

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

function writeBuildScript(directory: string, json: Json): string[] {
  const path = join(directory, "build.ts");
  if (existsSync(path)) return ["Left build.ts as it is."];
  const main = json["module"] ?? json["main"];
  const entry = typeof main === "string" ? main : DEFAULT_ENTRY;
  const lines = [
    "// bun build.ts --sign makes a release; --help lists the flags.",
    'import { runBuild } from "rustpatcher/build";',
    "",
    `await runBuild(${JSON.stringify(entry)});`,
    "",
  ];
  writeFileSync(path, lines.join("\n"), { flag: "wx" });
  return [`Wrote build.ts, which compiles ${entry}.`];
}
