/** Results go to stdout, sentences about problems to stderr; nothing else is printed. */

import { paint } from "./colour.ts";

type Value = string | number | boolean | null | undefined;

/** One process runs one command, so there is one answer to this. */
let quiet = false;

/** From now on nothing but JSON is printed to stdout, and no progress. */
export function beQuiet(): void {
  quiet = true;
}

export function isQuiet(): boolean {
  return quiet;
}

/** `--json`: one JSON document; else the lines. */
export function report(isJson: boolean, value: object, lines: readonly string[]): void {
  if (isJson) process.stdout.write(`${JSON.stringify(value, undefined, 2)}\n`);
  else say(lines.join("\n"));
}

/** A line for people. */
export function say(line: string): void {
  if (!quiet) process.stdout.write(`${line}\n`);
}

/** Name and value, in two columns. */
export function table(rows: Readonly<Record<string, Value>>): string[] {
  const width = Math.max(...Object.keys(rows).map((name) => name.length)) + 2;
  return Object.entries(rows).map(([name, value]) => `${name.padEnd(width)}${value ?? "-"}`);
}

/** Rows of cells, in columns as wide as their widest cell. */
export function columns(rows: readonly (readonly string[])[]): string[] {
  const width = (column: number): number =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)) + 2;
  return rows.map((row) =>
    row
      .map((cell, index) => cell.padEnd(width(index)))
      .join("")
      .trimEnd(),
  );
}

export function complain(sentence: string): void {
  process.stderr.write(`${paint("red", "rustpatcher:", process.stderr)} ${sentence}\n`);
}

interface Switch {
  readonly type: "boolean";
  readonly description: string;
}

export const QUIET_ARGUMENT: Readonly<Record<"quiet", Switch>> = {
  quiet: { type: "boolean", description: "Print nothing but problems, and JSON when asked for" },
};

export const JSON_ARGUMENT: Readonly<Record<"json" | "quiet", Switch>> = {
  json: { type: "boolean", description: "Print one JSON document" },
  ...QUIET_ARGUMENT,
};
