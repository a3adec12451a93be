/**
 * Run-time form of the alias: importing this file makes `udx-native`, `sodium-native` and
 * `sodium-universal` resolve to our replacements, whoever asks for them, by import or by require. It has
 * to be imported before the first of them is resolved; nothing is loaded until then.
 *
 * `onResolve` and `onLoad` are not used: in Bun 1.4.5 neither sees a bare name required from a
 * CommonJS module inside node_modules; a virtual module does.
 *
 * A Worker does not inherit this. One that is not bundled with `aliasPlugin()` needs this file in its `preload`
 * option.
 */
import { plugin } from "bun";
import { REPLACEMENTS } from "./names.ts";

plugin({
  name: "rustpatcher-alias",
  setup(build) {
    for (const [name, path] of REPLACEMENTS) {
      build.module(name, () => ({
        // `require` must get the module's exports themselves and `import` must see named exports;
        // "module.exports" as an export name is what Bun's run time hands to `require`.
        contents: path.endsWith(".cts")
          ? `import replacement from ${JSON.stringify(path)}; export { replacement as "module.exports", replacement as default };`
          : `export * from ${JSON.stringify(path)};`,
        loader: "js",
      }));
    }
  },
});
