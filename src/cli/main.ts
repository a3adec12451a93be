#!/usr/bin/env bun
import "../../embed/alias/register.ts";
import manifest from "../../package.json" with { type: "json" };
import { COMMANDS, commandTable, ROOT_COMMAND } from "./commands.ts";
import { type CliError, usage } from "./error.ts";
import { handleInterrupts } from "./interrupt.ts";
import { exitCodeOf, isHelp, printUsage, runStrictly } from "./run.ts";
import { suggestion } from "./suggest.ts";

async function main(rawArgs: readonly string[]): Promise<void> {
  const [name, ...rest] = rawArgs;
  if (name === "--version" || name === "-v") {
    process.stdout.write(`${manifest.version}\n`);
    return;
  }
  if (name !== undefined && isHelp([name])) {
    await printUsage(ROOT_COMMAND);
    return;
  }
  const load = name === undefined ? undefined : new Map(Object.entries(COMMANDS)).get(name);
  if (load === undefined) throw unknownCommand(name);
  if (name === "complete" && rest[0] === "--") {
    const { answer } = await import("./complete.ts");
    answer(rest.slice(1), await commandTable());
    return;
  }
  await runStrictly(await load(), ROOT_COMMAND, rest);
}

function unknownCommand(name: string | undefined): CliError {
  const names = Object.keys(COMMANDS);
  const problem =
    name === undefined ? "no command" : `unknown command ${name}${suggestion(name, names)}`;
  return usage(`${problem}: use one of ${names.join(", ")}, or --help`);
}

// Whoever reads us has read enough: `… | head` is no error, and what serves goes on serving.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
});

handleInterrupts();
const rawArgs = process.argv.slice(2);
process.exitCode = await exitCodeOf(rawArgs.includes("--json"), () => main(rawArgs));
