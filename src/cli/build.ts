import { systemClock } from "../core/clock.ts";
import { buildRelease } from "../release/release.ts";
import { command, type Command } from "./command.ts";
import { usage } from "./error.ts";
import { KEY_ARGUMENTS, readOwnerKey } from "./key-source.ts";
import { complain, JSON_ARGUMENT, report } from "./output.ts";
import { RELEASE_ARGUMENTS, settingsFrom } from "./release-arguments.ts";

export const build: Command = command({
  meta: { name: "build", description: "Compile an app for updates, and sign it" },
  args: {
    entry: { type: "positional", required: true, description: "First source file of the app" },
    outfile: { type: "string", description: "Executable to write (default: named like the app)" },
    ...RELEASE_ARGUMENTS,
    "public-key": {
      type: "string",
      description:
        'Owner (default: "rustpatcher.publicKey" in package.json, else the key to sign with)',
      valueHint: "z32",
    },
    sign: { type: "boolean", description: "Sign as well" },
    ...KEY_ARGUMENTS,
    minify: { type: "boolean", description: "Minify the app" },
    bytecode: { type: "boolean", description: "Compile the app to bytecode: starts faster" },
    ...JSON_ARGUMENT,
  },
  async run({ args }) {
    if (args.sign !== true && (args.key !== undefined || args["key-file"] !== undefined)) {
      throw usage("a key is for signing: add --sign");
    }
    const built = await buildRelease({
      entry: args.entry,
      outfile: args.outfile,
      settings: { ...settingsFrom(args), publicKey: args["public-key"] },
      minify: args.minify === true,
      bytecode: args.bytecode === true,
      seed: args.sign === true ? readOwnerKey(args) : undefined,
      directory: process.cwd(),
      publishedS: Math.floor(systemClock.nowMs() / 1000),
    });
    const { path, target, version, signed } = built;
    for (const warning of signed?.warnings ?? []) complain(warning);
    const state = signed === undefined ? "reserved" : "signed";
    report(args.json === true, { path, target, version, state }, [
      `${path}: ${version} for ${target}, ${signed === undefined ? "not signed yet" : "signed"}`,
    ]);
  },
});
