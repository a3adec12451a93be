/** Results go to stdout, sentences about problems to stderr; nothing else is printed. */

type Value = string | number | boolean | null | undefined;

/** `--json`: one JSON document; else the lines. */
export function report(isJson: boolean, value: object, lines: readonly string[]): void {
  process.stdout.write(
    isJson ? `${JSON.stringify(value, undefined, 2)}\n` : `${lines.join("\n")}\n`,
  );
}

/** Name and value, in two columns. */
export function table(rows: Readonly<Record<string, Value>>): string[] {
  const width = Math.max(...Object.keys(rows).map((name) => name.length)) + 2;
  return Object.entries(rows).map(([name, value]) => `${name.padEnd(width)}${value ?? "-"}`);
}

export function complain(sentence: string): void {
  process.stderr.write(`rustpatcher: ${sentence}\n`);
}

export const JSON_ARGUMENT = {
  json: { type: "boolean", description: "Print one JSON document" },
} as const;
