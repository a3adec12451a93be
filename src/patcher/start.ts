/** How updating begins, for the two that may be first: `import "rustpatcher/auto"` and `spawn`. */
import type { Patcher } from "./patcher.ts";
import { startFacts } from "./process-facts.ts";
import type { Overrides, StartMessage } from "./protocol.ts";
import { verbosityOf } from "./stderr.ts";

/**
 * Where the one patcher of this process is, although `auto` and the API are bundled separately: a `Patcher`, or what
 * starts the one that `auto` has planned.
 */
export const PATCHER_SLOT: symbol = Symbol.for("rustpatcher.patcher");
/** The app's own start comes first. */
export const START_DELAY_MS = 50;

/** Takes itself out of the slot; `delayMs` is the time until the Worker is started. */
export type StartPatcher = (delayMs?: number) => Patcher;

/** For the Worker half. */
export function startMessage(overrides: Overrides): StartMessage {
  const { env, execPath } = startFacts;
  return {
    type: "start",
    execPath,
    verbosity: verbosityOf(env["RUSTPATCHER_LOG"]),
    overrides,
    environment: {
      bootstrap: env["RUSTPATCHER_BOOTSTRAP"],
      channel: env["RUSTPATCHER_CHANNEL"],
      interval: env["RUSTPATCHER_INTERVAL"],
      statistics: env["RUSTPATCHER_STATISTICS"],
      upload: env["RUSTPATCHER_UPLOAD"],
    },
  };
}
