import { systemClock } from "../core/clock.ts";
import { buildTargets, targetList, type BuiltRelease } from "../release/build-targets.ts";
import { buildRelease, type BuildOptions } from "../release/release.ts";
import { command, type Command } from "./command.ts";
import { usage } from "./error.ts";
import { KEY_ARGUMENTS, readOwnerKey } from "./key-source.ts";
import { columns, complain, JSON_ARGUMENT, report } from "./output.ts";
import { showProgress } from "./progress.ts";
import {
  ANNOUNCEMENT_ARGUMENTS,
  announcementFrom,
  RELEASE_ARGUMENTS,
  settingsFrom,
} from "./release-arguments.ts";

export const build: Command = command({
  meta: { name: "build", description: "Compile an app for updates, and sign it" },
  args: {
    entry: { type: "positional", required: true, description: "First source file of the app" },
    outfile: { type: "string", description: "Executable to write (default: named like the app)" },
    ...RELEASE_ARGUMENTS,
    target: {
      type: "string",
      description: "One target, several with commas, or all (default: this machine's)",
    },
    "public-key": {
      type: "string",
      description:
        'Owner (default: "rustpatcher.publicKey" in package.json, else the key to sign with)',
      valueHint: "z32",
    },
    sign: { type: "boolean", description: "Sign as well" },
    ...ANNOUNCEMENT_ARGUMENTS,
    ...KEY_ARGUMENTS,
    minify: { type: "boolean", description: "Minify the app" },
    bytecode: { type: "boolean", description: "Compile the app to bytecode: starts faster" },
    ...JSON_ARGUMENT,
  },
  async run({ args }) {
    if (args.sign !== true && (args.key !== undefined || args["key-file"] !== undefined)) {
      throw usage("a key is for signing: add --sign");
    }
    if (args.sign !== true && (args.rollout ?? args.critical ?? args.from) !== undefined) {
      throw usage("--rollout, --critical and --from are a matter of signing: add --sign");
    }
    const targets = targetList(args.target);
    const progress = showProgress("signing", args.json === true);
    const options: BuildOptions = {
      entry: args.entry,
      outfile: args.outfile,
      settings: {
        ...settingsFrom(args),
        ...(targets !== undefined && { target: undefined }),
        publicKey: args["public-key"],
      },
      announcement: announcementFrom(args),
      minify: args.minify === true,
      bytecode: args.bytecode === true,
      seed: args.sign === true ? readOwnerKey(args) : undefined,
      directory: process.cwd(),
      publishedS: Math.floor(systemClock.nowMs() / 1000),
      onProgress: progress.update,
    };
    if (targets !== undefined) {
      const result = await buildTargets(options, targets).finally(progress.end);
      for (const { path, signed } of result.built) {
        for (const warning of signed?.warnings ?? []) complain(`${path}: ${warning}`);
      }
      const { path, release } = result;
      report(args.json === true, { path, ...release }, lines(result));
      return;
    }
    const { path, target, version, signed } = await buildRelease(options).finally(progress.end);
    for (const warning of signed?.warnings ?? []) complain(warning);
    const state = signed === undefined ? "reserved" : "signed";
    report(args.json === true, { path, target, version, state }, [
      `${path}: ${version} for ${target}, ${signed === undefined ? "not signed yet" : "signed"}`,
    ]);
  },
});

function lines({ path, release, built }: BuiltRelease): string[] {
  const rows = release.files.map(({ target, file, sizeBytes, root }, index) => [
    target,
    file,
    String(sizeBytes),
    root?.slice(0, 16) ?? "not signed",
    (built[index]?.seconds ?? 0).toFixed(1),
  ]);
  return [
    ...columns([["target", "file", "bytes", "root", "seconds"], ...rows]),
    `${path}: ${release.version}, ${release.files.length} files`,
  ];
}
