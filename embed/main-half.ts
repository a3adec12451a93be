/**
 * The main half but for early.ts, one script, carried by the app as a file and loaded when there is something to
 * do. It finds no assets of its own: what lies where is told to `beginMainHalf`.
 */
export { startPatcher } from "../src/patcher/patcher.ts";
export { beginMainHalf } from "./begin.ts";
