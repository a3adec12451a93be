/** The only output of the main half: lines on stderr, of the levels that RUSTPATCHER_LOG asks for. */
import type { Log, LogLevel } from "../core/log.ts";

const LEVELS = ["silent", "error", "warn", "info", "debug"] as const;
const DEFAULT_LEVEL = "warn";
export type Verbosity = (typeof LEVELS)[number];

function isVerbosity(text: string): text is Verbosity {
  return (LEVELS as readonly string[]).includes(text);
}

/** The level in effect, and whether the text was understood. */
export function verbosityOf(text: string | undefined): Verbosity {
  return text !== undefined && isVerbosity(text) ? text : DEFAULT_LEVEL;
}

export function isShown(level: LogLevel, verbosity: Verbosity): boolean {
  return LEVELS.indexOf(level) <= LEVELS.indexOf(verbosity);
}

export function stderrLog(verbosity: Verbosity): Log {
  return (level, text) => {
    if (!isShown(level, verbosity)) return;
    try {
      process.stderr.write(`rustpatcher: ${text}\n`);
    } catch {
      // Nobody reads stderr any more; an app must not end because of that.
    }
  };
}
