/**
 * Real executables for tests. Compiling takes most of a second and 110 MB, so each app source is compiled
 * once per state of the code into node_modules/.cache; tests get signed copies of their own.
 */
import {
  constants,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { SecretSeed } from "../../src/core/brand.ts";
import { compileApp } from "../../src/release/compile.ts";
import { RUNTIME_ENTRIES, runtimeDirectory } from "../../src/release/runtime-bundle.ts";
import type { Settings } from "../../src/release/settings.ts";
import { signExecutable } from "../../src/release/sign.ts";

const ROOT = join(import.meta.dir, "../..");
const CACHE = join(ROOT, "node_modules/.cache/rustpatcher");
/** What is not used for so long belongs to another state of the code. */
const CACHE_MAX_AGE_MS = 20 * 60_000;

/** The smallest app that updates itself; says what it is and ends. */
export const TINY_APP = `import "rustpatcher/auto";
console.log("tiny", ...process.argv.slice(2));
`;

export interface FixtureOptions {
  /** Where the executable goes; the test removes it. */
  readonly directory: string;
  readonly name?: string;
  readonly version: string;
  readonly seed: SecretSeed;
  /** App source; two sources make two contents. */
  readonly source?: string;
  /** In place of embed/worker.ts, from the root of the checkout. */
  readonly worker?: string | undefined;
  /** Beside the version; the app is called "fixture". */
  readonly settings?: Settings;
  /** Two releases of one second have the same DHT seq: give later ones a later date. */
  readonly publishedS?: number;
}

/** Lends `use` a directory of its own and removes it. */
export async function withDirectory<T>(use: (directory: string) => T | Promise<T>): Promise<T> {
  const directory = mkdtempSync(join(tmpdir(), "rustpatcher-test-"));
  try {
    return await use(directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** A signed executable; returns its path. */
export async function compileFixture(options: FixtureOptions): Promise<string> {
  const { directory, name = "app", source = TINY_APP, worker } = options;
  const path = join(directory, name);
  copyFileSync(await blankExecutable(source, worker), path, constants.COPYFILE_FICLONE);
  signExecutable(path, {
    seed: options.seed,
    settings: { app: "fixture", ...options.settings, version: options.version },
    publishedS: options.publishedS ?? Math.floor(Date.now() / 1000),
  });
  return path;
}

/** A copy of the compiled app with a blank region; returns its path. */
export async function copyBlank(
  directory: string,
  name = "app",
  source: string = TINY_APP,
): Promise<string> {
  const path = join(directory, name);
  copyFileSync(await blankExecutable(source), path, constants.COPYFILE_FICLONE);
  return path;
}

/** The cached executable itself: not to be written to. */
export async function blankExecutable(source: string = TINY_APP, worker?: string): Promise<string> {
  const cached = join(CACHE, keyOf(source, worker));
  try {
    const now = new Date();
    utimesSync(cached, now, now);
    return cached;
  } catch {
    // Not there yet.
  }
  mkdirSync(CACHE, { recursive: true });
  prune();
  const scratch = mkdtempSync(join(CACHE, "making-"));
  try {
    const entry = join(scratch, "app.ts");
    writeFileSync(entry, source);
    const outfile = join(scratch, "app");
    const runtime = await runtimeDirectory(
      worker === undefined ? RUNTIME_ENTRIES : { ...RUNTIME_ENTRIES, "worker.js": worker },
    );
    await compileApp({
      entry,
      outfile,
      target: undefined,
      minify: false,
      bytecode: false,
      runtime,
    });
    renameSync(outfile, cached);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  return cached;
}

function prune(): void {
  for (const name of readdirSync(CACHE)) {
    const path = join(CACHE, name);
    const stats = statSync(path, { throwIfNoEntry: false });
    if (stats !== undefined && Date.now() - stats.mtimeMs > CACHE_MAX_AGE_MS) {
      rmSync(path, { recursive: true, force: true });
    }
  }
}

/** Changes with the app, with anything the runtime is bundled from, and with Bun. */
function keyOf(source: string, worker?: string): string {
  const hash = new Bun.CryptoHasher("sha256").update(Bun.revision).update(source);
  for (const folder of ["src", "embed", ...(worker === undefined ? [] : [dirname(worker)])]) {
    const files = readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true });
    const paths = files
      .filter((file) => file.isFile())
      .map((file) => join(file.parentPath, file.name));
    for (const path of paths.sort()) hash.update(path).update(readFileSync(path));
  }
  return hash
    .update(readFileSync(join(ROOT, "bun.lock")))
    .digest("hex")
    .slice(0, 32);
}
