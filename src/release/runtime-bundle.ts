/**
 * What an app carries, as plain scripts that import nothing but their own assets, so that an app needs
 * no plugin and no other package to be compiled:
 *
 *   auto.js, index.js   main half; import region.bin and those below as file assets
 *   main-half.js        what auto.js loads when the app is up
 *   worker.js           Worker half: HyperDHT, cryptography, content, update
 *   watchdog.js         the thread that looks after a version on probation
 *   region.bin          the blank region
 *
 * And what stays in the package:
 *
 *   network.js          HyperDHT on our transport, once for the three below
 *   hyperdht.js         HyperDHT for Bun
 *   cli.js, build.js    command line and build API; they share the rest in chunk-*.js
 */
import type { BunPlugin } from "bun";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { aliasPlugin } from "../../embed/alias/plugin.ts";
import { compactLibsodium } from "./compact-libsodium.ts";
import { ReleaseError } from "./error.ts";
import { keepErrorNames } from "./keep-error-names.ts";

const ROOT = join(import.meta.dir, "../..");
/** A bundle of this file has no ".ts" name: then the scripts lie beside it. */
const isCheckout = import.meta.path.endsWith(".ts");
const CACHE = join(ROOT, "node_modules/.cache/rustpatcher-runtime");
const ASSETS = /\/(region\.bin|main-half\.js|worker\.js|watchdog\.js)$/;
const NETWORK = /\/node\.ts$/;
/** A few kilobytes that people debug, and whose classes they are shown. */
const READABLE: ReadonlySet<string> = new Set([
  "auto.js",
  "main-half.js",
  "index.js",
  "hyperdht.js",
]);

export const RUNTIME_ENTRIES: Readonly<Record<string, string>> = {
  "auto.js": "embed/auto.ts",
  "main-half.js": "embed/main-half.ts",
  "index.js": "src/index.ts",
  "worker.js": "embed/worker.ts",
  "watchdog.js": "embed/watchdog.ts",
};
export const NETWORK_ENTRIES: Readonly<Record<string, string>> = {
  "network.js": "src/swarm/node.ts",
  "hyperdht.js": "src/hyperdht.ts",
};
export const TOOL_ENTRIES: Readonly<Record<string, string>> = {
  "cli.js": "src/cli/main.ts",
  "build.js": "src/build.ts",
};

/**
 * The directory with the runtime scripts; in a checkout they are made afresh. Its path stands in what Bun
 * compiles, so it is named after its content: the same sources make the same executable.
 */
export async function runtimeDirectory(
  entries: Readonly<Record<string, string>> = RUNTIME_ENTRIES,
): Promise<string> {
  if (!isCheckout) return import.meta.dir;
  mkdirSync(CACHE, { recursive: true });
  const scratch = mkdtempSync(join(CACHE, "making-"));
  try {
    await bundleScripts(entries, scratch);
    const hash = new Bun.CryptoHasher("sha256");
    for (const name of Object.keys(entries).sort()) {
      hash.update(await Bun.file(join(scratch, name)).bytes());
    }
    const directory = join(CACHE, hash.digest("hex").slice(0, 16));
    try {
      renameSync(scratch, directory);
    } catch (cause) {
      // Whoever comes second has made the same files.
      if (!existsSync(directory)) throw cause;
    }
    return directory;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/**
 * Bundles each of `entries` (script name → source file, from the root of the checkout) as one script that
 * stands alone into `directory`, and puts the blank region beside them.
 * @returns the paths of the files that went in
 * @throws {ReleaseError} COMPILE_FAILED
 */
export async function bundleScripts(
  entries: Readonly<Record<string, string>>,
  directory: string,
): Promise<readonly string[]> {
  mkdirSync(directory, { recursive: true });
  const inputs = await Promise.all(
    Object.entries(entries).map(async ([name, source]) => {
      const sharesNetwork = name === "hyperdht.js";
      const { outputs, metafile } = await bundle([source], {
        plugins: sharesNetwork ? [networkPlugin()] : [],
        mangles: !READABLE.has(name),
      });
      const [script, ...others] = outputs;
      // A second output would be an asset that the script expects beside it, such as a native addon.
      if (script === undefined || others.length > 0) {
        throw new ReleaseError("COMPILE_FAILED", `the bundle of ${source} is not one script`, {
          outputs: others.map(({ path }) => path),
        });
      }
      await Bun.write(join(directory, name), script);
      return inputsOf(metafile);
    }),
  );
  copyFileSync(join(ROOT, "embed/region.bin"), join(directory, "region.bin"));
  return inputs.flat();
}

/**
 * Bundles `entries` into `directory` as scripts that load what they share from chunk-*.js beside them.
 * @returns the paths of the files that went in
 * @throws {ReleaseError} COMPILE_FAILED
 */
export async function bundleTools(
  entries: Readonly<Record<string, string>>,
  directory: string,
): Promise<readonly string[]> {
  const { outputs, metafile } = await bundle(Object.values(entries), {
    plugins: [networkPlugin()],
    mangles: true,
    splitting: true,
    naming: { entry: "./[name].[ext]", chunk: "./chunk-[hash].[ext]" },
  });
  // In one directory, whose files name each other: entries can be renamed, nothing imports them.
  const names = new Map(
    Object.entries(entries).map(([name, source]) => [`${basename(source, ".ts")}.js`, name]),
  );
  for (const output of outputs) {
    const file = basename(output.path);
    await Bun.write(join(directory, names.get(file) ?? file), output);
  }
  return inputsOf(metafile);
}

type BundleOptions = Pick<Bun.BuildConfig, "splitting" | "naming"> & {
  readonly plugins: readonly BunPlugin[];
  /** Shortens identifiers, too. */
  readonly mangles: boolean;
};

async function bundle(
  sources: readonly string[],
  { plugins, mangles, ...options }: BundleOptions,
): Promise<Bun.BuildOutput> {
  const result = await Bun.build({
    ...options,
    entrypoints: sources.map((source) => join(ROOT, source)),
    root: ROOT,
    target: "bun",
    minify: { syntax: true, whitespace: true, identifiers: mangles },
    metafile: true,
    plugins: [...plugins, aliasPlugin(), assetPlugin(), compactLibsodium(), keepErrorNames()],
    throw: false,
  });
  if (!result.success) throw buildError(sources.join(", "), result.logs);
  return result;
}

function inputsOf(metafile: Bun.BuildMetafile | undefined): string[] {
  return Object.keys(metafile?.inputs ?? {}).map((path) => resolve(path));
}

/** @internal */
export function buildError(
  entry: string,
  logs: readonly (BuildMessage | ResolveMessage)[],
): ReleaseError {
  const [first] = logs.filter(({ level }) => level === "error");
  return new ReleaseError("COMPILE_FAILED", `${entry} does not compile: ${first?.message ?? ""}`, {
    blame: "usage",
    logs: logs.map(({ message }) => message),
  });
}

/** Keeps the file assets as imports, for the app's own compilation. */
function assetPlugin(): BunPlugin {
  return {
    name: "rustpatcher-assets",
    setup(build) {
      build.onResolve({ filter: ASSETS }, ({ path }) => ({
        path: path.replace(/^.*\//, "./"),
        external: true,
      }));
    },
  };
}

/** HyperDHT is loaded from the script that has it. */
function networkPlugin(): BunPlugin {
  return {
    name: "rustpatcher-network",
    setup(build) {
      build.onResolve({ filter: NETWORK }, () => ({ path: "./network.js", external: true }));
    },
  };
}
