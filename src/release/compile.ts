import type { Target } from "../core/target.ts";
import { buildError, runtimeDirectory } from "./runtime-bundle.ts";

export interface CompileOptions {
  /** Path of the app's first source file. */
  readonly entry: string;
  readonly outfile: string;
  /** Undefined: for this machine, with this very Bun. */
  readonly target: Target | undefined;
  readonly minify: boolean;
  readonly bytecode: boolean;
  /** Directory of the runtime scripts; default: those of this package. */
  readonly runtime?: string;
}

/**
 * `bun build --compile` with what an updating app needs: our runtime behind the imports `rustpatcher`
 * and `rustpatcher/auto`, and nothing that the app's working directory could inject.
 * @throws {ReleaseError} COMPILE_FAILED
 */
export async function compileApp(options: CompileOptions): Promise<void> {
  const { entry, outfile, target, minify, bytecode } = options;
  const directory = options.runtime ?? (await runtimeDirectory());
  const result = await Bun.build({
    entrypoints: [entry],
    target: "bun",
    minify,
    bytecode,
    compile: {
      outfile,
      // A preload in somebody's bunfig.toml, or BUN_OPTIONS in his .env, would run inside the app.
      autoloadBunfig: false,
      autoloadDotenv: false,
      ...(target === undefined ? {} : { target: `bun-${target}` as Bun.Build.CompileTarget }),
    },
    plugins: [
      {
        name: "rustpatcher-runtime",
        setup(build) {
          build.onResolve({ filter: /^rustpatcher(\/auto)?$/ }, ({ path }) => ({
            path: `${directory}/${path === "rustpatcher" ? "index.js" : "auto.js"}`,
          }));
        },
      },
    ],
    throw: false,
  });
  if (!result.success) throw buildError(entry, result.logs);
}
