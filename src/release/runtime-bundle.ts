/**
 * What an app carries, as plain scripts that import nothing but their own assets, so that an app needs
 * no plugin and no other package to be compiled:
 *
 *   auto.js, index.js   main half; import region.bin and worker.js as file assets
 *   worker.js           Worker half: HyperDHT, cryptography, content, update
 *   region.bin          the blank region
 *
 * The pack step adds the command line, the build API and HyperDHT for Bun.
 */
import type { BunPlugin } from "bun";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { aliasPlugin } from "../../embed/alias/plugin.ts";
import { ReleaseError } from "./error.ts";

const ROOT = join(import.meta.dir, "../..");
/** A bundle of this file has no ".ts" name: then the scripts lie beside it. */
const isCheckout = import.meta.path.endsWith(".ts");
const ASSETS = /\/(region\.bin|worker\.js)$/;

export const RUNTIME_ENTRIES: Readonly<Record<string, string>> = {
  "auto.js": "embed/auto.ts",
  "index.js": "src/index.ts",
  "worker.js": "embed/worker.ts",
};
export const TOOL_ENTRIES: Readonly<Record<string, string>> = {
  "cli.js": "src/cli/main.ts",
  "build.js": "src/build.ts",
  "hyperdht.js": "src/hyperdht.ts",
};

/** Lends `use` a directory with the runtime scripts; made afresh in a checkout, and removed afterwards. */
export async function withRuntime<T>(use: (directory: string) => Promise<T>): Promise<T> {
  if (!isCheckout) return use(import.meta.dir);
  const directory = mkdtempSync(join(tmpdir(), "rustpatcher-runtime-"));
  try {
    await bundleScripts(RUNTIME_ENTRIES, directory);
    return await use(directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/**
 * Bundles `entries` (script name → source file, from the root of the checkout) into `directory` and puts
 * the blank region beside them.
 * @throws {ReleaseError} COMPILE_FAILED
 */
export async function bundleScripts(
  entries: Readonly<Record<string, string>>,
  directory: string,
): Promise<void> {
  mkdirSync(directory, { recursive: true });
  await Promise.all(
    Object.entries(entries).map(async ([name, source]) => {
      const script = await bundleScript(join(ROOT, source));
      await Bun.write(join(directory, name), script);
    }),
  );
  copyFileSync(join(ROOT, "embed/region.bin"), join(directory, "region.bin"));
}

async function bundleScript(entry: string): Promise<Blob> {
  const result = await Bun.build({
    entrypoints: [entry],
    target: "bun",
    minify: { syntax: true, whitespace: true },
    plugins: [aliasPlugin(), assetPlugin()],
    throw: false,
  });
  const [script, ...others] = result.outputs;
  if (!result.success || script === undefined) throw buildError(entry, result.logs);
  // A second output would be an asset that the script expects beside it, such as a native addon.
  if (others.length > 0) {
    throw new ReleaseError("COMPILE_FAILED", `the bundle of ${entry} is not one script`, {
      outputs: others.map(({ path }) => path),
    });
  }
  return script;
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
