/** From arguments to an exit code: 0 done, 1 refused with one sentence on stderr, 2 wrong usage. */
import { renderUsage, runCommand, type ArgsDef, type CommandMeta } from "citty";
import { parseArgs } from "node:util";
import { RustpatcherError } from "../core/error.ts";
import type { Command } from "./command.ts";
import { CliError, usage } from "./error.ts";
import { isColoured, paint } from "./colour.ts";
import { EXAMPLES } from "./examples.ts";
import { beQuiet, complain } from "./output.ts";
import { suggestion } from "./suggest.ts";

const REFUSED = 1;
const WRONG_USAGE = 2;
const INTERRUPTED = 130;

/** One process runs one command, so there is one answer to this. */
let refused = false;

/** The command has said itself what is wrong: exit 1 without another sentence. */
export function markRefused(): void {
  refused = true;
}

/** Runs `action`; whatever it throws becomes one sentence and an exit code. */
export async function exitCodeOf(isJson: boolean, action: () => Promise<void>): Promise<number> {
  try {
    await action();
    return refused ? REFUSED : 0;
  } catch (error) {
    if (!(error instanceof RustpatcherError)) {
      complain(`this is a bug: ${error instanceof Error ? (error.stack ?? error.message) : "?"}`);
      return REFUSED;
    }
    complain(error.message);
    if (isJson) {
      const { code, message } = error;
      process.stdout.write(`${JSON.stringify({ error: { code, message } }, undefined, 2)}\n`);
    }
    if (!(error instanceof CliError)) return REFUSED;
    return error.code === "USAGE" ? WRONG_USAGE : INTERRUPTED;
  }
}

/** Runs one command with the arguments after its name. @throws {CliError} USAGE */
export async function runStrictly(
  command: Command,
  parent: Command,
  rawArgs: readonly string[],
): Promise<void> {
  if (isHelp(rawArgs)) {
    await printUsage(command, parent);
    return;
  }
  checkArguments(command, rawArgs);
  if (rawArgs.includes("--quiet")) beQuiet();
  await runCommand(command, { rawArgs: [...rawArgs] });
}

export function isHelp(rawArgs: readonly string[]): boolean {
  return rawArgs.includes("--help") || rawArgs.includes("-h");
}

export async function printUsage(command: Command, parent?: Command): Promise<void> {
  const text = (await renderUsage(command, parent)).trimEnd();
  const { name = "" } = (command.meta ?? {}) as CommandMeta;
  const examples = (EXAMPLES[name] ?? []).map((line) => `  ${line}`);
  const all =
    examples.length === 0
      ? text
      : `${text}\n\n${paint("bold", "EXAMPLES")}\n\n${examples.join("\n")}\n`;
  process.stdout.write(`${isColoured(process.stdout) ? all : Bun.stripANSI(all)}\n`);
}

/** citty takes unknown flags and flags without their value in silence. */
function checkArguments(command: Command, rawArgs: readonly string[]): void {
  const wanted = Object.entries(argumentsOf(command)).filter(
    ([, { type }]) => type === "positional",
  );
  const isRequired = ([, { required }]: (typeof wanted)[number]): boolean => required !== false;
  const given = positionalsOf(command, rawArgs);
  const missing = wanted[given.length];
  if (missing !== undefined && isRequired(missing))
    throw usage(`<${missing[0]}> is missing, see --help`);
  const extra = given[wanted.length];
  if (extra !== undefined) throw usage(`"${extra}" is one argument too many, see --help`);
}

/** Arguments that belong to no flag. @throws {CliError} USAGE for a flag that `command` has not */
export function positionalsOf(command: Command, rawArgs: readonly string[]): string[] {
  const options: Record<string, { type: "string" | "boolean" }> = {};
  for (const [name, { type }] of Object.entries(argumentsOf(command))) {
    if (type !== "positional") options[name] = { type: type === "boolean" ? "boolean" : "string" };
  }
  try {
    return parseArgs({ args: [...rawArgs], options, allowPositionals: true }).positionals;
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : "these arguments cannot be read";
    const [, flag] = /^Unknown option '(-[^']+)'/.exec(message) ?? [];
    if (flag === undefined) throw usage(message);
    const known = ["--help", ...Object.keys(options).map((name) => `--${name}`)];
    throw usage(`there is no flag ${flag}${suggestion(flag, known)}, see --help`);
  }
}

export function argumentsOf(command: Command): ArgsDef {
  // Ours are plain objects; citty would also take functions and promises of one.
  return (command.args ?? {}) as ArgsDef;
}
