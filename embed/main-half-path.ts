/** Most of the main half as a file that travels with the app, as worker-path.ts has it for the Worker half. */
// The attribute makes it a path; checkers see the module main-half.ts.
// @ts-expect-error
// oxlint-disable-next-line import/default
import path from "./main-half.js" with { type: "file" };

export const mainHalfPath: string = path;
