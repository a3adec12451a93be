import type { BunPlugin } from "bun";
import { REPLACEMENTS } from "./names.ts";

/**
 * Bundle-time form of the alias, for `Bun.build`: the same replacements as `register.ts`. A bundle made
 * with it contains no native addon. Holds no state; one instance may serve several builds.
 */
export function aliasPlugin(): BunPlugin {
  return {
    name: "rustpatcher-alias",
    setup(build) {
      const filter = new RegExp(`^(${[...REPLACEMENTS.keys()].join("|")})$`);
      build.onResolve({ filter }, ({ path }) => {
        const replacement = REPLACEMENTS.get(path);
        return replacement === undefined ? undefined : { path: replacement };
      });
    },
  };
}
