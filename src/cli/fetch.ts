import { basename, resolve } from "node:path";
import { systemClock } from "../core/clock.ts";
import type { Target } from "../core/target.ts";
import { isBegun } from "../release/first-file.ts";
import { installFirst } from "../release/first-install.ts";
import { command, type Command } from "./command.ts";
import { JSON_ARGUMENT, report, say } from "./output.ts";
import { showProgress } from "./progress.ts";
import { amount, BOOTSTRAP_ARGUMENT, warnings } from "./serving.ts";
import { untilStopped } from "./interrupt.ts";
import { SWARM_ARGUMENTS, swarmFrom } from "./swarm-arguments.ts";

export const fetchNewest: Command = command({
  meta: {
    name: "fetch",
    description: "Download, verify and write the newest release: a first install with no server",
  },
  args: {
    ...SWARM_ARGUMENTS,
    ...BOOTSTRAP_ARGUMENT,
    out: {
      type: "string",
      description: "File to write (default: named like the app, in this directory)",
      valueHint: "path",
    },
    ...JSON_ARGUMENT,
  },
  async run({ args }) {
    const swarm = swarmFrom(args);
    const { name } = swarm;
    const out = resolve(args.out ?? defaultOut(name.app, name.target));
    const isJson = args.json === true;
    const progress = showProgress("fetching", isJson);
    const options = { ...swarm, out, clock: systemClock, log: warnings };
    const installed = await untilStopped(
      (signal) =>
        installFirst({
          ...options,
          onFound: ({ record }) => {
            if (!isJson) say(`found ${record.version.text} for ${name.target}`);
          },
          onProgress: ({ fetchedBytes, reusedBytes, totalBytes, providers }) =>
            progress.update(reusedBytes + fetchedBytes, totalBytes, `from ${peers(providers)}`),
          signal,
        }),
      () => (isBegun(out) ? "the same command goes on where this one was" : undefined),
    ).finally(() => progress.end());
    report(isJson, { ...name, path: out, ...installed }, [
      `${out}: ${installed.version}, ${amount(installed.sizeBytes)}, verified`,
      ...(installed.notes === undefined ? [] : ["", installed.notes]),
    ]);
  },
});

function defaultOut(app: string, target: Target): string {
  const name = basename(app);
  return target.startsWith("windows") ? `${name}.exe` : name;
}

const peers = (count: number): string => `${count} ${count === 1 ? "peer" : "peers"}`;
