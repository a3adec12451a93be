/** What the updater runs with: the environment wins over the options of `spawn`, those over the region. */
import type { Log } from "../src/core/log.ts";
import { checkName } from "../src/core/release-record.ts";
import { parseUploadRate } from "../src/core/upload-rate.ts";
import { parseUpdateMode, type UpdateMode } from "../src/core/update-mode.ts";
import type { Extension } from "../src/exe/extension.ts";
import type { Environment, Overrides } from "../src/patcher/protocol.ts";
import { bootstrapFrom, type Bootstrap } from "../src/swarm/bootstrap.ts";

export interface RuntimeConfig {
  readonly mode: UpdateMode;
  readonly intervalMs: number;
  /** To all others together; 0: nothing. */
  readonly uploadBytesPerS: number;
  readonly bootstrap: Bootstrap;
  /** To follow, whatever else says so; undefined leaves it to the app and its executable. */
  readonly channel: string | undefined;
  /** May others ask how much this copy serves and what it refuses? */
  readonly tellsStatus: boolean;
}

/**
 * 8 Mbit/s, for others out of somebody else's line: a video call beside it goes on at common upload speeds,
 * and a first install from one copy takes a minute. What an update needs is mostly some kilobytes.
 */
const UPLOAD_DEFAULT = "1 MB/s";
const INTERVAL_DEFAULT_S = 60;
/** A look of the background mode is a process of its own that joins the network. */
const BACKGROUND_INTERVAL_DEFAULT_S = 3_600;
/** A day: a copy that looks less often is not kept up to date. */
const INTERVAL_MAX_S = 86_400;

/**
 * A wrong interval or upload rate is said and replaced by the next source. A wrong bootstrap list is an error: falling
 * back would take a private swarm to the public network.
 * @throws {CoreError} FIELD_INVALID @throws {SwarmError} BOOTSTRAP_INVALID
 */
export function runtimeConfig(
  extension: Extension,
  overrides: Overrides,
  environment: Environment,
  log: Log,
): RuntimeConfig {
  const mode = parseUpdateMode(overrides.mode ?? extension.mode);
  const seconds =
    intervalFrom(environment.interval, log) ??
    checkedInterval(overrides.intervalSeconds, log) ??
    extension.intervalSeconds ??
    (mode.kind === "background" ? BACKGROUND_INTERVAL_DEFAULT_S : INTERVAL_DEFAULT_S);
  return {
    mode,
    intervalMs: seconds * 1000,
    uploadBytesPerS:
      checkedUpload(environment.upload, log) ??
      checkedUpload(overrides.upload, log) ??
      parseUploadRate(extension.upload ?? UPLOAD_DEFAULT),
    bootstrap: bootstrapFrom(environment.bootstrap, overrides.bootstrap ?? extension.bootstrap),
    channel: checkedChannel(environment.channel, log),
    // Either one is enough: what the owner has switched off, no environment switches on.
    tellsStatus: extension.statistics !== false && !isSwitchedOff(environment.statistics),
  };
}

/** RUSTPATCHER_STATISTICS. Everything but a clear yes is a no. */
export function isSwitchedOff(text: string | undefined): boolean {
  return text !== undefined && !["", "1", "true"].includes(text);
}

function intervalFrom(text: string | undefined, log: Log): number | undefined {
  if (text === undefined || text === "") return undefined;
  return checkedInterval(/^[0-9]{1,5}$/.test(text) ? Number(text) : Number.NaN, log);
}

function checkedInterval(seconds: number | undefined, log: Log): number | undefined {
  if (seconds === undefined) return undefined;
  if (Number.isInteger(seconds) && seconds >= 1 && seconds <= INTERVAL_MAX_S) return seconds;
  log("warn", `the interval is ignored: it must be 1 to ${INTERVAL_MAX_S} seconds`);
  return undefined;
}

function checkedChannel(text: string | undefined, log: Log): string | undefined {
  if (text === undefined || text === "") return undefined;
  try {
    return checkName(text, "channel");
  } catch (cause) {
    log("warn", cause instanceof Error ? cause.message : "the channel is ignored");
    return undefined;
  }
}

function checkedUpload(text: string | undefined, log: Log): number | undefined {
  if (text === undefined || text === "") return undefined;
  try {
    return parseUploadRate(text);
  } catch (cause) {
    log("warn", cause instanceof Error ? cause.message : "the upload rate is ignored");
    return undefined;
  }
}
