import { systemClock } from "../core/clock.ts";
import { publicKeyOf } from "../core/keys.ts";
import { checkName } from "../core/release-record.ts";
import { checkTarget, TARGETS, type Target } from "../core/target.ts";
import { parseVersion, tryParseVersion } from "../core/version.ts";
import type { CarriedRelease } from "../exe/check-region.ts";
import { verifyExecutable } from "../exe/verify-executable.ts";
import { withFile } from "../fs/file-source.ts";
import { targetList } from "../release/build-targets.ts";
import { ReleaseError } from "../release/error.ts";
import { findProject } from "../release/project.ts";
import { isReleaseFile, readReleaseFile } from "../release/release-file.ts";
import { checkSharedSecret, firstOf, ownerOf, refuseOtherKey } from "../release/settings.ts";
import { withdrawRelease, type Withdrawal } from "../release/withdraw.ts";
import { bootstrapFrom } from "../swarm/bootstrap.ts";
import { command, type Command } from "./command.ts";
import { usage } from "./error.ts";
import { KEY_ARGUMENTS, readOwnerKey } from "./key-source.ts";
import { complain, JSON_ARGUMENT, report } from "./output.ts";
import { BOOTSTRAP_ARGUMENT, bootstrapText, warnings } from "./serving.ts";
import { untilStopped } from "./interrupt.ts";

export const withdraw: Command = command({
  meta: {
    name: "withdraw",
    description: "Withdraw the newest release: copies go back to the one before",
  },
  args: {
    version: { type: "positional", required: true, description: "Version to withdraw" },
    to: {
      type: "string",
      description:
        "What to go back to: a version, an executable, or a release.json (default: the highest version below that a copy still has)",
      valueHint: "version",
    },
    ...KEY_ARGUMENTS,
    app: { type: "string", description: 'App name (default: "name" in package.json)' },
    channel: { type: "string", description: "Channel (default: stable)" },
    target: {
      type: "string",
      description: "One target, several with commas, or all (default: those of --to, else all)",
    },
    ...BOOTSTRAP_ARGUMENT,
    ...JSON_ARGUMENT,
  },
  async run({ args }) {
    const version = parseVersion(args.version);
    const seed = readOwnerKey(args);
    const owner = publicKeyOf(seed);
    const { app, channel } = args;
    const settings = firstOf({ app, channel }, findProject(process.cwd())?.settings);
    refuseOtherKey(ownerOf(settings), owner);
    const good = goodFrom(args.to);
    const name = {
      app: checkName(settings.app ?? good[0]?.extension.app ?? missingApp(), "app name"),
      channel: checkName(settings.channel ?? good[0]?.extension.channel ?? "stable", "channel"),
    };
    const wanted = args.to === undefined ? undefined : tryParseVersion(args.to);
    const targets = targetsFrom(args.target, good);
    const shared = {
      seed,
      version,
      clock: systemClock,
      log: warnings,
      sharedSecret: checkSharedSecret(settings.sharedSecret),
      bootstrap: bootstrapFrom(bootstrapText(args.bootstrap), settings.bootstrap ?? []),
    };
    const outcomes = await untilStopped((signal) =>
      Promise.allSettled(
        targets.map((target) => {
          const to = wanted ?? good.find(({ extension }) => extension.target === target);
          return withdrawRelease({ ...shared, name: { ...name, target }, to, signal });
        }),
      ),
    );
    show(args.json === true, targets, outcomes);
  },
});

/** A target without a release is no failure, as long as another one has it. */
function show(
  isJson: boolean,
  targets: readonly Target[],
  outcomes: readonly PromiseSettledResult<Withdrawal>[],
): void {
  const done = outcomes.flatMap((outcome) =>
    outcome.status === "fulfilled" ? [outcome.value] : [],
  );
  const failed = outcomes.flatMap((outcome, index) =>
    outcome.status === "rejected" ? [{ target: targets[index], reason: outcome.reason }] : [],
  );
  const isAbsent = (reason: unknown): boolean =>
    reason instanceof ReleaseError && reason.code === "NO_RELEASE";
  if (done.length === 0) throw failed[0]?.reason;
  report(
    isJson,
    { withdrawn: done },
    done.map(
      ({ target, withdrawn, version, nodes, copies }) =>
        `${withdrawn} for ${target} is withdrawn: copies go back to ${version}; ${nodes} nodes and ${copies} copies have been told`,
    ),
  );
  const serious = failed.filter(({ reason }) => targets.length === 1 || !isAbsent(reason));
  for (const { target, reason } of serious.slice(1)) {
    complain(`${target}: ${reason instanceof Error ? reason.message : String(reason)}`);
  }
  if (serious.length > 0) throw serious[0]?.reason;
}

function missingApp(): never {
  throw usage("there is no app name: write it as --app, or run this beside the app's package.json");
}

/** @throws {ReleaseError} NOT_PUBLISHABLE @throws {ExeError} @throws {FsError} */
function goodFrom(to: string | undefined): CarriedRelease[] {
  if (to === undefined || tryParseVersion(to) !== undefined) return [];
  const paths = isReleaseFile(to) ? readReleaseFile(to) : [to];
  return paths.map((path) => {
    const found = withFile(path, (source) => verifyExecutable(source));
    if (found.kind === "full") return found;
    throw new ReleaseError("NOT_PUBLISHABLE", `${path} carries no release record`, {
      blame: "usage",
    });
  });
}

function targetsFrom(flag: string | undefined, good: readonly CarriedRelease[]): readonly Target[] {
  if (flag !== undefined) return targetList(flag) ?? [checkTarget(flag)];
  return good.length > 0 ? good.map(({ extension }) => extension.target) : TARGETS;
}
