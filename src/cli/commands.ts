import manifest from "../../package.json" with { type: "json" };
import type { CommandMeta } from "citty";
import { command, type Command } from "./command.ts";
import type { CommandTable } from "./complete.ts";
import { argumentsOf } from "./run.ts";

/** Each is loaded when it is asked for: `inspect` does not wait for a DHT to be parsed. */
export const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  gen: async () => (await import("./gen.ts")).gen,
  init: async () => (await import("./init.ts")).init,
  build: async () => (await import("./build.ts")).build,
  sign: async () => (await import("./sign.ts")).sign,
  verify: async () => (await import("./verify.ts")).verify,
  inspect: async () => (await import("./inspect.ts")).inspect,
  status: async () => (await import("./status.ts")).status,
  publish: async () => (await import("./publish.ts")).publish,
  withdraw: async () => (await import("./withdraw.ts")).withdraw,
  fetch: async () => (await import("./fetch.ts")).fetchNewest,
  watch: async () => (await import("./watch.ts")).watch,
  doctor: async () => (await import("./doctor.ts")).doctor,
  dht: async () => (await import("./dht.ts")).dht,
  key: async () => (await import("./key.ts")).key,
  complete: async () => (await import("./complete.ts")).complete,
};

export const ROOT_COMMAND: Command = command({
  meta: {
    name: "rustpatcher",
    version: manifest.version,
    description: "Self-updating single-file Bun apps",
  },
  subCommands: { ...COMMANDS },
});

/** What every command takes: for completion, and for docs/CLI.md. */
export async function commandTable(): Promise<CommandTable> {
  const rows = await Promise.all(
    Object.entries(COMMANDS).map(async ([name, load]) => {
      const loaded = await load();
      // Ours are plain objects; citty would also take functions and promises of one.
      const { description = "" } = (loaded.meta ?? {}) as CommandMeta;
      return [name, { description, args: argumentsOf(loaded) }] as const;
    }),
  );
  return Object.fromEntries(rows);
}
