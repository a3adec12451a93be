import manifest from "../../package.json" with { type: "json" };
import { command, type Command } from "./command.ts";

/** Each is loaded when it is asked for: `inspect` does not wait for a DHT to be parsed. */
export const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  gen: async () => (await import("./gen.ts")).gen,
  init: async () => (await import("./init.ts")).init,
  build: async () => (await import("./build.ts")).build,
  sign: async () => (await import("./sign.ts")).sign,
  verify: async () => (await import("./verify.ts")).verify,
  inspect: async () => (await import("./inspect.ts")).inspect,
  publish: async () => (await import("./publish.ts")).publish,
  fetch: async () => (await import("./fetch.ts")).fetchNewest,
  dht: async () => (await import("./dht.ts")).dht,
};

export const ROOT_COMMAND: Command = command({
  meta: {
    name: "rustpatcher",
    version: manifest.version,
    description: "Self-updating single-file Bun apps",
  },
  subCommands: { ...COMMANDS },
});
