/**
 * Step 7, before anything is replaced: the verified file is started once. Verified says that the owner has
 * signed it; only a start says that it runs on this machine: that the processor has its instructions, the
 * system its libraries, and that it still has a runtime that can update it.
 */
import { randomBytes } from "node:crypto";
import { mkdirSync } from "node:fs";
import type { Clock } from "../core/clock.ts";
import { isErrno } from "../fs/error.ts";
import { removeTemporary } from "../fs/remove-temporary.ts";
import { temporaryPath } from "../fs/temporary-file.ts";
import { UpdateError } from "./error.ts";
import type { Installation } from "./installation.ts";
import { ANSWER_LENGTH, REHEARSAL_VARIABLE, rehearsalAnswer } from "./rehearsal-answer.ts";
import type { VerifiedUpdate } from "./verify.ts";
import { within } from "./within.ts";

/** Resolves when the file has proved that it runs. */
export type Rehearse = (
  installation: Installation,
  update: VerifiedUpdate,
  clock: Clock,
) => Promise<void>;

/** A cold start from a slow disk takes seconds; whoever needs longer hangs. */
const TIMEOUT_MS = 30_000;
const NONCE_BYTES = 16;
/** The system's answers to a file that it does not know how to run. */
const NOT_RUNNABLE = ["ENOEXEC", "ENOENT", "ELIBBAD", "EBADARCH", "EINVAL", "UNKNOWN"];
/**
 * Another thread may be between fork and exec, with a copy of the descriptor that wrote the file; on Windows a
 * scanner looks at it.
 */
const BUSY = ["ETXTBSY", ...(process.platform === "win32" ? ["EBUSY", "EPERM", "EACCES"] : [])];
/**
 * What no program does to itself: memory has run out, or somebody is in a hurry. On macOS it may be the signature
 * that the system does not like.
 */
const KILLED = process.platform === "darwin" ? undefined : "SIGKILL";
const BUSY_TRIES_MAX = 20;
const BUSY_WAIT_MS = 50;

/**
 * `update` must be sealed: a file that is open for writing cannot be started.
 * @throws {UpdateError} REHEARSAL_FAILED when it does not run here, or is not what was verified;
 *   TOO_SLOW when nothing was heard in time, or before it was killed; IO_FAILED when the system had no room for
 *   another process.
 */
export const rehearse: Rehearse = async (installation, update, clock) => {
  const nonce = randomBytes(NONCE_BYTES).toString("hex");
  // Nothing for it to read, beside the executable: the one place that we may write to.
  const directory = temporaryPath(installation.temporaryBase);
  makeDirectory(directory);
  try {
    const child = await start(update.path, directory, nonce, clock);
    try {
      const outcome = within(clock, TIMEOUT_MS, outcomeOf(child)).catch((cause: unknown) => {
        throw new UpdateError(
          "TOO_SLOW",
          "the new version did not start in time when it was tried out",
          { blame: "artifact", cause },
        );
      });
      const { answer, exitCode, signalCode } = await outcome;
      if (answer === rehearsalAnswer(nonce, update.executable.region) && exitCode === 0) return;
      if (signalCode === KILLED && answer === "") {
        throw new UpdateError("TOO_SLOW", "the new version was killed when it was tried out", {
          blame: "local",
        });
      }
      throw failed(`it ended with ${signalCode ?? `code ${exitCode}`} and no proof of what it is`);
    } finally {
      child.kill("SIGKILL");
    }
  } finally {
    removeTemporary(directory);
  }
};

type Child = Bun.Subprocess<"ignore", "pipe", "ignore">;

interface Outcome {
  readonly answer: string;
  readonly exitCode: number | null;
  readonly signalCode: string | number | null;
}

async function start(path: string, cwd: string, nonce: string, clock: Clock): Promise<Child> {
  for (let tries = 1; ; tries++) {
    try {
      return Bun.spawn([path], {
        cwd,
        // No BUN_OPTIONS, no LD_PRELOAD, no setting of the app.
        env: { [REHEARSAL_VARIABLE]: nonce },
        stdio: ["ignore", "pipe", "ignore"],
      });
    } catch (cause) {
      if (BUSY.some((code) => isErrno(cause, code)) && tries < BUSY_TRIES_MAX) {
        await new Promise<void>((resolve) => void clock.after(BUSY_WAIT_MS, resolve));
        continue;
      }
      if (NOT_RUNNABLE.some((code) => isErrno(cause, code))) {
        throw failed(`the system cannot run it (${String(Reflect.get(Object(cause), "code"))})`);
      }
      throw new UpdateError("IO_FAILED", "the new version could not be tried out", {
        blame: "local",
        cause,
      });
    }
  }
}

/** What it says, up to the length of an answer; more than that is no answer. */
async function outcomeOf(child: Child): Promise<Outcome> {
  const decoder = new TextDecoder("latin1");
  let text = "";
  for await (const bytes of child.stdout) {
    text += decoder.decode(bytes);
    if (text.length > ANSWER_LENGTH + 1) {
      child.kill("SIGKILL");
      break;
    }
  }
  await child.exited;
  return { answer: text.trimEnd(), exitCode: child.exitCode, signalCode: child.signalCode };
}

function makeDirectory(path: string): void {
  try {
    mkdirSync(path, 0o700);
  } catch (cause) {
    throw new UpdateError("IO_FAILED", "the new version could not be tried out", {
      blame: "local",
      cause,
      path,
    });
  }
}

function failed(reason: string): UpdateError {
  return new UpdateError(
    "REHEARSAL_FAILED",
    `the new version does not run here, so it is not installed: ${reason}`,
    { blame: "artifact" },
  );
}
