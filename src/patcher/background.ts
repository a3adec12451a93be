/**
 * The background mode, in the app. A program that runs for a moment has no time to update itself, so when it
 * ends, and it is time to look, it starts its own executable once more: as a helper that runs no code of the
 * app (embed/helper.ts), in a session of its own, with nothing of this process but its settings. When it is
 * not time, all this costs one `stat`.
 *
 * A helper never comes here, so it cannot start another; it holds a lock, so there is one at a time.
 */
import { isOurs } from "../fs/ownership.ts";
import { pathBeside } from "../fs/own-files.ts";
import { CLAIMED_MS, isDue } from "../update/stamp.ts";
import { startFacts } from "./process-facts.ts";
import type { StartMessage } from "./protocol.ts";

/** Makes an executable of ours the helper; its value is the message to its Worker. */
export const HELPER_VARIABLE = "RUSTPATCHER_HELPER";
/** Nobody reads it: whoever lists processes sees what this one is for. */
const HELPER_ARGUMENT = "rustpatcher-background-update";
/** A program that stays, and ends by a signal, is looked after as well. */
const LOOK_AGAIN_MS = 30_000;
/** Set by most services that run builds, to anything but these. */
const NO_CI: readonly (string | undefined)[] = [undefined, "", "0", "false"];

/** One for each process, whichever bundle begins it. */
const SLOT = Symbol.for("rustpatcher.background");

export class BackgroundMode {
  readonly #start: StartMessage;
  readonly #timer: ReturnType<typeof setInterval>;
  readonly #look = (): void => {
    try {
      this.#lookWhenDue();
    } catch {
      // Nothing can be written or started here: the app ends as it would have ended without us.
    }
  };

  /** The one that is there already, if so. Undefined where nothing may be started: in CI, and in a thread of the app. */
  static begin(start: StartMessage): Pick<BackgroundMode, "stop"> | undefined {
    if (!Bun.isMainThread || !NO_CI.includes(startFacts.env["CI"])) return undefined;
    const running = Reflect.get(globalThis, SLOT) as BackgroundMode | undefined;
    return running ?? new BackgroundMode(start);
  }

  private constructor(start: StartMessage) {
    this.#start = start;
    this.#timer = setInterval(this.#look, LOOK_AGAIN_MS);
    this.#timer.unref();
    process.on("exit", this.#look);
    Reflect.set(globalThis, SLOT, this);
  }

  stop(): void {
    clearInterval(this.#timer);
    process.off("exit", this.#look);
    Reflect.deleteProperty(globalThis, SLOT);
  }

  #lookWhenDue(): void {
    const { execPath } = startFacts;
    const stamp = pathBeside(execPath, "stamp");
    const nowMs = Date.now();
    if (!isDue(Bun.file(stamp).lastModified, nowMs) || !claim(execPath, stamp, nowMs)) return;
    Bun.spawn([execPath, HELPER_ARGUMENT], {
      // Not the app's: it would be in use, and a compiled app may read settings from it.
      cwd: "/",
      env: { [HELPER_VARIABLE]: JSON.stringify(this.#start) },
      stdio: ["ignore", "ignore", "ignore"],
      // A session of its own: closing the terminal does not end it.
      detached: true,
    }).unref();
  }
}

/**
 * Before anything is started: where the stamp cannot be set, a helper would be started at every run and could
 * change nothing.
 */
function claim(execPath: string, stamp: string, nowMs: number): boolean {
  const { closeSync, constants, futimesSync, openSync, statSync } =
    process.getBuiltinModule("node:fs");
  if (!isOurs(statSync(execPath))) return false;
  const { O_WRONLY, O_CREAT, O_NOFOLLOW, O_NONBLOCK } = constants;
  const fd = openSync(stamp, O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0o600);
  try {
    futimesSync(fd, nowMs / 1000, (nowMs + CLAIMED_MS) / 1000);
  } finally {
    closeSync(fd);
  }
  return true;
}
