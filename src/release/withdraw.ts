/**
 * Withdrawing a release: the owner signs the release before it anew, as the one to go back to, and puts that
 * record into the swarm. From then on every copy does.
 */
import type { SecretSeed } from "../core/brand.ts";
import type { Clock } from "../core/clock.ts";
import { keyText, publicKeyOf } from "../core/keys.ts";
import { RECORD_FUTURE_MAX_S } from "../core/limits.ts";
import type { Log } from "../core/log.ts";
import {
  heightOf,
  isWithdrawnBy,
  signRecord,
  type VerifiedRecord,
} from "../core/release-record.ts";
import type { TargetName } from "../core/target-key.ts";
import { compareVersions, type ParsedVersion } from "../core/version.ts";
import type { CarriedRelease } from "../exe/check-region.ts";
import { settingsDigest } from "../exe/extension.ts";
import type { Bootstrap } from "../swarm/bootstrap.ts";
import { Swarm } from "../swarm/swarm.ts";
import { ReleaseError } from "./error.ts";
import { KnownReleases } from "./known-releases.ts";
import { pause } from "./publish.ts";

export interface WithdrawOptions {
  readonly seed: SecretSeed;
  readonly name: TargetName;
  /** What is withdrawn. */
  readonly version: ParsedVersion;
  /** What to go back to: a release, a version that a copy still has, or the highest of those. */
  readonly to: CarriedRelease | ParsedVersion | undefined;
  readonly sharedSecret: Uint8Array | undefined;
  readonly bootstrap: Bootstrap;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
}

export interface Withdrawal {
  readonly target: string;
  readonly withdrawn: string;
  /** What copies go back to. */
  readonly version: string;
  /** DHT nodes that took the record, copies that were told. */
  readonly nodes: number;
  readonly copies: number;
}

/** How long somebody is looked for who knows the release, and then one who has an earlier one. */
const LOOK_FOR_MS = 20_000;
const LOOK_EVERY_MS = 1_000;
/** Rounds before the highest version met counts as the highest there is. */
const SURVEY_ROUNDS = 3;
/** Rounds in which the record is told, when the first one was heard. */
const TELL_ROUNDS = 2;

/**
 * Resolves when somebody has taken the record.
 * @throws {ReleaseError} NO_RELEASE, NO_EARLIER, NOT_NEWEST, NOT_PUBLISHABLE, NOBODY
 * @throws {SwarmError}
 */
export async function withdrawRelease(options: WithdrawOptions): Promise<Withdrawal> {
  const { seed, name, sharedSecret, bootstrap, clock, log } = options;
  const owner = publicKeyOf(seed);
  const known = new KnownReleases(owner, name);
  const swarm = await Swarm.start({
    owner,
    name,
    sharedSecret,
    bootstrap,
    clock,
    log,
    onMet: (peer) => known.ask(peer),
  });
  try {
    const record = await withdrawing(swarm, known, options);
    known.forgetMet();
    swarm.tell(record);
    await tell(swarm, known, options);
    return {
      target: name.target,
      withdrawn: heightOf(record.record).text,
      version: record.record.version.text,
      nodes: swarm.nodes,
      copies: known.met,
    };
  } finally {
    await swarm.destroy();
  }
}

/** The record that withdraws: signed now, or found in the swarm when it was before. */
async function withdrawing(
  swarm: Swarm,
  known: KnownReleases,
  options: WithdrawOptions,
): Promise<VerifiedRecord> {
  const { version, name, to } = options;
  const newest = await look(swarm, options, async () => swarm.newest);
  if (newest === undefined) {
    throw new ReleaseError(
      "NO_RELEASE",
      `no release of ${name.app} for ${name.target} (${name.channel}) was found`,
      { blame: "local" },
    );
  }
  if (newest.record.x.successor !== undefined) {
    throw new ReleaseError(
      "NOT_NEWEST",
      `this owner key was handed over to ${keyText(newest.record.x.successor)}: withdraw with that one`,
      { blame: "usage" },
    );
  }
  if (isWithdrawnBy(version, newest.record)) return newest;
  checkNewest(version, newest);
  const good = await look(swarm, options, async (round) => {
    if (to !== undefined && "region" in to) return to;
    // The highest is known when no higher one has turned up for a while.
    return to === undefined && round < SURVEY_ROUNDS ? undefined : known.below(version, to);
  });
  if (good === undefined) {
    throw new ReleaseError(
      "NO_EARLIER",
      `nobody who was met has an earlier version for ${name.target}: give the executable to go back to with --to`,
      { blame: "local" },
    );
  }
  return signWithdrawal(options, newest, good);
}

function checkNewest(version: ParsedVersion, { record }: VerifiedRecord): void {
  const order = compareVersions(version, record.version);
  if (order === 0) return;
  throw new ReleaseError(
    "NOT_NEWEST",
    order < 0
      ? `${version.text} is not the newest release: ${record.version.text} is, so no copy installs it any more`
      : `${version.text} is not known: the newest release is ${record.version.text}`,
    { blame: "usage", newest: record.version.text },
  );
}

/** Above all that is known, so that it takes the place of the newest record everywhere. */
function signWithdrawal(
  { seed, clock, version, name }: WithdrawOptions,
  newest: VerifiedRecord,
  { record: good, extension }: CarriedRelease,
): VerifiedRecord {
  const { record } = good;
  const isOurs =
    record.app === name.app && record.target === name.target && record.channel === name.channel;
  if (!isOurs || compareVersions(record.version, version) >= 0) {
    throw new ReleaseError(
      "NOT_PUBLISHABLE",
      `${record.version.text} of ${record.app} for ${record.target} (${record.channel}) is no earlier version of what is withdrawn`,
      { blame: "usage" },
    );
  }
  const nowS = Math.floor(clock.nowMs() / 1000);
  const publishedS = Math.max(nowS, newest.record.publishedS + 1);
  if (publishedS > nowS + RECORD_FUTURE_MAX_S) {
    throw new ReleaseError(
      "NOT_PUBLISHABLE",
      "the newest release is dated in the future: check the clock of this machine and of the one that signed it",
      { blame: "local" },
    );
  }
  const { notes } = record.x;
  return signRecord(seed, {
    ...record,
    publishedS,
    expiresS: 0,
    x: {
      settings: settingsDigest(extension),
      // All that was withdrawn before stays so.
      withdrawn: heightOf(newest.record),
      ...(notes !== undefined && { notes }),
    },
  });
}

/** Rounds until `find` has found something, or nobody is left to ask. */
async function look<T>(
  swarm: Swarm,
  { clock, signal }: WithdrawOptions,
  find: (round: number) => Promise<T | undefined>,
): Promise<T | undefined> {
  const untilMs = clock.monotonicMs() + LOOK_FOR_MS;
  for (let round = 1; ; round++) {
    await swarm.discover();
    const found = await find(round);
    if (found !== undefined || signal.aborted || clock.monotonicMs() > untilMs) return found;
    await pause(LOOK_EVERY_MS, signal);
  }
}

/** @throws {ReleaseError} NOBODY */
async function tell(swarm: Swarm, known: KnownReleases, options: WithdrawOptions): Promise<void> {
  let heard = 0;
  const isTold = await look(swarm, options, async () => {
    if (swarm.nodes > 0 || known.met > 0) heard++;
    return heard >= TELL_ROUNDS ? true : undefined;
  });
  if (isTold === true || heard > 0) return;
  throw new ReleaseError(
    "NOBODY",
    "the withdrawal was signed, but nobody has taken it: check the network and try again",
    { blame: "local" },
  );
}
