import { basename, resolve } from "node:path";
import { systemClock } from "../core/clock.ts";
import { parsePublicKey } from "../core/keys.ts";
import { checkName } from "../core/release-record.ts";
import { checkTarget, type Target } from "../core/target.ts";
import { detectMachine } from "../exe/detect.ts";
import { targetOf } from "../exe/machine.ts";
import { withFile } from "../fs/file-source.ts";
import { installFirst } from "../release/first-install.ts";
import { checkSharedSecret } from "../release/settings.ts";
import { bootstrapFrom } from "../swarm/bootstrap.ts";
import { command, type Command } from "./command.ts";
import { usage } from "./error.ts";
import { JSON_ARGUMENT, report, say } from "./output.ts";
import { showProgress } from "./progress.ts";
import { amount, BOOTSTRAP_ARGUMENT, bootstrapText, untilStopped, warnings } from "./serving.ts";

export const fetchNewest: Command = command({
  meta: {
    name: "fetch",
    description: "Download, verify and write the newest release: a first install with no server",
  },
  args: {
    "owner-public-key": { type: "positional", required: true, description: "Of the app's owner" },
    app: { type: "string", description: "App name, as in its package.json (required)" },
    target: { type: "string", description: "Default: this machine's" },
    channel: { type: "string", description: "Default: stable" },
    out: {
      type: "string",
      description: "File to write (default: named like the app, in this directory)",
      valueHint: "path",
    },
    "shared-secret": {
      type: "string",
      description: "Of a private swarm; other users of this machine can see it",
      valueHint: "z32",
    },
    ...BOOTSTRAP_ARGUMENT,
    ...JSON_ARGUMENT,
  },
  async run({ args }) {
    if (args.app === undefined) throw usage("--app <name> is missing, see --help");
    const name = {
      app: checkName(args.app, "app name"),
      target: args.target === undefined ? ownTarget() : checkTarget(args.target),
      channel: checkName(args.channel ?? "stable", "channel"),
    };
    const out = resolve(args.out ?? defaultOut(name.app, name.target));
    const isJson = args.json === true;
    const progress = showProgress("fetching", isJson);
    const options = {
      owner: parsePublicKey(args["owner-public-key"]),
      name,
      out,
      sharedSecret: checkSharedSecret(args["shared-secret"]),
      bootstrap: bootstrapFrom(bootstrapText(args.bootstrap), []),
      clock: systemClock,
      log: warnings,
    };
    const installed = await untilStopped((signal) =>
      installFirst({
        ...options,
        onFound: ({ record }) => {
          if (!isJson) say(`found ${record.version.text} for ${name.target}`);
        },
        onProgress: ({ fetchedBytes, totalBytes, providers }) =>
          progress.update(fetchedBytes, totalBytes, `from ${peers(providers)}`),
        signal,
      }),
    ).finally(() => progress.end());
    report(isJson, { ...name, path: out, ...installed }, [
      `${out}: ${installed.version}, ${amount(installed.sizeBytes)}, verified`,
    ]);
  },
});

/** What this Bun was compiled for. */
function ownTarget(): Target {
  return withFile(process.execPath, (source) => targetOf(detectMachine(source)));
}

function defaultOut(app: string, target: Target): string {
  const name = basename(app);
  return target.startsWith("windows") ? `${name}.exe` : name;
}

const peers = (count: number): string => `${count} ${count === 1 ? "peer" : "peers"}`;
