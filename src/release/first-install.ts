/** The newest release as a file, from running copies: a first install with no server. */
import { keyText } from "../core/keys.ts";
import type { Clock } from "../core/clock.ts";
import type { Log } from "../core/log.ts";
import type { VerifiedRecord } from "../core/release-record.ts";
import type { TargetName } from "../core/target-key.ts";
import { tryLock } from "../fs/lock.ts";
import { pathBeside } from "../fs/own-files.ts";
import type { Bootstrap } from "../swarm/bootstrap.ts";
import { Swarm } from "../swarm/swarm.ts";
import { ReleaseError } from "./error.ts";
import {
  checkPlace,
  fetchFile,
  sweepPlace,
  type FirstFile,
  type FirstFileOptions,
} from "./first-file.ts";
import { isExpired, pause } from "./publish.ts";

export interface FirstInstallOptions extends FirstFileOptions {
  readonly name: TargetName;
  readonly sharedSecret: Uint8Array | undefined;
  readonly bootstrap: Bootstrap;
  readonly clock: Clock;
  readonly log: Log;
  readonly onFound: (record: VerifiedRecord) => void;
}

const LOOK_EVERY_MS = 2_000;
/** Peers appear in the DHT within a minute; after that there is nobody. */
const LOOK_FOR_MS = 60_000;

/**
 * Finds, fetches, verifies as step 6 does, and only then gives the file its name and mode. What an attempt that
 * was interrupted has left beside it is taken over, as far as it has the right hash.
 * @throws {ReleaseError} NO_RELEASE, BUSY @throws {SwarmError} NO_PROVIDER, STOPPED
 * @throws {ExeError} when no region that was offered leads to a valid executable @throws {FsError}
 */
export async function installFirst(options: FirstInstallOptions): Promise<FirstFile> {
  const { owner, name, out, sharedSecret, bootstrap, clock, log, onFound } = options;
  checkPlace(out);
  // The one that updates take: a copy that runs from there may be at it.
  const lock = tryLock(pathBeside(out, "lock"));
  if (lock === undefined) throw busy(out);
  try {
    sweepPlace(out);
    const swarm = await Swarm.start({ owner, name, sharedSecret, bootstrap, clock, log });
    try {
      const record = await findRelease(swarm, options);
      onFound(record);
      return await fetchFile(swarm, record, options);
    } finally {
      await swarm.destroy();
    }
  } finally {
    lock.remove();
  }
}

function busy(path: string): ReleaseError {
  return new ReleaseError("BUSY", `${path} is being fetched or updated by another process`, {
    blame: "local",
    path,
  });
}

async function findRelease(
  swarm: Swarm,
  { clock, signal, name }: FirstInstallOptions,
): Promise<VerifiedRecord> {
  const untilMs = clock.monotonicMs() + LOOK_FOR_MS;
  while (!signal.aborted && clock.monotonicMs() < untilMs) {
    const record = await swarm.discover();
    refuseHandedOver(record);
    if (record !== undefined && !isExpired(record.record, clock.nowMs() / 1000)) return record;
    await pause(LOOK_EVERY_MS, signal);
  }
  const { app, target, channel } = name;
  throw new ReleaseError(
    "NO_RELEASE",
    `no release of ${app} for ${target} (${channel}) was found: check the names, the key and that a copy is running`,
    { blame: "local", app, target, channel },
  );
}

/** Whoever asked for the old key is told, and decides: it may have been stolen. */
function refuseHandedOver(record: VerifiedRecord | undefined): void {
  const successor = record?.record.x.successor;
  if (successor === undefined) return;
  throw new ReleaseError(
    "NO_RELEASE",
    `this owner key was handed over to ${keyText(successor)}: make sure that this is the owner's new key, and fetch with that`,
    { blame: "local" },
  );
}
