/** How the looks for a release go, in words, for `status`. Kept here, and beside the executable when it can be. */
import type { Log } from "../core/log.ts";
import { updateModeText, type UpdateMode } from "../core/update-mode.ts";
import type { ErrorInfo } from "./events.ts";
import type { Installation } from "./installation.ts";
import { writeLastLook, type LastLook } from "./last-look.ts";
import { pathBeside } from "../fs/own-files.ts";

/** Not how a look went: the updater ends, or the owner is calm. */
const NO_RESULT = new Set(["STOPPED", "FREEZE_SUSPECTED"]);
const UP_TO_DATE = "UP_TO_DATE";

export class Journal {
  readonly #installation: Installation;
  readonly #path: string;
  readonly #mode: string;
  readonly #log: Log;
  #checkedMs = 0;
  #result: ErrorInfo = { code: "LOOKING", message: "the first look is under way" };
  #hasFailed = false;
  #last: LastLook | undefined;

  constructor(installation: Installation, mode: UpdateMode, log: Log) {
    this.#installation = installation;
    this.#path = pathBeside(installation.path, "status");
    this.#mode = updateModeText(mode);
    this.#log = log;
  }

  /** The last look of this run that has ended. */
  get last(): LastLook | undefined {
    return this.#last;
  }

  begin(nowMs: number): void {
    this.#checkedMs = nowMs;
    this.#hasFailed = false;
  }

  failed(error: ErrorInfo): void {
    if (NO_RESULT.has(error.code)) return;
    this.#hasFailed = true;
    this.#result = error;
  }

  upToDate(version: string): void {
    // Without having heard from anybody, or with a release that was refused, this would be no news.
    if (!this.#hasFailed) {
      this.#result = { code: UP_TO_DATE, message: `${version} is the newest release known` };
    }
  }

  available(version: string): void {
    const message = `${version} is there; it is installed when the program asks for it`;
    this.#result = { code: "AVAILABLE", message };
  }

  installed(version: string): void {
    this.#result = { code: "INSTALLED", message: `${version} is installed` };
  }

  /** The look is over; the next one is planned for then. */
  end(nextMs: number): void {
    const look: LastLook = {
      checkedMs: this.#checkedMs,
      nextMs,
      mode: this.#mode,
      result: this.#result,
    };
    this.#last = look;
    try {
      if (!this.#installation.isWritable()) return;
      writeLastLook(this.#path, look);
    } catch (cause) {
      this.#log("debug", `the status file was not written: ${String(cause)}`);
    }
  }
}
