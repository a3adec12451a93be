/** The watchdog as a file that travels with the app, as worker-path.ts has it for the Worker half. */
// The attribute makes it a path; checkers see the module watchdog.ts, which exports nothing.
// @ts-expect-error
// oxlint-disable-next-line import/default
import path from "./watchdog.js" with { type: "file" };

export const watchdogPath: string = path;
