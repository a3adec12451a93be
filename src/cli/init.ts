import { findEntry, initProject, readFreshPackage } from "../release/init.ts";
import { command, type Command } from "./command.ts";
import { DEFAULT_KEY_FILE } from "./key-source.ts";
import { JSON_ARGUMENT, report } from "./output.ts";

export const init: Command = command({
  meta: { name: "init", description: "Set up the app in this directory for updates" },
  args: {
    yes: { type: "boolean", description: "Ask nothing, take what is usual" },
    entry: {
      type: "string",
      description: "First source file of the app (default: asks, or the usual names)",
      valueHint: "path",
    },
    github: { type: "boolean", description: "Write a release workflow for GitHub Actions as well" },
    "key-file": {
      type: "string",
      description: `Owner key to make, or to use if it is there (default: ${DEFAULT_KEY_FILE})`,
      valueHint: "path",
    },
    ...JSON_ARGUMENT,
  },
  run({ args }) {
    const directory = process.cwd();
    const isAsking = args.yes !== true && args.json !== true && process.stdin.isTTY;
    const result = initProject({
      directory,
      keyPath: args["key-file"] ?? DEFAULT_KEY_FILE,
      entry: args.entry ?? (isAsking ? askEntry(directory) : undefined),
      github: args.github ?? (isAsking ? askGithub() : false),
    });
    report(args.json === true, result, [
      ...result.changes,
      "",
      `Public key: ${result.publicKey}`,
      "",
      "Next:",
      ...result.next.map((line) => `  ${line}`),
    ]);
  },
});

/** Refuses before it asks: nobody answers questions for nothing. */
function askEntry(directory: string): string {
  const usual = findEntry(directory, readFreshPackage(directory));
  return prompt("First source file of the app?", usual) ?? usual;
}

function askGithub(): boolean {
  return confirm("A release workflow for GitHub Actions?");
}
