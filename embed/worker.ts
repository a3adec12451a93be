/**
 * The Worker half: everything that hashes, encrypts, parses a stranger's bytes or touches the disk. One
 * script, carried by the app as a file. It speaks to the main half alone.
 */
import { RustpatcherError } from "../src/core/error.ts";
import { systemClock } from "../src/core/clock.ts";
import type { Log } from "../src/core/log.ts";
import type { VerifiedRecord } from "../src/core/release-record.ts";
import { canonicalStream } from "../src/exe/canonical.ts";
import { verifyExecutable, type VerifiedFull } from "../src/exe/verify-executable.ts";
import type { FromWorker, StartMessage, ToWorker } from "../src/patcher/protocol.ts";
import { isShown } from "../src/patcher/stderr.ts";
import { Swarm } from "../src/swarm/swarm.ts";
import { DurableState } from "../src/update/durable-state.ts";
import type { ErrorInfo } from "../src/update/events.ts";
import { Installation } from "../src/update/installation.ts";
import { OlderVersions } from "../src/update/older-versions.ts";
import { openPrevious, type PreviousVersion } from "../src/update/previous.ts";
import { rehearse } from "../src/update/rehearse.ts";
import { TrustedState } from "../src/update/trusted-state.ts";
import { Updater } from "../src/update/updater.ts";
import { within } from "../src/update/within.ts";
import { runtimeConfig } from "./config.ts";
import { eventText } from "./event-text.ts";
import { refusalAfter } from "./refusal.ts";
import { keepCodeReleased } from "./resident-code.ts";

declare const self: Worker;

interface Running {
  readonly installation: Installation;
  readonly swarm: Swarm;
  readonly updater: Updater;
  readonly previous: PreviousVersion | undefined;
  readonly older: OlderVersions;
}

const LEAVE_TIMEOUT_MS = 3_000;
/** A second of work, once for each version: the start is not the time for it. */
const ADD_OLDER_AFTER_MS = 30_000;

let running: Promise<Running | undefined> | undefined;

function tell(message: FromWorker): void {
  self.postMessage(message);
}

function describe(cause: unknown): ErrorInfo {
  const code = cause instanceof RustpatcherError ? cause.code : "UNKNOWN";
  return { code, message: cause instanceof Error ? cause.message : String(cause) };
}

/** @throws {ExeError} @throws {CoreError} when the running executable is not what its owner signed. */
function verifySelf(installation: Installation): VerifiedFull {
  const verified = verifyExecutable(installation.source);
  if (verified.kind === "full") return verified;
  throw new Error("the signature region of this executable has no extension");
}

async function start(message: StartMessage): Promise<Running | undefined> {
  const log: Log = (level, text) => {
    if (isShown(level, message.verbosity)) tell({ type: "log", level, text });
  };
  let installation: Installation;
  let own: VerifiedFull;
  let config: ReturnType<typeof runtimeConfig>;
  try {
    installation = Installation.open(message.execPath);
    own = verifySelf(installation);
    config = runtimeConfig(own.extension, message.overrides, message.environment, log);
  } catch (cause) {
    log("warn", `this program does not update itself: ${describe(cause).message}`);
    tell({ type: "off" });
    return undefined;
  }
  const { owner, extension, record, region, table, offset } = own;
  const state = new DurableState(new TrustedState(record), {
    installation,
    owner,
    log,
    nowMs: systemClock.nowMs(),
  });
  let refusal: string | undefined;
  let noticed = (_newer: VerifiedRecord): void => undefined;
  const swarm = await Swarm.start({
    owner,
    name: extension,
    sharedSecret: extension.sharedSecret,
    bootstrap: config.bootstrap,
    clock: systemClock,
    log,
    newest: state.trusted.newest,
    uploadBytesPerS: config.uploadBytesPerS,
    onRecord: (newer) => noticed(newer),
    ...(config.tellsStatus ? { refusal: () => refusal } : {}),
  });
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
    emit: (event) => {
      tell({ type: "event", event });
      refusal = refusalAfter(event, refusal);
      const text = eventText(event);
      if (text !== undefined) log("info", text);
    },
    rehearse,
    restart: () => void leave(swarm).then(() => tell({ type: "restart" })),
  });
  noticed = (newer) => updater.noticed(newer);
  const content = { table, stream: canonicalStream(installation.source, offset) };
  swarm.serve({ record, region, ...content });
  const previous = openPrevious(installation, owner);
  if (previous !== undefined) swarm.addBase(previous);
  const older = new OlderVersions(installation);
  for (const base of older.over(content)) swarm.addBase(base);
  systemClock.after(ADD_OLDER_AFTER_MS, () => void addOlder());
  const addOlder = async (): Promise<void> => {
    if (previous === undefined) return;
    for (const base of await older.add(previous, content)) swarm.addBase(base);
  };
  updater.start();
  keepCodeReleased(systemClock);
  log("info", `running ${record.record.version.text}, serving ${installation.path}`);
  return { installation, swarm, updater, previous, older };
}

function inspect(execPath: string): void {
  let installation: Installation | undefined;
  try {
    installation = Installation.open(execPath);
    const { core, record } = verifySelf(installation);
    const { sizeBytes, hash, signature } = core;
    const { text } = record.record.version;
    tell({ type: "self", self: { version: text, sizeBytes, hash, signature } });
  } catch (cause) {
    tell({ type: "unverified", error: describe(cause) });
  } finally {
    installation?.close();
  }
}

async function answer({ id, question }: Extract<ToWorker, { type: "ask" }>): Promise<void> {
  try {
    const updater = (await running)?.updater;
    tell({ type: "answer", id, release: await updater?.[question]() });
  } catch (cause) {
    tell({ type: "refusal", id, error: describe(cause) });
  }
}

/** Peers that fetch from us learn now that we go, not by a timeout. A courtesy: it may take its time, or fail. */
async function leave(swarm: Swarm): Promise<void> {
  await within(systemClock, LEAVE_TIMEOUT_MS, swarm.destroy()).catch(() => undefined);
}

async function stop(): Promise<void> {
  const parts = await running;
  await parts?.updater.stop();
  if (parts !== undefined) await leave(parts.swarm);
  parts?.previous?.close();
  parts?.older.close();
  parts?.installation.close();
  tell({ type: "stopped" });
}

async function restartFailed(reason: string): Promise<void> {
  const parts = await running;
  parts?.updater.restartFailed(reason);
  tell({ type: "again" });
}

self.addEventListener("message", ({ data }: MessageEvent<ToWorker>) => {
  switch (data.type) {
    case "start":
      // A rejection ends this Worker; the main half starts it again.
      running = start(data);
      break;
    case "inspect":
      inspect(data.execPath);
      break;
    case "ask":
      void answer(data);
      break;
    case "restart-failed":
      void restartFailed(data.reason);
      break;
    case "stop":
      void stop();
      break;
  }
});
