#!/usr/bin/env bun
import "../../embed/alias/register.ts";
import manifest from "../../package.json" with { type: "json" };
import { COMMANDS, ROOT_COMMAND } from "./commands.ts";
import { usage } from "./error.ts";
import { exitCodeOf, isHelp, printUsage, runStrictly } from "./run.ts";

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
  if (load === undefined) {
    const names = Object.keys(COMMANDS).join(", ");
    throw usage(`${name === undefined ? "no" : "unknown"} command: use one of ${names}, or --help`);
  }
  await runStrictly(await load(), ROOT_COMMAND, rest);
}

const rawArgs = process.argv.slice(2);
process.exitCode = await exitCodeOf(rawArgs.includes("--json"), () => main(rawArgs));
