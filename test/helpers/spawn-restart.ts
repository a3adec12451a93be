/**
 * Restarts as on Windows, on any system: becomes the program given, by starting it and waiting. Arguments: what to run,
 * and its own arguments.
 */
import { startFacts } from "../../src/patcher/process-facts.ts";
import { becomeBySpawning } from "../../src/patcher/restart-windows.ts";

const [execPath = "", ...args] = startFacts.args;
process.on("exit", () => console.log("the old version runs on"));
setTimeout(() => console.log("the old version runs on"), 0);
becomeBySpawning({ ...startFacts, execPath, argv0: execPath, args });
