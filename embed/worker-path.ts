/**
 * The Worker half as a file that travels with the app. In the bundles this import leads to the
 * pre-bundled script beside them; from the sources, to worker.ts itself.
 */
// The attribute makes it a path; checkers see the module worker.ts, which exports nothing.
// @ts-expect-error
// oxlint-disable-next-line import/default
import path from "./worker.js" with { type: "file" };

export const workerPath: string = path;
