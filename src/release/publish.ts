/** Serving a signed executable without running it. */
import { closeSync } from "node:fs";
import { CodedPieces } from "../assembly/coded-pieces.ts";
import type { SecretSeed } from "../core/brand.ts";
import type { Clock } from "../core/clock.ts";
import { checkLineage } from "../core/handover.ts";
import { keyText, publicKeyOf } from "../core/keys.ts";
import { RECORD_FUTURE_MAX_S } from "../core/limits.ts";
import type { Log } from "../core/log.ts";
import { signRecord, type ReleaseRecord, type VerifiedRecord } from "../core/release-record.ts";
import { canonicalStream } from "../exe/canonical.ts";
import { olderRelease, type OlderRelease } from "../exe/older-release.ts";
import { verifyExecutable, type VerifiedFull } from "../exe/verify-executable.ts";
import { fileSource, openFile } from "../fs/file-source.ts";
import { bootstrapFrom } from "../swarm/bootstrap.ts";
import { Adoption } from "../swarm/adoption.ts";
import { Copies } from "../swarm/copies.ts";
import { Swarm } from "../swarm/swarm.ts";
import { additionsOf } from "./announcement.ts";
import { ReleaseError } from "./error.ts";
import { refuseOtherKey } from "./settings.ts";

export interface PublishProgress {
  readonly version: string;
  readonly target: string;
  /** Sent to others so far. */
  readonly servedBytes: number;
  /** Copies that say they have this release. */
  readonly copies: number;
  /** Copies met in the last two minutes, and the share of them that has it; null when nobody was met. */
  readonly met: number;
  readonly percent: number | null;
  /** Clients connected now. */
  readonly connections: number;
}

export interface PublishOptions {
  readonly path: string;
  /** Older versions, signed by the same key: who runs one of them is sent the difference to it. */
  readonly previous?: readonly string[];
  /** "host:port,…"; wins over what the executable says. */
  readonly bootstrap: string | undefined;
  /** Ends when so many copies have it. */
  readonly untilCopies: number | undefined;
  /** Ends when this share of the copies met has it, 1 to 100; not in the first half minute. */
  readonly untilPercent?: number | undefined;
  /** Announces it anew, for more copies than its own record says, or as critical. Its file stays as it is. */
  readonly anew?: AnnouncedAnew | undefined;
  /** To all others together. */
  readonly uploadBytesPerS: number;
  readonly clock: Clock;
  readonly log: Log;
  /** At the start and then about every second in which something has changed. */
  readonly onProgress: (progress: PublishProgress) => void;
  /** Ends it; that is no error. */
  readonly signal: AbortSignal;
}

export interface AnnouncedAnew {
  readonly seed: SecretSeed;
  readonly rolloutPercent?: number | undefined;
  readonly isCritical?: boolean | undefined;
}

const LOOK_EVERY_MS = 1_000;
/** The first who are met are no picture of the others. */
const SETTLE_MS = 30_000;
/** How often the DHT is refreshed, and peers are asked what they hold. */
const INTERVAL_MS = 10_000;

/**
 * Resolves when stopped or when enough copies have it.
 * @throws {ReleaseError} NOT_PUBLISHABLE @throws {ExeError} @throws {FsError}
 * @throws {SwarmError} BOOTSTRAP_INVALID
 */
export async function publishExecutable(options: PublishOptions): Promise<PublishProgress> {
  const { path, clock, log, onProgress, untilCopies = Infinity, signal } = options;
  const { untilPercent = Infinity } = options;
  // Served from this descriptor: a file that is put in its place meanwhile is not what was verified.
  const fd = openFile(path);
  const fds = [fd];
  const older: OlderRelease[] = [];
  try {
    const source = fileSource(fd);
    const own = publishable(verifyExecutable(source), clock);
    const { owner, extension, record, region, table, offset } = own;
    const newest = announced(own, options);
    for (const previous of options.previous ?? []) {
      const opened = openFile(previous);
      fds.push(opened);
      const base = olderRelease(fileSource(opened), owner);
      older.push(base);
      refuseOther(previous, base.record.record, record.record);
    }
    const copies = new Copies(table.root);
    const adoption = new Adoption(table.root);
    const startedMs = clock.monotonicMs();
    let servedBytes = 0;
    const swarm = await Swarm.start({
      owner,
      name: extension,
      sharedSecret: extension.sharedSecret,
      bootstrap: bootstrapFrom(options.bootstrap, extension.bootstrap),
      clock,
      log,
      newest,
      ...(extension.lineage === undefined
        ? {}
        : { handovers: checkLineage(owner, extension, extension.lineage) }),
      onRecord: (newer) => log("warn", newsOf(newer.record)),
      copies,
      onMet: async ({ publicKey, roots }) => adoption.meet(publicKey, roots, clock.monotonicMs()),
      onServed: (sizeBytes) => (servedBytes += sizeBytes),
      ...(extension.statistics === false ? {} : { refusal: () => undefined }),
      uploadBytesPerS: options.uploadBytesPerS,
      intervalMs: INTERVAL_MS,
    });
    const progress = (): PublishProgress => ({
      version: record.record.version.text,
      target: record.record.target,
      servedBytes,
      copies: copies.count,
      met: adoption.met(clock.monotonicMs()),
      percent: adoption.percent(clock.monotonicMs()) ?? null,
      connections: swarm.connections,
    });
    const coded = CodedPieces.beside(path, table.lengthBytes);
    try {
      swarm.serve({ record, region, table, stream: canonicalStream(source, offset), coded });
      const { target } = record.record;
      for (const base of older) if (base.record.record.target === target) swarm.addBase(base);
      const isDone = ({ copies: count, percent }: PublishProgress): boolean =>
        count >= untilCopies ||
        (percent !== null &&
          percent >= untilPercent &&
          clock.monotonicMs() - startedMs >= SETTLE_MS);
      await watch(progress, isDone, onProgress, signal);
      return progress();
    } finally {
      await swarm.destroy();
      coded?.close();
    }
  } finally {
    for (const opened of fds) closeSync(opened);
  }
}

/** The record that the swarm is told: the file's own, or one of the same release for other copies. */
function announced({ owner, record }: VerifiedFull, options: PublishOptions): VerifiedRecord {
  if (options.anew === undefined) return record;
  const { seed, ...announcement } = options.anew;
  refuseOtherKey(owner, publicKeyOf(seed));
  const { rolloutPercent: _rollout, isCritical: _critical, ...kept } = record.record.x;
  if (kept.settings === undefined) {
    throw refused("it was signed before releases could be announced anew: sign it again");
  }
  const nowS = Math.floor(options.clock.nowMs() / 1000);
  return signRecord(seed, {
    ...record.record,
    publishedS: Math.max(nowS, record.record.publishedS + 1),
    x: { ...kept, ...additionsOf(announcement) },
  });
}

/** Another target is no mistake: a release.json has many. */
function refuseOther(path: string, older: ReleaseRecord, own: ReleaseRecord): void {
  if (older.app === own.app && older.channel === own.channel) return;
  const [was, is] = [older, own].map(({ app, channel }) => `${app} (${channel})`);
  throw new ReleaseError(
    "NOT_PUBLISHABLE",
    `${path} is no older version of it: it is ${was}, not ${is}`,
    {
      blame: "usage",
      path,
    },
  );
}

/** Tells about each change until `isDone` or the signal. */
async function watch(
  progress: () => PublishProgress,
  isDone: (now: PublishProgress) => boolean,
  onProgress: (now: PublishProgress) => void,
  signal: AbortSignal,
): Promise<void> {
  let told = "";
  while (!signal.aborted) {
    const now = progress();
    const text = JSON.stringify(now);
    if (text !== told) onProgress(now);
    told = text;
    if (isDone(now)) return;
    await pause(LOOK_EVERY_MS, signal);
  }
}

/** A timer that keeps the process alive, as a command that serves has to be. */
export function pause(delayMs: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, delayMs);
  signal.addEventListener("abort", () => resolve(), { once: true });
  return promise.finally(() => clearTimeout(timer));
}

function publishable(own: ReturnType<typeof verifyExecutable>, clock: Clock): VerifiedFull {
  if (own.kind === "core")
    throw refused("it carries no release record: sign it with `rustpatcher sign`");
  const nowS = clock.nowMs() / 1000;
  const { publishedS, expiresS } = own.record.record;
  if (isExpired(own.record.record, nowS)) {
    throw refused(`it expired ${date(expiresS)}: sign it again`);
  }
  if (publishedS > nowS + RECORD_FUTURE_MAX_S) {
    throw refused(
      `it is dated ${date(publishedS)}: check the clock of this machine and of the one that signed it`,
    );
  }
  return own;
}

export function isExpired({ expiresS }: ReleaseRecord, nowS: number): boolean {
  return expiresS !== 0 && expiresS <= nowS;
}

function newsOf({ version, x }: ReleaseRecord): string {
  if (x.successor !== undefined) {
    return `this owner key was handed over to ${keyText(x.successor)}: copies do not follow it any more`;
  }
  if (x.withdrawn === undefined) return `the swarm has a newer release: ${version.text}`;
  return `the owner has withdrawn ${x.withdrawn.text}: copies go back to ${version.text}`;
}

function date(seconds: number): string {
  return new Date(seconds * 1000).toISOString();
}

function refused(reason: string): ReleaseError {
  return new ReleaseError("NOT_PUBLISHABLE", `no copy would take this executable: ${reason}`, {
    blame: "artifact",
  });
}
