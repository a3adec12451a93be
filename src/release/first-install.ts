/** The newest release as a file, from running copies: a first install with no server. */
import { fchmodSync, fsyncSync, ftruncateSync, renameSync, statSync } from "node:fs";
import { dirname } from "node:path";
import type { PublicKey } from "../core/brand.ts";
import { keyText } from "../core/keys.ts";
import { equal, toHex } from "../core/bytes.ts";
import type { Clock } from "../core/clock.ts";
import { sha256 } from "../core/hash.ts";
import { REGIONS_PER_TRY_MAX } from "../core/limits.ts";
import type { Log } from "../core/log.ts";
import type { VerifiedRecord } from "../core/release-record.ts";
import { without, type ByteSource } from "../core/source.ts";
import type { TargetName } from "../core/target-key.ts";
import { aroundRegion } from "../exe/canonical.ts";
import { checkRegion } from "../exe/check-region.ts";
import { ExeError } from "../exe/error.ts";
import { decodeRegion } from "../exe/full-region.ts";
import { notesIn } from "../exe/notes.ts";
import { completion, normalForm } from "../exe/normal-form.ts";
import { REGION_BYTES } from "../exe/region.ts";
import { verifyExecutable, type VerifiedFull } from "../exe/verify-executable.ts";
import { FsError } from "../fs/error.ts";
import { fileSource } from "../fs/file-source.ts";
import { createBeside, discard, syncDirectory, writeAll } from "../fs/temporary-file.ts";
import type { Bootstrap } from "../swarm/bootstrap.ts";
import type { FetchProgress } from "../swarm/download.ts";
import { Swarm } from "../swarm/swarm.ts";
import { ReleaseError } from "./error.ts";
import { isExpired, pause } from "./publish.ts";

export interface FirstInstallOptions {
  readonly owner: PublicKey;
  readonly name: TargetName;
  /** File to write; replaced whole, if it is there. */
  readonly out: string;
  readonly sharedSecret: Uint8Array | undefined;
  readonly bootstrap: Bootstrap;
  readonly clock: Clock;
  readonly log: Log;
  readonly onFound: (record: VerifiedRecord) => void;
  readonly onProgress: (progress: FetchProgress) => void;
  readonly signal: AbortSignal;
}

export interface FirstInstall {
  readonly version: string;
  /** Of the file. */
  readonly sizeBytes: number;
  /** Release notes, as signed. */
  readonly notes?: string;
}

const MODE = 0o755;
const LOOK_EVERY_MS = 2_000;
/** Peers appear in the DHT within a minute; after that there is nobody. */
const LOOK_FOR_MS = 60_000;

/**
 * Finds, fetches, verifies as step 6 does, and only then gives the file its name and mode.
 * @throws {ReleaseError} NO_RELEASE @throws {SwarmError} NO_PROVIDER, STOPPED
 * @throws {ExeError} when no region that was offered leads to a valid executable @throws {FsError}
 */
export async function installFirst(options: FirstInstallOptions): Promise<FirstInstall> {
  const { owner, name, out, sharedSecret, bootstrap, clock, log, onFound } = options;
  checkOut(out);
  const swarm = await Swarm.start({ owner, name, sharedSecret, bootstrap, clock, log });
  try {
    const record = await findRelease(swarm, options);
    onFound(record);
    return await install(swarm, record, options);
  } finally {
    await swarm.destroy();
  }
}

/** Before anything is fetched. */
function checkOut(path: string): void {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats === undefined || stats.isFile()) return;
  throw new FsError("NOT_A_FILE", `${path} is there and is not a file`, { blame: "usage", path });
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

async function install(
  swarm: Swarm,
  record: VerifiedRecord,
  { owner, out, onProgress, signal }: FirstInstallOptions,
): Promise<FirstInstall> {
  const { lengthBytes, regionOffset, version } = record.record;
  const wrong = new Set<string>();
  const check = (region: Uint8Array): void => {
    checkRegion(owner, region, record);
    if (wrong.has(toHex(sha256(region)))) throw notAsAnnounced();
  };
  const file = createBeside(out);
  try {
    ftruncateSync(file.fd, lengthBytes + REGION_BYTES);
    const write = (streamOffset: number, bytes: Uint8Array): void => {
      for (const piece of aroundRegion(streamOffset, bytes, regionOffset)) {
        writeAll(file.fd, piece.bytes, piece.offset);
      }
    };
    // Others who install for the first time can have what is here already.
    const written = (): ByteSource => without(fileSource(file.fd), regionOffset, REGION_BYTES);
    let { region } = await fetchContent(swarm, record, check, write, written, onProgress, signal);
    for (let tries = 1; ; tries++) {
      writeAll(file.fd, region, regionOffset);
      try {
        for (const { offset, bytes } of completion(normalForm(fileSource(file.fd)))) {
          writeAll(file.fd, bytes, offset);
        }
        checkFile(owner, file.fd, record, region);
        break;
      } catch (cause) {
        if (!(cause instanceof ExeError) || tries >= REGIONS_PER_TRY_MAX) throw cause;
        // The chunks are under the signed root, so it was the region that lied; another peer's may not.
        wrong.add(toHex(sha256(region)));
        const nothing = { missing: () => [], onChunk: () => undefined };
        ({ region } = await swarm.fetch(record, { checkRegion: check, ...nothing, signal }));
      }
    }
    fchmodSync(file.fd, MODE);
    fsyncSync(file.fd);
    renameSync(file.path, out);
    syncDirectory(dirname(out));
    const { extension } = decodeRegion(region);
    const notes = extension && notesIn(extension, record.record);
    return {
      version: version.text,
      sizeBytes: fileSource(file.fd).sizeBytes,
      ...(notes !== undefined && { notes }),
    };
  } finally {
    discard(file);
  }
}

function fetchContent(
  swarm: Swarm,
  record: VerifiedRecord,
  check: (region: Uint8Array) => void,
  write: (streamOffset: number, bytes: Uint8Array) => void,
  written: () => ByteSource,
  onProgress: (progress: FetchProgress) => void,
  signal: AbortSignal,
): ReturnType<Swarm["fetch"]> {
  return swarm.fetch(record, {
    checkRegion: check,
    missing: ({ count }) => Array.from({ length: count }, (_, index) => index),
    onChunk: ({ offset }, bytes) => write(offset, bytes),
    written: () => ({ stream: written(), chunks: [] }),
    onProgress,
    signal,
  });
}

/** Step 6 (verify), through the descriptor it was written by. */
function checkFile(owner: PublicKey, fd: number, record: VerifiedRecord, region: Uint8Array): void {
  const file = verifyExecutable(fileSource(fd), { owner });
  if (file.kind !== "full" || !isAsAnnounced(file, record, region)) throw notAsAnnounced();
}

function isAsAnnounced(file: VerifiedFull, record: VerifiedRecord, region: Uint8Array): boolean {
  checkRegion(file.owner, file.region, record);
  return equal(file.region, region);
}

function notAsAnnounced(): ExeError {
  return new ExeError("RECORD_MISMATCH", "what was fetched is not what the record announces", {
    blame: "peer",
  });
}
