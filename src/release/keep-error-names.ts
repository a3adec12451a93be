/**
 * Minified, a class loses its name, and `minify.keepNames` of Bun 1.4.5 does not keep those of classes. Errors
 * tell theirs to people, so each gets it as a value.
 */
import type { BunPlugin } from "bun";

/** Where our error classes stand: error.ts of a folder, and core-error.ts. */
const FILES = /\/(src|embed)\/.*error\.ts$/;
const CLASS = /^(export class (\w+Error)\b[^{]*\{)/gm;

/** For `Bun.build`. Holds no state. */
export function keepErrorNames(): BunPlugin {
  return {
    name: "rustpatcher-keep-error-names",
    setup(build) {
      build.onLoad({ filter: FILES }, async ({ path }) => ({
        contents: (await Bun.file(path).text()).replaceAll(
          CLASS,
          '$1 static override name = "$2";',
        ),
        loader: "ts",
      }));
    },
  };
}
