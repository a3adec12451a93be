/**
 * Completion by the shell. `complete bash` prints a script for its start-up file; on every Tab that script
 * asks `complete -- <words>`, which is answered from the commands' own arguments.
 */
import { RootCommand, type Complete } from "@bomb.sh/tab";
import type { ArgsDef } from "citty";
import { readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { TARGETS } from "../core/target.ts";
import { command, type Command } from "./command.ts";
import { usage } from "./error.ts";

export const SHELLS: readonly string[] = ["bash", "zsh", "fish"];
const NAME = "rustpatcher";
const MODES = ["now", "on-restart", "manual", "background", "at"];
const SHARES = ["10%", "25%", "50%", "100%"];
const CHANNELS = ["stable", "beta"];

/** What a command takes, as the line of the user may be completed by it. */
export type CommandTable = Readonly<
  Record<string, { readonly description: string; readonly args: ArgsDef }>
>;

/** Of a flag's value or of an argument. */
type Handler = (offer: Complete) => void;

export const complete: Command = command({
  meta: { name: "complete", description: "Print the shell's script for completion by Tab" },
  args: {
    shell: { type: "positional", required: true, description: SHELLS.join(", ") },
  },
  run({ args }) {
    if (!SHELLS.includes(args.shell)) throw usage(`the shell must be one of ${SHELLS.join(", ")}`);
    new RootCommand().setup(NAME, NAME, args.shell);
  },
});

/** Prints the completions of `words`, of which the last one is being written. */
export function answer(words: readonly string[], table: CommandTable): void {
  const line = new RootCommand();
  // Without a handler the package offers nothing, and the shell no files either.
  const files: Handler = (offer) => offerFiles(words.at(-1) ?? "", offer);
  const byName: Readonly<Record<string, Handler>> = {
    mode: (offer) => offerAll(MODES, offer),
    target: (offer) => offerAll([...TARGETS, "all"], offer),
    rollout: (offer) => offerAll(SHARES, offer),
    channel: (offer) => offerAll(CHANNELS, offer),
    shell: (offer) => offerAll(SHELLS, offer),
    action: (offer) => offerAll(["show", "encrypt", "rotate"], offer),
  };
  for (const [name, { description, args }] of Object.entries(table)) {
    const known = line.command(name, description);
    for (const [argument, { type, description: text = "" }] of Object.entries(args)) {
      const handler = byName[argument] ?? files;
      if (type === "positional") known.argument(argument, handler);
      else if (type === "boolean") known.option(argument, text);
      else known.option(argument, text, handler);
    }
  }
  line.parse([...words]);
}

function offerAll(values: readonly string[], offer: Complete): void {
  for (const value of values) offer(value, "");
}

/** What lies in the directory of `prefix`, hidden files only when they are asked for. */
function offerFiles(prefix: string, offer: Complete): void {
  const folder = prefix.endsWith("/") ? prefix : dirname(prefix);
  const shown = prefix.startsWith("./") || folder !== "." ? folder : "";
  const isHidden = (name: string): boolean => name.startsWith(".") && !/(^|\/)\.[^./]/.test(prefix);
  try {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      if (isHidden(entry.name)) continue;
      const path = prefix.startsWith("./")
        ? `./${join(folder, entry.name)}`
        : join(shown, entry.name);
      offer(entry.isDirectory() ? `${path}/` : path, "");
    }
  } catch {
    // A directory that is not there has nothing to offer, and Tab is no place for an error.
  }
}
