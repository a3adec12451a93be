import { RustpatcherError } from "../core/error.ts";
import type { Log } from "../core/log.ts";
import type { ErrorInfo, UpdateEvent } from "./events.ts";

/** Nothing is wrong here: the network is away, another copy is at work, the owner is calm. */
const PASSING = new Set([
  "NO_PROVIDER",
  "DHT",
  "TIMED_OUT",
  "BUSY",
  "STOPPED",
  "FREEZE_SUSPECTED",
  "ON_PROBATION",
]);
/** Not worth an event: our own doing, or another copy's. */
const SILENT = new Set(["BUSY", "STOPPED", "ON_PROBATION"]);

/** Tells of failures: every one to whoever listens, on the log each kind once. */
export class Reporter {
  readonly #emit: (event: UpdateEvent) => void;
  readonly #log: Log;
  readonly #note: (error: ErrorInfo) => void;
  readonly #told = new Set<string>();

  /** `note` hears of every failure, those that are no event as well. */
  constructor(
    emit: (event: UpdateEvent) => void,
    log: Log,
    note: (error: ErrorInfo) => void = () => undefined,
  ) {
    this.#emit = emit;
    this.#log = log;
    this.#note = note;
  }

  report(cause: unknown): void {
    const code = codeOf(cause);
    const message = messageOf(cause);
    this.#note({ code, message });
    if (SILENT.has(code)) return this.#log("debug", message);
    this.#emit({ name: "error", error: { code, message } });
    const isNews = !this.#told.has(code);
    this.#told.add(code);
    this.#log(PASSING.has(code) ? "info" : isNews ? "warn" : "debug", message);
  }

  /** As report, but only the first time in this run. */
  reportOnce(cause: RustpatcherError): void {
    if (!this.#told.has(cause.code)) this.report(cause);
  }
}

/** Neither warned of nor counted as a failure of the release. */
export function isPassing(cause: unknown): boolean {
  return isPassingCode(codeOf(cause));
}

export function isPassingCode(code: string): boolean {
  return PASSING.has(code);
}

export function codeOf(cause: unknown): string {
  return cause instanceof RustpatcherError ? cause.code : "UNKNOWN";
}

export function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
