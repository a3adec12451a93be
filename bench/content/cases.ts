/** Two signed versions of a real app for each case, made by `bun build --compile` as somebody would. */
import { mkdirSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { SecretSeed } from "../../src/core/brand.ts";
import { parseVersion } from "../../src/core/version.ts";
import { signExecutable } from "../../src/release/sign.ts";
import { run } from "./tools.ts";

const REPOSITORY = join(import.meta.dir, "../..");
/** Together more than a megabyte of minified code. */
const LIBRARIES = [
  "fast-check",
  "libsodium-sumo",
  "citty",
  "@noble/curves/nist.js",
  "@noble/curves/bls12-381.js",
  "@noble/curves/ed25519.js",
  "@noble/hashes/argon2.js",
  "streamx",
  "cbor-x/index-no-eval",
  "mitata",
  "hyperdht-address",
  "hypercore-crypto",
];
const LINES = 11;
const ASSETS = 200;
const ASSET_BYTES = 100_000;
const OLDER_BUN = "1.4.4";

export interface Variant {
  /** Lines of the app that are in their second form. */
  readonly changedLines: number;
  readonly bytecode?: boolean;
  /** Adds 20 MB of assets that cannot be compressed; the first has this content. */
  readonly asset?: number;
  readonly bun?: "older";
}

export interface Executable {
  readonly path: string;
}

export class Workshop {
  readonly #directory: string;
  readonly #seed: SecretSeed;
  #made = 0;
  #olderBun: string | undefined;

  constructor(directory: string, seed: SecretSeed) {
    this.#directory = directory;
    this.#seed = seed;
  }

  /** A signed executable; each one is a newer version than the one before. */
  make(variant: Variant): Executable {
    const number = ++this.#made;
    // The executable holds its own name: it is the same in every version.
    const source = join(this.#directory, `version-${number}`);
    this.#write(source, variant);
    const outfile = join(source, "app");
    const bun = variant.bun === "older" ? this.#older() : process.execPath;
    const flags = ["--no-compile-autoload-bunfig", "--no-compile-autoload-dotenv", "--minify"];
    if (variant.bytecode === true) flags.push("--bytecode");
    run([bun, "build", "--compile", ...flags, "app.ts", "--outfile", outfile], source);
    signExecutable(outfile, {
      seed: this.#seed,
      settings: { app: "bench", version: parseVersion(`1.0.${number}`).text },
      publishedS: 1_790_000_000 + number,
    });
    return { path: outfile };
  }

  #write(directory: string, { changedLines, asset }: Variant): void {
    mkdirSync(directory);
    symlinkSync(join(REPOSITORY, "node_modules"), join(directory, "node_modules"));
    const imports = LIBRARIES.map((name, i) => `import * as library${i} from "${name}";`);
    const lines = Array.from({ length: LINES }, (_, i) =>
      i < changedLines
        ? `export const line${i} = (name: string) => \`\${name}: this line was changed, and became longer than it was\`;`
        : `export const line${i} = (name: string) => \`hello from line ${i}, \${name}\`;`,
    );
    // Each line stands in a module of its own, among the libraries.
    lines.forEach((line, i) => writeFileSync(join(directory, `line${i}.ts`), `${line}\n`));
    const uses = lines.map((_, i) => `import { line${i} } from "./line${i}.ts";`);
    const body = imports.flatMap((text, i) => [text, uses[i] ?? ""]);
    body.push(
      'import "rustpatcher/auto";',
      `const libraries = [${LIBRARIES.map((_, i) => `library${i}`).join(", ")}];`,
      `const greetings = [${lines.map((_, i) => `line${i}("you")`).join(", ")}];`,
      "console.log(libraries.map((library) => Object.keys(library).length), greetings);",
      'if (process.argv[2] === "stay") setInterval(() => undefined, 60_000);',
    );
    if (asset !== undefined) {
      for (let i = 0; i < ASSETS; i++) {
        const name = `asset${i}.bin`;
        writeFileSync(join(directory, name), noise(i === 0 ? asset : 1_000 + i));
        body.unshift(`import asset${i} from "./${name}" with { type: "file" };`);
      }
      const names = Array.from({ length: ASSETS }, (_, i) => `asset${i}`);
      body.push(`console.log([${names.join(", ")}].length);`);
    }
    writeFileSync(join(directory, "app.ts"), body.join("\n"));
    writeFileSync(
      join(directory, "package.json"),
      JSON.stringify({ name: "bench", type: "module" }),
    );
  }

  #older(): string {
    if (this.#olderBun !== undefined) return this.#olderBun;
    const directory = join(this.#directory, "older-bun");
    mkdirSync(directory);
    writeFileSync(join(directory, "package.json"), "{}");
    run([process.execPath, "add", `@oven/bun-linux-x64@${OLDER_BUN}`], directory);
    const bun = join(directory, `bun-${OLDER_BUN}`);
    renameSync(join(directory, "node_modules/@oven/bun-linux-x64/bin/bun"), bun);
    return (this.#olderBun = bun);
  }
}

function noise(salt: number): Uint8Array {
  const bytes = new Uint8Array(ASSET_BYTES);
  let state = salt * 2_654_435_761 + 1;
  for (let i = 0; i < bytes.length; i++) {
    state = Math.imul(state ^ (state >>> 15), 0x2c1b_3c6d) + 0x9e37_79b9;
    bytes[i] = state >>> 11;
  }
  return bytes;
}
