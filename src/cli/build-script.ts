import { build } from "./build.ts";
import { handleInterrupts } from "./interrupt.ts";
import { ROOT_COMMAND } from "./commands.ts";
import { exitCodeOf, isHelp, positionalsOf, runStrictly } from "./run.ts";

/**
 * The whole of a build.ts: `rustpatcher build` with an entry of its own, and the same flags, output and
 * exit code.
 */
export async function runBuild(
  entry: string,
  rawArgs: readonly string[] = process.argv.slice(2),
): Promise<void> {
  handleInterrupts();
  process.exitCode = await exitCodeOf(rawArgs.includes("--json"), async () => {
    const hasEntry = isHelp(rawArgs) || positionalsOf(build, rawArgs).length > 0;
    await runStrictly(build, ROOT_COMMAND, hasEntry ? rawArgs : [entry, ...rawArgs]);
  });
}
