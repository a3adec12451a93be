/**
 * The updater of the executable that runs, put together: the file, the swarm, the order of things. In a Worker,
 * whether the app has it at its side or a helper looks in its place.
 */
import { systemClock } from "../src/core/clock.ts";
import type { Log } from "../src/core/log.ts";
import { checkLineage, type Handover } from "../src/core/handover.ts";
import { checkName, type VerifiedRecord } from "../src/core/release-record.ts";
import { canonicalStream } from "../src/exe/canonical.ts";
import { verifyExecutable, type VerifiedFull } from "../src/exe/verify-executable.ts";
import type { Environment, Overrides } from "../src/patcher/protocol.ts";
import { Swarm } from "../src/swarm/swarm.ts";
import { readContacts, writeContacts } from "../src/update/contacts-file.ts";
import { DurableState } from "../src/update/durable-state.ts";
import { UpdateError } from "../src/update/error.ts";
import type { UpdateEvent } from "../src/update/events.ts";
import { readFollowedChannel, writeFollowedChannel } from "../src/update/followed-channel.ts";
import { Installation } from "../src/update/installation.ts";
import { Journal } from "../src/update/journal.ts";
import { tryLock } from "../src/fs/lock.ts";
import { OlderVersions } from "../src/update/older-versions.ts";
import { pathBeside } from "../src/fs/own-files.ts";
import { openPrevious, type PreviousVersion } from "../src/update/previous.ts";
import { rehearse } from "../src/update/rehearse.ts";
import { messageOf } from "../src/update/reporter.ts";
import { readStatus, type Status } from "../src/update/status.ts";
import { TrustedState } from "../src/update/trusted-state.ts";
import { Updater } from "../src/update/updater.ts";
import { within } from "../src/update/within.ts";
import { runtimeConfig, type RuntimeConfig } from "./config.ts";
import { refusalAfter } from "./refusal.ts";

export interface Running {
  readonly installation: Installation;
  readonly config: RuntimeConfig;
  readonly swarm: Swarm;
  readonly updater: Updater;
  readonly journal: Journal;
  readonly own: VerifiedFull;
  readonly state: DurableState;
  readonly previous: PreviousVersion | undefined;
  readonly older: OlderVersions;
  /** For the next run; for the last time. */
  readonly noteContacts: () => void;
}

export interface Wish {
  readonly execPath: string;
  readonly overrides: Overrides;
  readonly environment: Environment;
}

export interface Surroundings {
  readonly log: Log;
  readonly emit: (event: UpdateEvent) => void;
  /** Step 8, once the swarm has been left. */
  readonly restart: () => void;
  /** Another owner key is followed from now on: stop this updater and start it anew. */
  readonly rejoin?: () => void;
}

const LEAVE_TIMEOUT_MS = 3_000;
/** Peers and nodes are noted for the case that this run does not end by itself. */
const NOTE_CONTACTS_MS = 300_000;
/** A second of work, once for each version: the start is not the time for it. */
const ADD_OLDER_AFTER_MS = 30_000;

/** @throws {ExeError} @throws {CoreError} when the running executable is not what its owner signed. */
export function verifySelf(installation: Installation): VerifiedFull {
  const verified = verifyExecutable(installation.source);
  if (verified.kind === "full") return verified;
  throw new Error("the signature region of this executable has no extension");
}

/**
 * Joins the swarm and serves; the updater is there, and does nothing before it is told to. Undefined when this
 * executable cannot be updated at all; the log says why.
 */
export async function startUpdater(
  { execPath, overrides, environment }: Wish,
  { log, emit, restart, rejoin }: Surroundings,
): Promise<Running | undefined> {
  let installation: Installation;
  let own: VerifiedFull;
  let config: RuntimeConfig;
  try {
    installation = Installation.open(execPath);
    own = verifySelf(installation);
    config = runtimeConfig(own.extension, overrides, environment, log);
  } catch (cause) {
    log("warn", `this program does not update itself: ${messageOf(cause)}`);
    return undefined;
  }
  const { owner, extension, record, region, table, offset } = own;
  const followed = config.channel ?? followedBy(installation, extension.channel);
  const name = { ...extension, channel: followed };
  const lineage = lineageOf(own);
  const state = new DurableState(new TrustedState(record, followed), {
    installation,
    owner,
    lineage,
    log,
    nowMs: systemClock.nowMs(),
  });
  let refusal: string | undefined;
  let noticed = (_newer: VerifiedRecord): void => undefined;
  const swarm = await Swarm.start({
    owner: state.trusted.owner,
    name,
    sharedSecret: extension.sharedSecret,
    bootstrap: config.bootstrap,
    clock: systemClock,
    log,
    newest: state.trusted.newest,
    contacts: readContacts(installation, log),
    handovers: [...lineage, ...state.trusted.handovers],
    uploadBytesPerS: config.uploadBytesPerS,
    onRecord: (newer) => noticed(newer),
    ...(config.tellsStatus ? { refusal: () => refusal } : {}),
  });
  const journal = new Journal(installation, config.mode, log);
  const updater = new Updater({
    installation,
    own,
    state,
    source: swarm,
    mode: config.mode,
    intervalMs: config.intervalMs,
    clock: systemClock,
    random: Math.random,
    log,
    journal,
    emit: (event) => {
      refusal = refusalAfter(event, refusal);
      emit(event);
    },
    rehearse,
    restart: () => {
      note();
      void leave(swarm).then(restart);
    },
    ...(rejoin === undefined ? {} : { rejoin }),
  });
  noticed = (newer) => updater.noticed(newer);
  const note = (): void => writeContacts(installation, swarm.contacts, log);
  const cancelNotes = everyMs(NOTE_CONTACTS_MS, note);
  const content = { table, stream: canonicalStream(installation.source, offset) };
  // Who follows another channel has no release of it yet; what is here helps others over a difference.
  if (followed === extension.channel) swarm.serve({ record, region, ...content });
  else swarm.addBase({ root: table.root, stream: content.stream });
  const previous = openPrevious(installation, owner);
  if (previous !== undefined) swarm.addBase(previous);
  const older = new OlderVersions(installation);
  for (const base of older.over(content)) swarm.addBase(base);
  systemClock.after(ADD_OLDER_AFTER_MS, () => void addOlder());
  const addOlder = async (): Promise<void> => {
    if (previous === undefined) return;
    for (const base of await older.add(previous, content)) swarm.addBase(base);
  };
  const where = followed === extension.channel ? "" : `, following channel ${followed}`;
  log("info", `running ${record.record.version.text}, serving ${installation.path}${where}`);
  const noteContacts = (): void => {
    cancelNotes();
    note();
  };
  const parts = { installation, own, state, config, swarm, updater, journal };
  return { ...parts, previous, older, noteContacts };
}

/** Copies of before are told where the key has gone, for as long as there are any of now. */
function lineageOf({ owner, extension }: VerifiedFull): Handover[] {
  const { lineage } = extension;
  if (lineage === undefined) return [];
  try {
    return checkLineage(owner, extension, lineage);
  } catch {
    // Signing checks it. Without it this copy updates all the same.
    return [];
  }
}

/** From what lies beside the executable, and what its running copy has not been able to write there. */
export function statusOf(installation: Installation, own: VerifiedFull, live?: Running): Status {
  const { owner, extension, record, region } = own;
  const { app, mode } = extension;
  const { version, publishedS } = record.record;
  const channel = live?.state.trusted.channel ?? followedBy(installation, extension.channel);
  return readStatus(
    { path: installation.path, owner, app, channel, mode, version, publishedS, region },
    live && { look: live.journal.last, trusted: live.state.trusted },
  );
}

/** By the app's wish, else its own. */
function followedBy({ path }: Installation, own: string): string {
  return readFollowedChannel(pathBeside(path, "channel"), own) ?? own;
}

/**
 * Has this executable, and every later start of it, follow another channel. The updater that runs still follows the
 * one before.
 * @throws {UpdateError} CHANNEL_FIXED, BUSY and what `checkSafe` throws @throws {FsError} @throws {CoreError}
 */
export function followChannel({ installation, own, config }: Running, channel: string): void {
  checkName(channel, "channel");
  if (config.channel !== undefined) {
    throw new UpdateError(
      "CHANNEL_FIXED",
      `RUSTPATCHER_CHANNEL says which channel is followed: ${config.channel}`,
      { blame: "usage" },
    );
  }
  installation.checkSafe();
  const lock = tryLock(installation.lockPath);
  if (lock === undefined) {
    throw new UpdateError("BUSY", "another copy of this program is updating it", {
      blame: "local",
    });
  }
  try {
    const path = pathBeside(installation.path, "channel");
    writeFollowedChannel(path, own.extension.channel, channel);
  } finally {
    lock.release();
  }
}

function everyMs(delayMs: number, work: () => void): () => void {
  let cancel = systemClock.after(delayMs, function again() {
    work();
    cancel = systemClock.after(delayMs, again);
  });
  return () => cancel();
}

/** Peers that fetch from us learn now that we go, not by a timeout. A courtesy: it may take its time, or fail. */
async function leave(swarm: Swarm): Promise<void> {
  await within(systemClock, LEAVE_TIMEOUT_MS, swarm.destroy()).catch(() => undefined);
}

/** Ends the work under way and frees everything. */
export async function stopUpdater(parts: Running): Promise<void> {
  await parts.updater.stop();
  parts.noteContacts();
  await leave(parts.swarm);
  parts.previous?.close();
  parts.older.close();
  parts.installation.close();
}
