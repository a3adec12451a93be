/** Ctrl-C and `kill`: nothing half done is left behind but what the same command goes on with, and the shell is told by which signal we went. */
import { removeUnfinished } from "../fs/unfinished.ts";
import { CliError } from "./error.ts";

const CODES: Readonly<Record<"SIGINT" | "SIGTERM", number>> = { SIGINT: 130, SIGTERM: 143 };

/** Set while a command ends by itself when it is told to. */
let stop: (() => void) | undefined;

/** For the whole process, once. */
export function handleInterrupts(): void {
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => {
      if (stop !== undefined) {
        const once = stop;
        // Whoever asks a second time does not want to wait.
        stop = undefined;
        return once();
      }
      removeUnfinished();
      process.exit(CODES[signal]);
    });
  }
}

const NOTHING_LEFT = "nothing was left behind";

/**
 * Lends `work` a signal that Ctrl-C and `kill` raise, so that it can clean up and end. `left` says what there is of it
 * when it was stopped, and what to do with that; undefined for nothing.
 * @throws {CliError} INTERRUPTED when it could not be finished because of that; what `work` threw
 */
export async function untilStopped<T>(
  work: (signal: AbortSignal) => Promise<T>,
  left: () => string | undefined = () => undefined,
): Promise<T> {
  const controller = new AbortController();
  stop = () => controller.abort();
  try {
    return await work(controller.signal);
  } catch (cause) {
    if (!controller.signal.aborted) throw cause;
    throw new CliError("INTERRUPTED", `stopped: ${left() ?? NOTHING_LEFT}`, {
      blame: "usage",
      cause,
    });
  } finally {
    stop = undefined;
  }
}
