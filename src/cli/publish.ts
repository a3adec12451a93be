import { systemClock } from "../core/clock.ts";
import { Rate } from "../core/rate.ts";
import { parseUploadRate } from "../core/upload-rate.ts";
import { isReleaseFile, readReleaseFile } from "../release/release-file.ts";
import { parseRollout } from "../release/announcement.ts";
import { publishExecutable, type AnnouncedAnew, type PublishProgress } from "../release/publish.ts";
import { command, type Command } from "./command.ts";
import { usage } from "./error.ts";
import { KEY_ARGUMENTS, readOwnerKey } from "./key-source.ts";
import { QUIET_ARGUMENT } from "./output.ts";
import { showStatus } from "./progress.ts";
import { amount, BOOTSTRAP_ARGUMENT, bootstrapText, tryWholeNumber, warnings } from "./serving.ts";
import { untilStopped } from "./interrupt.ts";

const PEERS_MAX = 100_000;

export const publish: Command = command({
  meta: { name: "publish", description: "Serve a signed executable without running it" },
  args: {
    binary: {
      type: "positional",
      required: true,
      description: "Signed executable, or a release.json",
    },
    "until-peers": {
      type: "string",
      description: "Stop when so many copies have it (default: when stopped)",
      valueHint: "number",
    },
    "until-percent": {
      type: "string",
      description: "Stop when this share of the copies met in the last two minutes has it",
      valueHint: "number",
    },
    rollout: {
      type: "string",
      description: "Announce it anew, for this share of the copies; signs, so it takes the key",
      valueHint: "50%",
    },
    critical: { type: "boolean", description: "Announce it anew, as critical; takes the key" },
    previous: {
      type: "string",
      description: "Older versions, so that who runs one of them is sent the difference",
      valueHint: "path,…",
    },
    limit: {
      type: "string",
      description: "Send at most this much, for each executable (default: unlimited)",
      valueHint: "2 MB/s",
    },
    ...KEY_ARGUMENTS,
    ...BOOTSTRAP_ARGUMENT,
    ...QUIET_ARGUMENT,
    json: { type: "boolean", description: "Print one JSON document a line" },
  },
  async run({ args }) {
    const untilCopies = untilPeers(args["until-peers"]);
    const untilPercent = percentFrom(args["until-percent"]);
    const anew = anewFrom(args);
    const uploadBytesPerS = limitFrom(args.limit);
    const paths = pathsOf(args.binary);
    const previous = args.previous === undefined ? [] : args.previous.split(",").flatMap(pathsOf);
    const status = showStatus(paths.length === 1);
    const rates = new Map<string, Rate>();
    const onProgress = (now: PublishProgress): void => {
      const rate = rates.get(now.target) ?? new Rate(systemClock);
      rates.set(now.target, rate);
      if (args.json === true) process.stdout.write(`${JSON.stringify(now)}\n`);
      else status.update(describe(now, rate.at(now.servedBytes, now.servedBytes).bytesPerS));
    };
    const bootstrap = bootstrapText(args.bootstrap);
    await untilStopped(async (stopped) => {
      // The first that cannot be published ends them all.
      const failed = new AbortController();
      const signal = AbortSignal.any([stopped, failed.signal]);
      const publishing = paths.map((path) =>
        publishExecutable({
          path,
          previous,
          bootstrap,
          untilCopies,
          untilPercent,
          anew,
          uploadBytesPerS,
          clock: systemClock,
          log: warnings,
          onProgress,
          signal,
        }).catch((error: unknown) => {
          failed.abort();
          throw error;
        }),
      );
      await Promise.allSettled(publishing);
      await Promise.all(publishing);
    }).finally(args.json === true ? undefined : status.end);
  },
});

function untilPeers(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const count = tryWholeNumber(text, 1, PEERS_MAX);
  if (count === undefined) throw usage(`--until-peers must be a number from 1 to ${PEERS_MAX}`);
  return count;
}

function percentFrom(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const percent = tryWholeNumber(text.replace(/%$/, ""), 1, 100);
  if (percent === undefined) throw usage("--until-percent must be a number from 1 to 100");
  return percent;
}

function anewFrom(args: {
  readonly rollout?: string | undefined;
  readonly critical?: boolean | undefined;
  readonly key?: string | undefined;
  readonly "key-file"?: string | undefined;
}): AnnouncedAnew | undefined {
  const { rollout, critical } = args;
  if (rollout === undefined && critical === undefined) return undefined;
  return {
    seed: readOwnerKey(args),
    rolloutPercent: rollout === undefined ? undefined : parseRollout(rollout),
    isCritical: critical,
  };
}

/** Of one executable, or of all that a release.json names. */
function pathsOf(path: string): readonly string[] {
  return isReleaseFile(path) ? readReleaseFile(path) : [path];
}

function limitFrom(text: string | undefined): number {
  const bytesPerS = parseUploadRate(text ?? "unlimited");
  if (bytesPerS === 0) throw usage("--limit off would serve nobody");
  return bytesPerS;
}

function describe(
  { version, target, copies, met, percent, servedBytes, connections }: PublishProgress,
  bytesPerS: number,
): string {
  const share = percent === null ? "" : ` (${percent} % of ${met} met)`;
  const rate = bytesPerS > 0 ? ` (${amount(Math.round(bytesPerS))}/s)` : "";
  return `serving ${version} for ${target}: ${copies} ${copies === 1 ? "copy has" : "copies have"} it${share}, ${amount(servedBytes)} sent${rate}, ${connections} connected`;
}
