/**
 * The Worker half: everything that hashes, encrypts, parses a stranger's bytes or touches the disk. One
 * script, carried by the app as a file. It speaks to the main half alone.
 */
import { RustpatcherError } from "../src/core/error.ts";
import { systemClock } from "../src/core/clock.ts";
import type { Log } from "../src/core/log.ts";
import type { VerifiedFull } from "../src/exe/verify-executable.ts";
import type {
  AskMessage,
  FromWorker,
  SelfInfo,
  StartMessage,
  ToWorker,
} from "../src/patcher/protocol.ts";
import { isShown } from "../src/patcher/stderr.ts";
import type { ErrorInfo } from "../src/update/events.ts";
import { Installation } from "../src/update/installation.ts";
import { lookInBackground } from "./background-look.ts";
import { eventText } from "./event-text.ts";
import { keepCodeReleased } from "./resident-code.ts";
import {
  followChannel,
  startUpdater,
  statusOf,
  stopUpdater,
  verifySelf,
  type Running,
} from "./running.ts";

declare const self: Worker;

let running: Promise<Running | undefined> | undefined;
let started: StartMessage | undefined;

function tell(message: FromWorker): void {
  self.postMessage(message);
}

function describe(cause: unknown): ErrorInfo {
  const code = cause instanceof RustpatcherError ? cause.code : "UNKNOWN";
  return { code, message: cause instanceof Error ? cause.message : String(cause) };
}

async function start(message: StartMessage): Promise<Running | undefined> {
  const log: Log = (level, text) => {
    if (isShown(level, message.verbosity)) tell({ type: "log", level, text });
  };
  const parts = await startUpdater(message, {
    log,
    emit: (event) => {
      tell({ type: "event", event });
      const text = eventText(event);
      if (text !== undefined) log("info", text);
    },
    restart: () => tell({ type: "restart" }),
    rejoin: () => void rejoin(),
  });
  if (parts === undefined) {
    tell({ type: "off" });
    return undefined;
  }
  parts.updater.start();
  return parts;
}

/** Verifies the executable and says what `answerOf` makes of it. */
function inspect(
  execPath: string,
  answerOf: (installation: Installation, own: VerifiedFull) => FromWorker,
): void {
  let installation: Installation | undefined;
  try {
    installation = Installation.open(execPath);
    tell(answerOf(installation, verifySelf(installation)));
  } catch (cause) {
    tell({ type: "unverified", error: describe(cause) });
  } finally {
    installation?.close();
  }
}

function selfOf({ core, record }: VerifiedFull): SelfInfo {
  const { sizeBytes, hash, signature } = core;
  return { version: record.record.version.text, sizeBytes, hash, signature };
}

async function answer({ id, question, argument }: AskMessage): Promise<void> {
  try {
    if (question === "switchChannel") {
      await switchChannel(argument);
      return tell({ type: "answer", id, value: undefined });
    }
    const parts = await running;
    const value =
      question === "status"
        ? parts && statusOf(parts.installation, parts.own, parts)
        : await parts?.updater[question]();
    tell({ type: "answer", id, value });
  } catch (cause) {
    tell({ type: "refusal", id, error: describe(cause) });
  }
}

async function switchChannel(channel: string): Promise<void> {
  const parts = await running;
  if (parts === undefined) return;
  followChannel(parts, channel);
  await rejoin();
}

/** The same Worker, another swarm. */
async function rejoin(): Promise<void> {
  const parts = await running;
  if (parts === undefined || started === undefined) return;
  const message = started;
  running = stopUpdater(parts).then(() => start(message));
  await running;
}

async function stop(): Promise<void> {
  const parts = await running;
  if (parts !== undefined) await stopUpdater(parts);
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
      started = data;
      running = start(data);
      keepCodeReleased(systemClock);
      break;
    case "help":
      void lookInBackground(data);
      break;
    case "inspect":
      inspect(data.execPath, (_, own) => ({ type: "self", self: selfOf(own) }));
      break;
    case "status":
      inspect(data.execPath, (installation, own) => ({
        type: "status",
        status: statusOf(installation, own),
      }));
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
